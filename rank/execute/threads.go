package execute

import (
	"os"
	"slices"
	"sync"
	"syscall"
)

// Threads is how many threads the tools of an action may run side by side. That
// may change while they run: a pipelined compiler follows, and is held while there
// are none. Any other tool keeps what it began with, which is one at least, and goes
// on. It may be used from any goroutine.
type Threads struct {
	mu        sync.Mutex
	now, most int
	followers []follower
}

// NewThreads returns so many threads, at least one.
func NewThreads(n int) *Threads {
	n = max(n, 1)
	return &Threads{now: n, most: n}
}

// Set says how many it is from now on; with none, who follows is held until there are
// some again, and loses nothing but time. What begins meanwhile is held at its
// beginning. Set does not wait for those who follow.
func (t *Threads) Set(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n = max(n, 0); n == t.now {
		return
	}
	t.now, t.most = n, max(t.most, n)
	for _, f := range t.followers {
		f.tell(n)
	}
}

// Most is how many it was at most, one at least.
func (t *Threads) Most() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most
}

// get is how many a tool begins with.
func (t *Threads) get() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.now, 1)
}

// follow has a process that began with so many threads told what they are, until
// the function that it returns is called.
func (t *Threads) follow(begun int, process follower) (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != begun {
		process.tell(t.now)
	}
	t.followers = append(t.followers, process)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.followers = slices.DeleteFunc(t.followers, func(f follower) bool { return f == process })
	}
}

// A follower is told what its threads are. With none it is held.
type follower interface{ tell(threads int) }

// socketPair returns two ends, of which the other process is to inherit one.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	_ = syscall.SetNonblock(ends[0], true) // else a thread would wait for each process
	return os.NewFile(uintptr(ends[0]), "socket"), os.NewFile(uintptr(ends[1]), "socket"), nil
}
