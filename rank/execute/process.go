package execute

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// waitDelay bounds how long a killed tool's grandchildren may keep its output
// open. They are killed with it; a second is for a machine that swaps.
const waitDelay = time.Second

// A process is one tool invocation.
type process struct {
	argv   []string
	dir    string
	env    []string
	stdout string // file for standard output; "" joins it with the diagnostics

	// signalled, where set, is called when the process writes a byte to
	// descriptor 3, a socket that it inherits. There it is told how many threads
	// it gets, a byte each time, when that is no longer what it began with.
	signalled func()
	threads   *Threads
	begun     int
}

type usage struct {
	started bool
	output  []byte // standard error, and standard output unless it went to a file
	cpu     time.Duration
	maxRSS  int64 // bytes
	signal  string
}

// run starts the process in a group of its own and waits for it. When ctx is
// done the whole group is killed.
func (p *process) run(ctx context.Context) (usage, error) {
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Dir = p.dir
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if p.stdout != "" {
		f, err := os.Create(p.stdout)
		if err != nil {
			return usage{}, err
		}
		defer f.Close()
		cmd.Stdout = f
	}
	var ours, theirs *os.File
	if p.signalled != nil {
		var err error
		if ours, theirs, err = socketPair(); err != nil {
			return usage{}, err
		}
		defer ours.Close()
		defer theirs.Close()
		cmd.ExtraFiles = []*os.File{theirs}
	}
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	var listener sync.WaitGroup
	if p.signalled != nil {
		theirs.Close()
		defer p.threads.follow(p.begun, ours)()
		listener.Go(func() { p.listen(ours) })
	}
	err := cmd.Wait()
	listener.Wait()
	u := usage{started: true, output: out.Bytes()}
	if s := cmd.ProcessState; s != nil {
		u.cpu = s.UserTime() + s.SystemTime()
		if ru, ok := s.SysUsage().(*syscall.Rusage); ok {
			u.maxRSS = ru.Maxrss * 1024 // kilobytes on Linux
		}
		if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			u.signal = ws.Signal().String()
		}
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it exited well; a grandchild kept the pipe
	}
	return u, err
}

// listen waits for a byte, or for the socket's other end to be closed, which it
// is at the latest with the process's end.
func (p *process) listen(socket *os.File) {
	if n, _ := socket.Read(make([]byte, 1)); n == 1 {
		p.signalled()
	}
}
