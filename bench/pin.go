package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Measured is what Run writes of a command that it waited for.
type Measured struct {
	Elapsed int64 `json:"elapsed_us"`
	CPU     int64 `json:"cpu_us"`
}

// A Pinned is a command to run on a node as a cell wants it.
type Pinned struct {
	// Cores are the first so many of the CPUs that this process may use: a node of 16 can stand for one of 4. 0 leaves all.
	Cores int
	// Result is a file for what the command took, "" for none: a time that a batch system's queue is not part of.
	Result string
	// Fresh gives the command caches of its own on the node's disk: GOCACHE, and a store, which holds nothing but the
	// compilers of Kept and takes the place of storeWord in the command.
	Fresh bool
	Kept  string
	Argv  []string
}

// Run becomes the command, or runs it where there is something to do afterwards. The command's exit code is in the
// *exec.ExitError. When ctx ends the command is asked to end, and killed after a while.
func (p *Pinned) Run(ctx context.Context) (err error) {
	if len(p.Argv) == 0 {
		return config("which command? Give it after --")
	}
	if p.Cores > 0 {
		if err := pin(p.Cores); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(p.Argv[0])
	if err != nil {
		return err
	}
	if p.Result == "" && !p.Fresh {
		return fmt.Errorf("executing %s: %w", program, unix.Exec(program, p.Argv, os.Environ()))
	}
	argv, env := slices.Clone(p.Argv), os.Environ()
	if p.Fresh {
		dir, err := privateDir()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		env = append(env, "GOCACHE="+filepath.Join(dir, "gocache"))
		store := filepath.Join(dir, "store")
		if err := freshStore(store, p.Kept); err != nil {
			return err
		}
		for i, word := range argv {
			if word == storeWord {
				argv[i] = store
			}
		}
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = endTime
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start)
	if p.Result == "" || cmd.ProcessState == nil {
		return err
	}
	text, jerr := json.Marshal(Measured{elapsed.Microseconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()})
	return errors.Join(err, jerr, os.WriteFile(p.Result, text, 0o644))
}

// privateDir is a new directory on the node's disk. TMPDIR may name one that nobody has made on this node yet.
func privateDir() (string, error) {
	if err := os.MkdirAll(os.TempDir(), 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp("", "distgo-bench-")
}

// pin narrows the affinity of all threads of this process that there will be: exec and children inherit it.
func pin(cores int) error {
	var had, have unix.CPUSet
	if err := unix.SchedGetaffinity(0, &had); err != nil {
		return err
	}
	if had.Count() < cores {
		return config("%d cores are asked for and %d can be used", cores, had.Count())
	}
	for cpu, left := 0, cores; left > 0; cpu++ {
		if had.IsSet(cpu) {
			have.Set(cpu)
			left--
		}
	}
	// Affinity is a thread's, and the next exec or fork may come from any: all threads that there are get it, and with
	// them those that they make.
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		var id int
		if _, err := fmt.Sscan(thread.Name(), &id); err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &have); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
