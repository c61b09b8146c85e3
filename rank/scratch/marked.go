package scratch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// markedPause lies between two looks at /proc. A process that was between fork and exec at the first look, and so
	// still showed its parent's environment, is past it at the second.
	markedPause = 10 * time.Millisecond
	// markedPatience is how long killed processes may take to go: one in an uninterruptible wait on a dead NFS server
	// can take for ever, and must not keep us.
	markedPatience = 20 * time.Second
	// maxEnviron bounds what is read of an environment. Linux itself allows a quarter of the stack limit, 2 MiB as a rule.
	maxEnviron = 8 << 20
)

// EndMarked kills every process of this user whose environment, as it was started with, holds marker ("NAME=value")
// as a whole entry, and returns when two looks in a row have found none. It never kills the calling process. An error
// means that some would not go.
func EndMarked(marker string) error {
	deadline := time.Now().Add(markedPatience)
	for quiet := 0; quiet < 2; {
		found, err := killMarked(marker)
		if err != nil {
			return err
		}
		if found == 0 {
			quiet++
		} else {
			quiet = 0
		}
		if found > 0 && time.Now().After(deadline) {
			return fmt.Errorf("%d processes with %s in their environment do not go when killed", found, marker)
		}
		if quiet < 2 {
			time.Sleep(markedPause)
		}
	}
	return nil
}

// killMarked looks once and returns how many it found.
func killMarked(marker string) (int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	found := 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if killIfMarked(pid, marker) {
			found++
		}
	}
	return found, nil
}

// killIfMarked looks at a process through a descriptor of it, so that the one killed is the one looked at even when its
// number is given out anew in between. Kernels before 5.3 have no such descriptors; there the number has to do.
func killIfMarked(pid int, marker string) bool {
	var info syscall.Stat_t
	if syscall.Stat(fmt.Sprintf("/proc/%d", pid), &info) != nil || int(info.Uid) != os.Geteuid() {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd)
	} else if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) { // EPERM: some containers' seccomp rules
		return false
	}
	if !carries(pid, marker) {
		return false
	}
	if err == nil {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	} else {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return true
}

func carries(pid int, marker string) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	environ, err := io.ReadAll(io.LimitReader(f, maxEnviron)) // a zombie's is empty
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == marker {
			return true
		}
	}
	return false
}
