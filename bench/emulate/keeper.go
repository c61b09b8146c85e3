package emulate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A keeper gives every thread of a cluster's nodes a control group of its own, with the quota of one dilated core. It
// hears from the kernel of each thread that starts or ends; in the moment until it has acted a new thread shares the
// core of the one that made it.
//
// Everything but stop belongs to the keeper's goroutine, which has a thread of real-time priority to itself: it is
// part of the machine that it emulates, and must not wait for the nodes.
type keeper struct {
	groups  groups
	nodes   map[group]share // what each gets
	events  *procEvents
	threads map[int]group     // the thread groups in use, by thread ID
	free    map[group][]group // thread groups without a thread, by node
	made    map[group]int     // how many there are of them, by node

	stopping *os.File // closing it ends the keeper
	done     chan struct{}
	err      error // what went wrong, once done is closed
}

// newKeeper starts to watch. The caller must call stop.
func newKeeper(gs groups, nodes map[group]share) (*keeper, error) {
	events, err := listenProcEvents()
	if err != nil {
		return nil, err
	}
	ended, stopping, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, events.close())
	}
	k := &keeper{
		groups: gs, nodes: nodes, events: events,
		threads: map[int]group{}, free: map[group][]group{}, made: map[group]int{},
		stopping: stopping, done: make(chan struct{}),
	}
	ready := make(chan error, 1)
	go func() {
		defer close(k.done)
		// Never unlocked: the thread ends with the goroutine, and its priority with it.
		runtime.LockOSThread()
		err := realTime()
		ready <- err
		if err == nil {
			k.err = k.watch(int(ended.Fd()))
		}
		k.err = errors.Join(k.err, events.close(), ended.Close())
	}()
	if err := <-ready; err != nil {
		return nil, errors.Join(fmt.Errorf("giving the keeper of the nodes' threads real-time priority: %w", err), k.stop())
	}
	return k, nil
}

// stop ends the keeper and says what went wrong while it watched. It may be called again.
func (k *keeper) stop() error {
	_ = k.stopping.Close()
	<-k.done
	return k.err
}

// failed says what has gone wrong so far; until there is something the keeper is at work.
func (k *keeper) failed() error {
	select {
	case <-k.done:
		return k.err
	default:
		return nil
	}
}

// watch acts on the kernel's events until the other end of a pipe is closed.
func (k *keeper) watch(stopped int) error {
	poll := []unix.PollFd{{Fd: int32(k.events.fd), Events: unix.POLLIN}, {Fd: int32(stopped), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if poll[1].Revents != 0 {
			return nil
		}
		if poll[0].Revents == 0 {
			continue
		}
		event, err := k.events.next()
		if err == nil {
			err = k.act(event)
		}
		if err != nil {
			return fmt.Errorf("keeping threads to their cores: %w", err)
		}
	}
}

func (k *keeper) act(e procEvent) error {
	switch e.what {
	case procFork:
		// A thread ID that comes again is another thread, whatever was known of the last.
		k.forget(e.child)
		relative := e.of // its first thread has the process's ID
		if e.child == e.of {
			relative = e.thread
		}
		if beside, ok := k.threads[relative]; ok {
			return k.place(e.child, group(filepath.Dir(string(beside))))
		}
	case procExec:
		// Enter joined the node's main group and became the program.
		if _, ok := k.threads[e.thread]; !ok {
			if node, ok := k.nodeOf(e.thread); ok {
				return k.place(e.thread, node)
			}
		}
	case procExit:
		k.forget(e.thread)
	}
	return nil
}

// place moves a thread into a group of its own.
func (k *keeper) place(thread int, node group) error {
	var own group
	if free := k.free[node]; len(free) > 0 {
		own, k.free[node] = free[len(free)-1], free[:len(free)-1]
	} else {
		k.made[node]++
		own = node + "/" + threadPrefix + group(strconv.Itoa(k.made[node]))
		if err := k.groups.addThread(own, share{1, k.nodes[node].dilation}); err != nil {
			return err
		}
	}
	err := k.groups.move(thread, own)
	if err != nil {
		k.free[node] = append(k.free[node], own)
		if errors.Is(err, syscall.ESRCH) {
			return nil // it has ended already
		}
		return err
	}
	k.threads[thread] = own
	return nil
}

func (k *keeper) forget(thread int) {
	if own, ok := k.threads[thread]; ok {
		delete(k.threads, thread)
		node := group(filepath.Dir(string(own)))
		k.free[node] = append(k.free[node], own)
	}
}

// nodeOf finds the cluster's node in which a thread is.
func (k *keeper) nodeOf(thread int) (group, bool) {
	membership, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", thread))
	if err != nil {
		return "", false // it has ended already
	}
	node, ok := ownNode(string(membership))
	_, ours := k.nodes[node]
	return node, ok && ours
}

// realTime makes the kernel run the calling thread before every ordinary one.
func realTime() error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
}
