package launch

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// After one rank has failed or a signal was passed on, the others get leaveGrace to end by themselves, which is how the
// first cause gets printed. Then they are asked to end, and after askGrace more they are killed. Both are short: the
// ranks share this machine, and whatever they still do, nobody waits for it.
const (
	leaveGrace = 1 * time.Second
	askGrace   = 2 * time.Second
	pipeGrace  = time.Second // for output that is still in a pipe which a leftover process holds open
)

// crew is the ranks that StartLocal has started. One goroutine each waits for its end; all else happens in watch.
type crew struct {
	out      outputs
	commands []*exec.Cmd // those that were started; nil once ended
	running  int
	ended    chan ending // holds one for each rank, so that no waiter is ever held up
	exitCode int
}

type ending struct{ rank, code int }

func newCrew(n int, out Output) *crew {
	return &crew{out: newOutputs(out), ended: make(chan ending, n)}
}

func (c *crew) start(rank int, cmd *exec.Cmd) error {
	flush := c.out.attach(rank, cmd)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = pipeGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	c.commands = append(c.commands, cmd)
	c.running++
	go func() {
		code := await(cmd)
		flush()
		c.ended <- ending{rank, code}
	}()
	return nil
}

// await waits for a rank, kills what is left of its process group, and returns its exit code.
func await(cmd *exec.Cmd) int {
	pid := cmd.Process.Pid
	// Look before reaping: while the zombie holds its number, the group of that number is its own and nobody else's.
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = cmd.Wait() // the state says more than the error
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
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
			c.commands[e.rank] = nil
			if e.code != 0 && c.exitCode == 0 {
				c.exitCode = e.code
				if patience == nil {
					patience = time.After(leaveGrace)
				}
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
	for _, cmd := range c.commands {
		if cmd != nil {
			_ = cmd.Process.Signal(s) // one that has just ended is no error
		}
	}
}

func (c *crew) kill() { c.signal(syscall.SIGKILL) }
