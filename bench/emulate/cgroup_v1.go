package emulate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groupsV1 are the mount points of two controllers, which may be the same. Only nodes are accounted for, so threads
// have groups in the CPU controller alone.
type groupsV1 struct{ cpu, cpuacct string }

func (v groupsV1) roots() []string {
	if v.cpu == v.cpuacct {
		return []string{v.cpu}
	}
	return []string{v.cpu, v.cpuacct}
}

func (v groupsV1) addNode(node group, s share) error {
	for _, root := range v.roots() {
		if err := os.MkdirAll(filepath.Join(root, string(node)), 0o755); err != nil {
			return err
		}
	}
	// 2^18 is the kernel's most, 256 times the weight of a group or process outside.
	if err := writeFile(filepath.Join(v.cpu, filepath.Dir(string(node))), "cpu.shares", "262144"); err != nil {
		return err
	}
	if err := v.limit(filepath.Join(v.cpu, string(node)), s); err != nil {
		return err
	}
	return makeGroup(filepath.Join(v.cpu, string(node), mainGroup))
}

func (v groupsV1) addThread(thread group, s share) error {
	dir := filepath.Join(v.cpu, string(thread))
	if err := makeGroup(dir); err != nil {
		return err
	}
	return v.limit(dir, s)
}

func (v groupsV1) limit(dir string, s share) error {
	if err := writeFile(dir, "cpu.cfs_period_us", micros(s.period())); err != nil {
		return err
	}
	if err := writeFile(dir, "cpu.cfs_quota_us", micros(s.quota())); err != nil {
		return err
	}
	return catchUp(dir, "cpu.cfs_burst_us", s)
}

// join writes to tasks, not to cgroup.procs: moving the calling thread alone spares the kernel a lock over all
// processes, which can take milliseconds, and exec makes of that thread the process.
func (v groupsV1) join(g group) error {
	if err := writeFile(filepath.Join(v.cpu, string(g)), "tasks", "0"); err != nil {
		return err
	}
	if node, ok := nodeOf(string(g)); ok && v.cpu != v.cpuacct && filepath.Base(string(g)) == mainGroup {
		return writeFile(filepath.Join(v.cpuacct, string(node)), "tasks", "0")
	}
	return nil
}

func (v groupsV1) move(thread int, g group) error {
	return writeFile(filepath.Join(v.cpu, string(g)), "tasks", strconv.Itoa(thread))
}

func (v groupsV1) usage(node group) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(v.cpuacct, string(node), "cpuacct.usage"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cpuacct.usage of %s: %w", node, err)
	}
	return time.Duration(n), nil
}
