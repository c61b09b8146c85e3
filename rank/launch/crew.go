package launch

import (
	"context"
	"os"
	"syscall"
	"time"
)

// After one rank has failed or a signal was passed on, the others get leaveGrace to end by themselves, which is how the
// first cause gets printed. Then they are asked to end, and after askGrace more they are killed. Both are short: the
// ranks share this machine, and whatever they still do, nobody waits for it.
const (
	leaveGrace = 1 * time.Second
	tidyGrace  = 10 * time.Second // after a build, to remove scratch directories; only a rank that hangs takes longer
	askGrace   = 2 * time.Second
	pipeGrace  = time.Second // for output that is still in a pipe which a leftover process holds open
)

// A member is a rank that was started.
type member interface {
	// signal passes a signal on. Where that has become impossible, it is no error: the rank has ended or will be lost.
	signal(os.Signal)
	// await returns the rank's exit code when it has ended and nothing of it is left. It is called once.
	await() int
}

const (
	signalled = 128 // what exit codes of processes that a signal ended exceed, as in a shell
	usageCode = 2   // of what is not set up (rank.ExitUsage)
	lostCode  = 3   // of a rank that lost the others (rank.ExitWorld), and of one to which the connection is lost
)

// crew is the ranks that were started together. One goroutine each waits for its end; all else happens in watch.
type crew struct {
	out      outputs
	members  []member // by rank; nil where none was started, or once it has ended
	running  int
	ended    chan ending // holds one for each rank, so that no waiter is ever held up
	exitCode int
	whole    bool // every rank has ended well, and so has waited for what it started
}

type ending struct{ rank, code int }

func newCrew(n int, out Output) *crew {
	return &crew{out: newOutputs(out), members: make([]member, n), ended: make(chan ending, n), whole: true}
}

// add begins to wait for a rank; flush is called when it has ended.
func (c *crew) add(rank int, m member, flush func()) {
	c.members[rank] = m
	c.running++
	go func() {
		code := m.await()
		flush()
		c.ended <- ending{rank, code}
	}()
}

// watch returns when every rank has ended.
func (c *crew) watch(ctx context.Context, signals <-chan os.Signal) {
	var (
		cancelled = ctx.Done()
		patience  <-chan time.Time
		asked     bool
	)
	ask := func() {
		asked = true
		c.signal(syscall.SIGTERM)
		patience = time.After(askGrace)
	}
	for c.running > 0 {
		select {
		case e := <-c.ended:
			c.running--
			c.members[e.rank] = nil
			c.whole = c.whole && e.code == 0
			// A rank other than root that a signal ended, or that lost the others, is a loss to them, which root may
			// recover from; root's own end is the end of the run. Whatever else a rank ends with, it was not in the world,
			// or the run is over.
			if e.rank != 0 && (e.code > signalled || e.code == lostCode) {
				continue
			}
			if e.code != 0 && c.exitCode == 0 {
				c.exitCode = e.code
			}
			if patience == nil && e.code != 0 {
				patience = time.After(leaveGrace)
			}
			if patience == nil && e.rank == 0 {
				c.signal(syscall.SIGCONT) // a rank that was stopped for good wakes up, learns that it was left out, and ends
				patience = time.After(tidyGrace)
			}
		case s := <-signals:
			c.signal(s)
			if patience == nil {
				patience = time.After(leaveGrace)
			}
		case <-cancelled:
			cancelled = nil
			ask()
		case <-patience:
			if !asked {
				ask()
			} else {
				c.kill()
			}
		}
	}
}

// signal reaches the ranks alone, not their groups: a tool that died of it would look like code that does not build.
func (c *crew) signal(s os.Signal) {
	for _, m := range c.members {
		if m != nil {
			m.signal(s)
		}
	}
}

func (c *crew) kill() { c.signal(syscall.SIGKILL) }
