package emulate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groupsV2 is the one tree of version 2. There processes live in leaves only, and a controller is switched on from
// above, level by level. A node's groups below it are threaded: its processes may have threads in several of them.
type groupsV2 struct{ root string }

func (v groupsV2) roots() []string { return []string{v.root} }

func (v groupsV2) addNode(node group, s share) error {
	cluster := filepath.Join(v.root, filepath.Dir(string(node)))
	dir := filepath.Join(v.root, string(node))
	if err := v.handDown(v.root); err != nil {
		return fmt.Errorf("%w (inside a container, move its processes out of the top group first)", err)
	}
	for _, dir := range []string{cluster, dir} {
		if err := makeGroup(dir); err != nil {
			return err
		}
		if err := v.handDown(dir); err != nil {
			return err
		}
	}
	// The kernel's most, a hundred times the weight of a group outside.
	if err := writeFile(cluster, "cpu.weight", "10000"); err != nil {
		return err
	}
	if err := v.limit(dir, s); err != nil {
		return err
	}
	return v.makeThreaded(filepath.Join(dir, mainGroup))
}

func (v groupsV2) addThread(thread group, s share) error {
	dir := filepath.Join(v.root, string(thread))
	if err := v.makeThreaded(dir); err != nil {
		return err
	}
	return v.limit(dir, s)
}

func (v groupsV2) makeThreaded(dir string) error {
	if err := makeGroup(dir); err != nil {
		return err
	}
	return writeFile(dir, "cgroup.type", "threaded")
}

// handDown gives the groups below dir the CPU controller; where they have it the kernel changes nothing.
func (v groupsV2) handDown(dir string) error {
	return writeFile(dir, "cgroup.subtree_control", "+cpu")
}

func (v groupsV2) limit(dir string, s share) error {
	if err := writeFile(dir, "cpu.max", micros(s.quota())+" "+micros(s.period())); err != nil {
		return err
	}
	return catchUp(dir, "cpu.max.burst", s)
}

func (v groupsV2) join(g group) error {
	return writeFile(filepath.Join(v.root, string(g)), "cgroup.procs", "0")
}

func (v groupsV2) move(thread int, g group) error {
	return writeFile(filepath.Join(v.root, string(g)), "cgroup.threads", strconv.Itoa(thread))
}

func (v groupsV2) usage(node group) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(v.root, string(node), "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("cpu.stat of %s: %w", node, err)
			}
			return time.Duration(n) * time.Microsecond, nil
		}
	}
	return 0, fmt.Errorf("cpu.stat of %s has no usage_usec", node)
}
