package launch

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is a rank on this machine, in a process group of its own.
type child struct{ cmd *exec.Cmd }

// startChild starts a rank. The kernel kills it when the calling thread ends.
func (c *crew) startChild(rank int, cmd *exec.Cmd) error {
	stdin, stdout, stderr, flush := c.out.of(rank)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = pipeGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	c.add(rank, child{cmd}, flush)
	return nil
}

func (c child) signal(s os.Signal) { _ = c.cmd.Process.Signal(s) }

// await waits for the rank and kills what is left of its process group.
func (c child) await() int {
	pid := c.cmd.Process.Pid
	// Look before reaping: while the zombie holds its number, the group of that number is its own and nobody else's.
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = c.cmd.Wait() // the state says more than the error
	status := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
