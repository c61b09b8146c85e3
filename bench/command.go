package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// endTime is what a command has between the request to end and being killed; distgo's ranks clean up in it.
const endTime = 15 * time.Second

// run executes a command in a process group of its own, for the task's time at most, with what it says going to the task's
// log, and waits for it. The error is for commands that could not be started and for an ended context; a command that
// failed is a Result.
func (t *Task) run(ctx context.Context, dir string, env, argv []string) (*Result, error) {
	limited, cancel := context.WithTimeoutCause(ctx, t.Limit, errLimit)
	defer cancel()
	return t.submit(limited, dir, env, argv)
}

// submit is run without a limit of its own: a batch system's queue takes as long as it takes, and then knows the limit.
func (t *Task) submit(ctx context.Context, dir string, env, argv []string) (*Result, error) {
	log, err := os.OpenFile(t.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	start := time.Now()
	err = cmd.Run()
	r := &Result{Elapsed: time.Since(start), Clock: "command"}
	if cmd.ProcessState == nil {
		return nil, err
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left in its group
	r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errLimit) {
		return nil, cause
	}
	if err != nil {
		r.Failed = t.whyFailed(ctx, err)
	}
	return r, nil
}

var errLimit = errors.New("time limit")

// whyFailed is a line for a failed build.
func (t *Task) whyFailed(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errLimit) {
		return fmt.Sprintf("took longer than %s (--limit)", t.Limit)
	}
	reason := err.Error()
	if said := lastLine(t.log()); said != "" {
		reason += ": " + said
	}
	return reason
}

// lastLine is the last line of a file that says something, shortened.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const tail = 4096
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end > tail {
		_, _ = f.Seek(end-tail, io.SeekStart)
	} else {
		_, _ = f.Seek(0, io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	last := string(bytes.TrimSpace(lines[len(lines)-1]))
	const most = 300
	if len(last) > most {
		last = last[:most] + "…"
	}
	return last
}

// environ is this process's environment without what would make a build part of another run or of another launcher's
// world, and with the further settings.
func environ(further ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if foreign(name) {
			continue
		}
		env = append(env, v)
	}
	return append(env, further...)
}

// foreign says that a variable is another run's.
func foreign(name string) bool {
	switch name {
	case "DISTGO_SECRET":
		return false
	case "GOMAXPROCS", "RANK", "WORLD_SIZE", "LOCAL_RANK":
		return true
	}
	for _, prefix := range []string{"DISTGO_", "PRUN_", "PMI_", "OMPI_", "PMIX_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
