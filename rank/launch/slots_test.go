package launch

import "testing"

func TestSlots(t *testing.T) {
	for _, test := range []struct {
		p               Place
		available, want int
	}{
		{Place{LocalSize: 1}, 16, 16},
		{Place{}, 16, 16}, // unknown neighbours
		{Place{LocalSize: 3, LocalRank: 0}, 16, 6},
		{Place{LocalSize: 3, LocalRank: 2}, 16, 5},
		{Place{LocalSize: 8, LocalRank: 7}, 2, 1},
		{Place{LocalSize: 2, CPUs: 4}, 16, 4},
		{Place{LocalSize: 2, CPUs: 4}, 2, 2},
		{Place{}, 0, 1},
	} {
		if got := Slots(test.p, test.available); got != test.want {
			t.Errorf("Slots(%+v, %d) = %d, want %d", test.p, test.available, got, test.want)
		}
	}
}

func TestCgroupCPUs(t *testing.T) {
	const v1Mount = "36 25 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n37 25 0:32 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	const v2Mount = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int
	}{
		{"no cgroups", nil, 0},
		{"v2, none", map[string]string{"/proc/self/cgroup": "0::/a\n", "/proc/self/mountinfo": v2Mount, "/sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0},
		{"v2, rounded up", map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": v2Mount, "/sys/fs/cgroup/a/b/cpu.max": "250000 100000\n"}, 3},
		{"v2, an ancestor binds", map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": v2Mount,
			"/sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "/sys/fs/cgroup/a/cpu.max": "200000 100000\n"}, 2},
		{"v2 in a container", map[string]string{"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": v2Mount, "/sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1},
		{"v1", map[string]string{"/proc/self/cgroup": "5:cpuset:/x\n4:cpu,cpuacct:/job\n", "/proc/self/mountinfo": v1Mount,
			"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n", "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 4},
		{"v1, none", map[string]string{"/proc/self/cgroup": "4:cpu,cpuacct:/job\n", "/proc/self/mountinfo": v1Mount,
			"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 0},
		{"v1 in a container", map[string]string{"/proc/self/cgroup": "4:cpu:/docker/1\n",
			"/proc/self/mountinfo":                "36 25 0:31 /docker/1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
			"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2},
	} {
		if got := CgroupCPUs(files(test.files)); got != test.want {
			t.Errorf("%s: %d CPUs, want %d", test.name, got, test.want)
		}
	}
}

func TestMemory(t *testing.T) {
	const info = "MemTotal:       24564688 kB\nMemAvailable:   20971520 kB\n" // 20 GiB
	const v1Mount = "36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	const v2Mount = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	for _, test := range []struct {
		name  string
		place Place
		files map[string]string
		want  int64
	}{
		{"unknown", Place{}, nil, 0},
		{"no cgroups", Place{LocalSize: 1}, map[string]string{"/proc/meminfo": info}, 20 << 30},
		{"four ranks on the node", Place{LocalSize: 4}, map[string]string{"/proc/meminfo": info}, 5 << 30},
		{"v2, a job of 3 GiB", Place{}, map[string]string{"/proc/meminfo": info, "/proc/self/cgroup": "0::/job/step\n", "/proc/self/mountinfo": v2Mount,
			"/sys/fs/cgroup/job/step/memory.max": "max\n", "/sys/fs/cgroup/job/memory.max": "3221225472\n"}, 3 << 30},
		{"v1, a job of 3 GiB", Place{}, map[string]string{"/proc/meminfo": info, "/proc/self/cgroup": "9:memory:/job\n", "/proc/self/mountinfo": v1Mount,
			"/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "3221225472\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 3 << 30},
		{"v1, no limit", Place{}, map[string]string{"/proc/meminfo": info, "/proc/self/cgroup": "9:memory:/job\n", "/proc/self/mountinfo": v1Mount,
			"/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712\n"}, 20 << 30},
	} {
		if got := Memory(test.place, files(test.files)); got != test.want {
			t.Errorf("%s: %d bytes, want %d", test.name, got, test.want)
		}
	}
}
