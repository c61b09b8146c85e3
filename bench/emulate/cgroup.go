package emulate

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A group names a control group by its path below the hierarchy's root.
//
// A cluster has this tree, in each hierarchy that takes part:
//
//	distgo-ab12c/                the cluster
//	  node001-2c-4x/             a node: its quota, and in its name its cores and dilation, for people to read
//	    main/                    what Start runs
//	    thread-7/                one thread, where the node has several cores
type group string

const (
	groupPrefix  = "distgo-"
	mainGroup    = "main"
	threadPrefix = "thread-"
)

// groups is what differs between the two versions of control groups.
type groups interface {
	// addNode makes a node's group and its main group. The cluster outweighs everything else on the machine: its
	// quotas bound it from above, and nothing but them should.
	addNode(node group, s share) error
	// addThread makes a group for single threads of a node.
	addThread(thread group, s share) error
	// join moves the calling thread, which is about to become the process by exec, to a group.
	join(g group) error
	// move moves one thread of a process that is in the same node.
	move(thread int, g group) error
	// usage is the CPU time used in a node since it was made, by processes that ended too.
	usage(node group) (time.Duration, error)
	// roots are the directories under which a cluster has its tree; the first is the CPU controller's.
	roots() []string
}

// clusterGroup is the tree of the cluster with an ID.
func clusterGroup(id string) group { return group(groupPrefix + id) }

func nodeGroup(id, hostname string, s share) group {
	return group(fmt.Sprintf("%s%s/%s-%dc-%sx", groupPrefix, id, hostname, s.cores,
		strconv.FormatFloat(s.dilation, 'f', -1, 64)))
}

// nodeOf finds the node in the path of any group in it.
func nodeOf(path string) (group, bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 2 || !strings.HasPrefix(parts[0], groupPrefix) || parts[1] == "" {
		return "", false
	}
	return group(parts[0] + "/" + parts[1]), true
}

// ownNode finds the node in a process's group membership (/proc/self/cgroup).
func ownNode(membership string) (group, bool) {
	for line := range strings.Lines(membership) {
		// "1:cpu,cpuacct:/path" in version 1, "0::/path" in version 2
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if node, ok := nodeOf(fields[2]); ok {
			return node, true
		}
	}
	return "", false
}

// findGroups finds the hierarchies with the CPU controller in a process's mountinfo. Version 1 wins where both are
// mounted, because a controller that has a v1 mount is not there in the v2 tree.
func findGroups(mountinfo string) (groups, error) {
	var v1 groupsV1
	var v2 groupsV2
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		// 32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu (proc_pid_mountinfo(5))
		before, after, ok := strings.Cut(lines.Text(), " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if !ok || len(where) < 5 || len(what) < 3 {
			continue
		}
		switch what[0] {
		case "cgroup":
			for _, option := range strings.Split(what[2], ",") {
				switch option {
				case "cpu":
					v1.cpu = where[4]
				case "cpuacct":
					v1.cpuacct = where[4]
				}
			}
		case "cgroup2":
			v2.root = where[4]
		}
	}
	switch {
	case v1.cpu != "" && v1.cpuacct != "":
		return v1, nil
	case v1.cpu != "":
		return nil, fmt.Errorf("cgroup v1 has no cpuacct controller mounted: mount -t cgroup -o cpuacct none /sys/fs/cgroup/cpuacct")
	case v2.root != "":
		controllers, err := os.ReadFile(filepath.Join(v2.root, "cgroup.controllers"))
		if err != nil {
			return nil, err
		}
		if !hasWord(string(controllers), "cpu") {
			return nil, fmt.Errorf("the cgroup v2 tree at %s has no cpu controller for us (a container without it delegated?)", v2.root)
		}
		return v2, nil
	}
	return nil, errors.New("no control groups are mounted: mount -t cgroup2 none /sys/fs/cgroup")
}

func hasWord(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if w == word {
			return true
		}
	}
	return false
}

func machineGroups() (groups, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return findGroups(string(mountinfo))
}

// processesOf lists the processes of a group and those below it.
func processesOf(gs groups, g group) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(filepath.Join(gs.roots()[0], string(g)), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a command's group that was swept while we looked
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// ignoreGone forgives that a group went away while it was used, which reading its files says in one of two ways; and that
// version 2 lists the processes of groups of threads only in the node's.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EOPNOTSUPP) {
		return nil
	}
	return err
}

// removeGroup removes a group and those below it in every hierarchy. Control groups hold no files to remove, only
// directories, innermost first.
func removeGroup(gs groups, g group) error {
	var errs []error
	for _, root := range gs.roots() {
		var dirs []string
		errs = append(errs, filepath.WalkDir(filepath.Join(root, string(g)), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return ignoreGone(err)
		}))
		for i := len(dirs) - 1; i >= 0; i-- {
			errs = append(errs, ignoreGone(syscallRmdir(dirs[i])))
		}
	}
	return errors.Join(errs...)
}

// syscallRmdir is os.Remove without its try at unlink.
func syscallRmdir(dir string) error {
	if err := syscall.Rmdir(dir); err != nil {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// makeGroup makes a group's directory and says whether it is there.
func makeGroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func writeFile(dir, name, value string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(value), 0o644)
}

// catchUp lets a group use in one period what it had no chance to use in the one before. A group that gets its quota is
// not put on a core at once when others hold it, and what is left at the end of the period is lost: without this, nodes on
// a busy machine run up to 10 % slower than they should. Over time the group gets no more than its quota. The kernel
// knows this since 5.14, and allows one quota.
func catchUp(dir, name string, s share) error {
	err := writeFile(dir, name, micros(s.quota()))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // cgroup file systems create no files
		return nil
	}
	return err
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
