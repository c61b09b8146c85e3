package launch

import (
	"path"
	"strconv"
	"strings"
)

// CgroupCPUs returns the number of CPUs that the cgroups of this process may use by their quota, rounded up, or 0 where
// there is none (cpu.max in version 2, cpu.cfs_quota_us in version 1).
func CgroupCPUs(readFile func(string) ([]byte, error)) int {
	return int(leastOfCgroups(readFile, "cpu", quotaV2, quotaV1))
}

// CgroupMemory returns how many bytes of memory the cgroups of this process may hold, or 0 where nothing limits them
// (memory.max in version 2, memory.limit_in_bytes in version 1, which has a huge number for no limit).
func CgroupMemory(readFile func(string) ([]byte, error)) int64 {
	limit := func(name string) limitOf {
		return func(readFile func(string) ([]byte, error), dir string) int64 {
			text, err := readFile(path.Join(dir, name))
			if err != nil {
				return 0
			}
			n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // not "max"
			return n
		}
	}
	return leastOfCgroups(readFile, "memory", limit("memory.max"), limit("memory.limit_in_bytes"))
}

// A limitOf reads the limit of one group, 0 if it has none.
type limitOf func(readFile func(string) ([]byte, error), dir string) int64

// leastOfCgroups returns the least limit of this process's group of a controller and of its ancestors, because the
// smallest on the way up is the one that binds; 0 if there is none.
func leastOfCgroups(readFile func(string) ([]byte, error), controller string, v2, v1 limitOf) int64 {
	own, err := readFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	mounts, err := readFile("/proc/self/mountinfo")
	if err != nil {
		return 0
	}
	var least int64
	for line := range strings.Lines(string(own)) {
		// "hierarchy:controllers:path", the hierarchy of version 2 having no controllers
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		limit := v2
		if parts[1] != "" {
			if !contains(parts[1], controller) {
				continue
			}
			limit = v1
		}
		root, point := cgroupMount(string(mounts), controller, parts[1] == "")
		if point == "" {
			continue
		}
		// In a container the mount shows a part of the hierarchy: take away what lies above it.
		dir := path.Clean("/" + strings.TrimPrefix(parts[2], strings.TrimSuffix(root, "/")))
		for {
			if n := limit(readFile, path.Join(point, dir)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" {
				break
			}
			dir = path.Dir(dir)
		}
	}
	return least
}

// cgroupMount finds where the hierarchy is mounted, and which of its directories is the mount's root. See proc(5):
// "36 35 98:0 /root /point options - cgroup2 source superoptions".
func cgroupMount(mountinfo, controller string, v2 bool) (root, point string) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 1 {
			continue
		}
		if v2 && right[0] == "cgroup2" || !v2 && right[0] == "cgroup" && contains(right[len(right)-1], controller) {
			return left[3], left[4]
		}
	}
	return "", ""
}

func quotaV2(readFile func(string) ([]byte, error), dir string) int64 {
	text, err := readFile(path.Join(dir, "cpu.max"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text)) // "max 100000" or "250000 100000"
	if len(fields) != 2 {
		return 0
	}
	return ceilQuota(fields[0], fields[1])
}

func quotaV1(readFile func(string) ([]byte, error), dir string) int64 {
	quota, err := readFile(path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return 0
	}
	period, err := readFile(path.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return 0
	}
	return ceilQuota(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

// ceilQuota divides and rounds up; "max" and -1, which mean no quota, give 0.
func ceilQuota(quota, period string) int64 {
	q, err := strconv.ParseInt(quota, 10, 64)
	if err != nil || q <= 0 {
		return 0
	}
	p, err := strconv.ParseInt(period, 10, 64)
	if err != nil || p <= 0 {
		return 0
	}
	return (q-1)/p + 1
}

func contains(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
