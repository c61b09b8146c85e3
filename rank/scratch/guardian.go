package scratch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// pipeFD is the guardian's one descriptor after the three standard ones, which are /dev/null: a launcher that waits for the
// end of its processes' output must not wait for a guardian.
const pipeFD = 3

// guardian is the rank's end of the pipe to its guardian.
type guardian struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// dismissGrace is how long a guardian that was told to go may take; starting up on a busy node is all it has to do.
const dismissGrace = 5 * time.Second

// startGuardian does not wait for it to get going, and it may be that dir is never made.
func startGuardian(exe, dir string) (*guardian, error) {
	if exe == "" {
		exe = "/proc/self/exe" // this very file, even when another one lies at its path by now
	}
	exe, err := filepath.Abs(exe)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command(exe, "guard", dir)
	cmd.Dir = "/"                      // holds no file system busy
	cmd.Env = []string{"GOMAXPROCS=1"} // no marker, and no threads for what it does not do
	cmd.ExtraFiles = []*os.File{read}  // pipeFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("starting the scratch directory's guardian: %w", err)
	}
	return &guardian{cmd, write}, nil
}

// dismiss tells the guardian that all is well and waits for it to go.
func (g *guardian) dismiss() error {
	_, _ = g.pipe.Write([]byte{1}) // fails if it was killed, and then it need not know
	return g.abandon()
}

// abandon closes the pipe and waits. Without dismissal the guardian does its work first.
func (g *guardian) abandon() error {
	err := g.pipe.Close()
	var late atomic.Bool
	timer := time.AfterFunc(dismissGrace, func() { late.Store(true); _ = g.cmd.Process.Kill() })
	defer timer.Stop()
	_ = g.cmd.Wait()
	if late.Load() {
		err = errors.Join(err, fmt.Errorf("the scratch directory's guardian did not end within %v", dismissGrace))
	}
	return err
}

// Guard is the main function of the guardian, `distgo guard DIR`, and returns its exit code. It should be called before
// anything else that main does: it starts with every rank and stays as long.
func Guard(args []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	var pipe syscall.Stat_t
	if len(args) != 1 || syscall.Fstat(pipeFD, &pipe) != nil || pipe.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		fmt.Fprintln(os.Stderr, "distgo guard: this is for distgo's own use")
		return 2
	}
	syscall.CloseOnExec(pipeFD) // it starts nothing, but the rule costs nothing
	if dismissed() {
		return 0
	}
	dir := args[0]
	home, err := enterHome(filepath.Dir(dir))
	if errors.Is(err, errHomeGone) {
		return 0
	} else if err != nil {
		return 1
	}
	defer home.leave()
	if _, err := home.bury(filepath.Base(dir), 0); err != nil {
		return 1 // the lock file stays, and the next run tries again
	}
	return 0
}

// dismissed waits for the rank's last word, or its end.
func dismissed() bool {
	var word [1]byte
	for {
		n, err := syscall.Read(pipeFD, word[:])
		if err != syscall.EINTR {
			return n == 1
		}
	}
}
