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

	// Where pipelined, the process inherits a socket as descriptor 3. It says there
	// how far it is, a byte each time, and is told there how many threads it gets
	// when that is no longer what it began with. Where it gets none, it is held:
	// its group is suspended.
	pipelined bool
	begun     int // threads; unknown where it may have been told others
}

const unknown = -1

// What a pipelined compiler says, and what it is told beside numbers of threads.
// See package rank/toolchain/pipeline.
const (
	saysExported = 1 // its export data is in its place
	saysTypes    = 2 // its types are
	saysWaits    = 3 // it waits for export data of its imports
	goOn         = 0 // that is there
)

// Moments of a pipelined compile. Each function, where set, is called when what it
// is named for is in its place.
type Moments struct {
	Typed    func() // the types of the package, for head starts of its importers; without it they are not written
	Exported func() // the export data
}

type usage struct {
	output []byte // standard error, and standard output unless it went to a file
	cpu    time.Duration
	maxRSS int64 // bytes
	signal string
}

// running is a process that was started. Somebody has to wait for it.
type running struct {
	process *process
	cmd     *exec.Cmd
	out     *bytes.Buffer
	stdout  *os.File // nil where it joins the diagnostics
	socket  *os.File // our end; nil where the process has none
	held    bool     // guarded by the Threads that it follows
}

// start starts the process in a group of its own. When ctx is done the whole group
// is killed, held or not. The kernel kills the process if this one is killed: where it
// is held, and init is of the same session, as in a container, nothing else would have
// it go on and end.
func (p *process) start(ctx context.Context) (*running, error) {
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Dir = p.dir
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	r := &running{process: p, cmd: cmd, out: new(bytes.Buffer)}
	cmd.Stdout, cmd.Stderr = r.out, r.out
	var err error
	if p.stdout != "" {
		if r.stdout, err = os.Create(p.stdout); err != nil {
			return nil, err
		}
		cmd.Stdout = r.stdout
	}
	if p.pipelined {
		var theirs *os.File
		if r.socket, theirs, err = socketPair(); err != nil {
			r.close()
			return nil, err
		}
		defer theirs.Close()
		cmd.ExtraFiles = []*os.File{theirs}
	}
	if err := cmd.Start(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *running) close() {
	if r.stdout != nil {
		r.stdout.Close()
	}
	if r.socket != nil {
		r.socket.Close()
	}
}

// finish tells the process what its threads are while it runs, calls the moments,
// and waits for its end.
func (r *running) finish(threads *Threads, moments Moments) (usage, error) {
	defer r.close()
	var listener sync.WaitGroup
	if r.socket != nil {
		defer threads.follow(r.process.begun, r)()
		listener.Go(func() {
			for r.hear(moments) != 0 {
			}
		})
	}
	err := r.cmd.Wait()
	listener.Wait()
	u := usage{output: r.out.Bytes()}
	if s := r.cmd.ProcessState; s != nil {
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

// hear waits until the process says how far it is, calls what is to be called then,
// and returns what was said. It is 0 when the socket's other end is closed, which it
// is at the latest with the process's end.
func (r *running) hear(moments Moments) (said byte) {
	var b [1]byte
	if n, _ := r.socket.Read(b[:]); n == 0 {
		return 0
	}
	switch {
	case b[0] == saysTypes && moments.Typed != nil:
		moments.Typed()
	case b[0] == saysExported && moments.Exported != nil:
		moments.Exported()
	}
	return b[0]
}

// tell holds the process where it gets no threads, and else has it go on if it was
// held, and writes their number: one byte, for which there is always room in a socket.
// A process that has ended need not know.
func (r *running) tell(threads int) {
	if threads == 0 {
		r.held = r.signal(syscall.SIGSTOP) == nil
		return
	}
	if r.held {
		r.held = r.signal(syscall.SIGCONT) != nil
	}
	r.say(byte(min(threads, 255)))
}

// signal sends the whole group a signal, as the compiler may have been started by
// another tool. The process itself gets it first: once that has ended, the group's
// number may be somebody else's.
func (r *running) signal(s syscall.Signal) error {
	if err := r.cmd.Process.Signal(s); err != nil {
		return err
	}
	return syscall.Kill(-r.cmd.Process.Pid, s)
}

func (r *running) say(b byte) { _, _ = r.socket.Write([]byte{b}) }
