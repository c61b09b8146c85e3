package launch

import (
	"path"
	"strconv"
	"strings"
)

// CgroupCPUs returns the number of CPUs that the cgroups of this process may use by their quota, rounded up, or 0 where
// there is none. It knows version 2 (cpu.max) and version 1 (cpu.cfs_quota_us), and looks at every ancestor, because the
// smallest quota on the way up is the one that binds.
func CgroupCPUs(readFile func(string) ([]byte, error)) int {
	own, err := readFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	mounts, err := readFile("/proc/self/mountinfo")
	if err != nil {
		return 0
	}
	least := 0
	for line := range strings.Lines(string(own)) {
		// "hierarchy:controllers:path", the hierarchy of version 2 having no controllers
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		quota := quotaV2
		if parts[1] != "" {
			if !contains(parts[1], "cpu") {
				continue
			}
			quota = quotaV1
		}
		root, point := cgroupMount(string(mounts), parts[1] == "")
		if point == "" {
			continue
		}
		// In a container the mount shows a part of the hierarchy: take away what lies above it.
		dir := path.Clean("/" + strings.TrimPrefix(parts[2], strings.TrimSuffix(root, "/")))
		for {
			if n := quota(readFile, path.Join(point, dir)); n > 0 && (least == 0 || n < least) {
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
func cgroupMount(mountinfo string, v2 bool) (root, point string) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 1 {
			continue
		}
		if v2 && right[0] == "cgroup2" || !v2 && right[0] == "cgroup" && contains(right[len(right)-1], "cpu") {
			return left[3], left[4]
		}
	}
	return "", ""
}

func quotaV2(readFile func(string) ([]byte, error), dir string) int {
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

func quotaV1(readFile func(string) ([]byte, error), dir string) int {
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
func ceilQuota(quota, period string) int {
	q, err := strconv.Atoi(quota)
	if err != nil || q <= 0 {
		return 0
	}
	p, err := strconv.Atoi(period)
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
