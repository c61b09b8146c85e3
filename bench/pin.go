package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Measured is what Pin writes of a command that it waited for.
type Measured struct {
	Elapsed int64 `json:"elapsed_us"`
	CPU     int64 `json:"cpu_us"`
}

// Pin becomes argv on the first so many of the CPUs that this process may use, so that a node of 16 cores can stand for
// one of 4. cores 0 leaves all. With a file for the result it waits for the command instead, and writes what that took:
// the way to a time that a batch system's queue is not part of. The command's exit code is in the *exec.ExitError.
func Pin(cores int, resultFile string, argv []string) error {
	if len(argv) == 0 {
		return config("which command? Give it after --")
	}
	if cores > 0 {
		if err := pin(cores); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if resultFile == "" {
		return fmt.Errorf("executing %s: %w", program, unix.Exec(program, argv, os.Environ()))
	}
	cmd := exec.Command(program, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	start := time.Now()
	err = cmd.Run()
	elapsed := time.Since(start)
	if cmd.ProcessState == nil {
		return err
	}
	text, jerr := json.Marshal(Measured{elapsed.Microseconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()})
	return errors.Join(err, jerr, os.WriteFile(resultFile, text, 0o644))
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
