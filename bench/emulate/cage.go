package emulate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Cage becomes the tool command argv, in a control group of its own that gives it its threads' share of the node, and
// not the share of the node's other cores. Where the command has as many threads as the node has cores, or where there
// is no emulated node, it only executes. It returns only to say what failed.
//
// Nobody waits for the tool, because the tool is this process: its group is removed by a later Cage, or by Down.
func Cage(argv []string) error {
	if len(argv) == 0 {
		return errors.New("usage: cage TOOL [ARGUMENT...]")
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	environment, err := cageThread(argv)
	if err != nil {
		return fmt.Errorf("caging %s: %w", argv[0], err)
	}
	return fmt.Errorf("executing %s: %w", program, syscall.Exec(program, argv, environment))
}

// cageThread moves the calling thread to a group for argv, and returns the environment for it.
func cageThread(argv []string) ([]string, error) {
	environment := os.Environ()
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	node, nodeShare, ok := ownNode(string(membership))
	if !ok {
		return environment, nil
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// Or Go would take the node for one of C/F cores.
		environment = append(environment, "GOMAXPROCS="+strconv.Itoa(nodeShare.cores))
	}
	threads := threadsOf(argv, os.Getenv("GOMAXPROCS"), nodeShare.cores)
	if threads >= nodeShare.cores {
		return environment, nil
	}
	gs, err := machineGroups()
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread() // exec follows, or the end of the process
	return environment, joinCommand(gs, node, share{threads, nodeShare.dilation})
}

// joinCommand makes a group for one command of a node and moves the calling thread there.
func joinCommand(gs groups, node group, s share) error {
	sweep(gs, node)
	command := node + "/" + commandPrefix + group(strconv.Itoa(os.Getpid()))
	// Another command's sweep may take the empty group before this one is in it. Each try loses only to one more sweep.
	const tries = 100
	for try := 1; ; try++ {
		err := gs.addCommand(command, s)
		if err == nil {
			err = gs.join(command)
		}
		if err == nil || try == tries || ignoreGone(err) != nil {
			return err
		}
	}
}

// sweep removes the groups of commands that ended. Groups that are in use cannot be removed, so there is nothing to ask.
func sweep(gs groups, node group) {
	dir := filepath.Join(gs.roots()[0], string(node))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // Down removes what is left
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), commandPrefix) {
			_ = syscallRmdir(filepath.Join(dir, entry.Name()))
		}
	}
}

// ownNode finds the node in a process's group membership (/proc/self/cgroup).
func ownNode(membership string) (group, share, bool) {
	for line := range strings.Lines(membership) {
		// "1:cpu,cpuacct:/path" in version 1, "0::/path" in version 2
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if node, s, ok := nodeOf(fields[2]); ok {
			return node, s, true
		}
	}
	return "", share{}, false
}

// threadsOf says how many threads' share a tool command gets on a node of that many cores. gomaxprocs is the
// environment variable's value.
func threadsOf(argv []string, gomaxprocs string, cores int) int {
	most := cores
	if n, err := strconv.Atoi(gomaxprocs); err == nil && n >= 1 {
		most = min(most, n)
	}
	switch tool := filepath.Base(argv[0]); {
	case strings.Contains(tool, "compile"):
		// Its back end has -c threads, by default GOMAXPROCS (cmd/compile/internal/base/flag.go, go1.26).
		return max(1, min(most, backendThreads(argv[1:], most)))
	case tool == "link":
		return most
	default:
		return 1
	}
}

// backendThreads is the value of the last -c in a compile's flags.
func backendThreads(flags []string, otherwise int) int {
	threads := otherwise
	for i, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		if name != "-c" && name != "--c" {
			continue
		}
		if !ok && i+1 < len(flags) {
			value = flags[i+1]
		}
		if n, err := strconv.Atoi(value); err == nil {
			threads = n
		}
	}
	return threads
}
