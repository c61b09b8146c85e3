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
	line   string // what is shown of it
	argv   []string
	dir    string
	env    []string
	stdout string // file for standard output; "" joins it with the diagnostics

	// signalled, where set, is called when the process writes a byte to
	// descriptor 3, a pipe that it inherits.
	signalled func()

	// held says that the process reads a byte from descriptor 4, another pipe,
	// and goes on when it gets one (goOn), or exits at the pipe's end (letGo).
	held bool

	cmd   *exec.Cmd
	out   bytes.Buffer
	heard *os.File   // where what it writes to descriptor 3 comes out
	word  *os.File   // what it reads from descriptor 4 goes in here
	ours  []*os.File // all that is to be closed when it has ended
}

type usage struct {
	started bool
	output  []byte // standard error, and standard output unless it went to a file
	cpu     time.Duration
	maxRSS  int64 // bytes
	signal  string
}

// run starts the process and waits for it.
func (p *process) run(ctx context.Context) (usage, error) {
	if err := p.start(ctx); err != nil {
		return usage{}, err
	}
	return p.wait()
}

// start starts the process in a group of its own. When ctx is done the whole
// group is killed. It has to be waited for.
func (p *process) start(ctx context.Context) (err error) {
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	p.cmd = cmd
	cmd.Dir = p.dir
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	defer func() {
		closeAll(cmd.ExtraFiles) // the process has its own
		if err != nil {
			closeAll(p.ours)
		}
	}()
	if p.stdout != "" {
		f, err := os.Create(p.stdout)
		if err != nil {
			return err
		}
		p.ours = append(p.ours, f)
		cmd.Stdout = f
	}
	if p.signalled != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		p.heard, p.ours = read, append(p.ours, read)
		cmd.ExtraFiles = append(cmd.ExtraFiles, write)
	}
	if p.held {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		p.word, p.ours = write, append(p.ours, write)
		cmd.ExtraFiles = append(cmd.ExtraFiles, read)
	}
	return cmd.Start()
}

// goOn tells a held process that it has so many threads now.
func (p *process) goOn(threads int) error {
	_, err := p.word.Write([]byte{byte(min(threads, 255))})
	return err
}

// letGo ends a held process that nobody needs.
func (p *process) letGo() {
	p.word.Close()
	_, _ = p.wait()
}

// wait returns when the process has ended.
func (p *process) wait() (usage, error) {
	defer closeAll(p.ours)
	var listener sync.WaitGroup
	if p.heard != nil {
		listener.Go(p.listen)
	}
	err := p.cmd.Wait()
	listener.Wait()
	u := usage{started: true, output: p.out.Bytes()}
	if s := p.cmd.ProcessState; s != nil {
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
func (p *process) listen() {
	if n, _ := p.heard.Read(make([]byte, 1)); n == 1 {
		p.signalled()
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
