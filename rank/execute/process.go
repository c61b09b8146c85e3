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
	// descriptor 3, a pipe that it inherits.
	signalled func()
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
	heard := func() {}
	if p.signalled != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return usage{}, err
		}
		cmd.ExtraFiles = []*os.File{write}
		defer write.Close()
		heard = func() {
			write.Close()
			p.listen(read)
		}
	}
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	var listener sync.WaitGroup
	listener.Go(heard)
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

// listen waits for a byte, or for the pipe's end, which comes at the latest
// with the process's.
func (p *process) listen(read *os.File) {
	defer read.Close()
	if n, _ := read.Read(make([]byte, 1)); n == 1 {
		p.signalled()
	}
}
