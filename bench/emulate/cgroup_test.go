package emulate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNodeOfAnyGroupInIt(t *testing.T) {
	for _, s := range []share{{1, 1}, {2, 4}, {16, 8.0 / 3}, {3, 100}} {
		g := nodeGroup("ab12c", "node007", s)
		for _, path := range []string{string(g), "/" + string(g), "/" + string(g) + "/main", "/" + string(g) + "/thread-12"} {
			if node, ok := nodeOf(path); !ok || node != g {
				t.Errorf("nodeOf(%q) = %q, %v; want %q", path, node, ok, g)
			}
		}
	}
	for _, path := range []string{"", "/", "/distgo-x", "/distgo-x/", "/user.slice/a/b"} {
		if node, ok := nodeOf(path); ok {
			t.Errorf("nodeOf(%q) = %q; want none", path, node)
		}
	}
}

func TestOwnNodeOfBothVersions(t *testing.T) {
	for _, membership := range []string{
		"4:memory:/other\n1:cpu,cpuacct:/distgo-a/node002-2c-4x/main\n0::/\n",
		"0::/distgo-a/node002-2c-4x/thread-7\n",
	} {
		node, ok := ownNode(membership)
		if !ok || node != "distgo-a/node002-2c-4x" {
			t.Errorf("ownNode(%q) = %q, %v", membership, node, ok)
		}
	}
	if node, ok := ownNode("1:cpu:/\n0::/init.scope\n"); ok {
		t.Errorf("ownNode found %q outside every node", node)
	}
}

func TestFindGroups(t *testing.T) {
	v2 := t.TempDir()
	write(t, filepath.Join(v2, "cgroup.controllers"), "cpuset cpu io\n")
	bare := t.TempDir()
	write(t, filepath.Join(bare, "cgroup.controllers"), "\n")
	const (
		cpu     = "32 31 0:29 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu\n"
		cpuacct = "33 31 0:30 / /cg/cpuacct rw,relatime shared:7 - cgroup cgroup rw,cpuacct\n"
		both    = "33 31 0:30 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
	)
	unified := func(at string) string { return "41 31 0:38 / " + at + " rw,relatime - cgroup2 cgroup2 rw\n" }
	for _, c := range []struct {
		mountinfo string
		want      groups
		err       string
	}{
		{cpu + cpuacct + unified(bare), groupsV1{"/cg/cpu", "/cg/cpuacct"}, ""},
		{both, groupsV1{"/cg/cpu,cpuacct", "/cg/cpu,cpuacct"}, ""},
		{unified(v2), groupsV2{v2}, ""},
		{cpu, nil, "cpuacct"},
		{unified(bare), nil, "no cpu controller"},
		{"22 27 0:21 / /proc rw - proc proc rw\n", nil, "no control groups"},
	} {
		got, err := findGroups(c.mountinfo)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("findGroups(%q) = %v, %v; want %v, %q", c.mountinfo, got, err, c.want, c.err)
		}
	}
}

// A fake tree shows which files version 2 is driven by. It cannot show that a kernel agrees.
func TestVersion2OnAFakeTree(t *testing.T) {
	v := groupsV2{t.TempDir()}
	node, s := nodeGroup("a", "node001", share{2, 4}), share{2, 4}
	if err := v.addNode(node, s); err != nil {
		t.Fatal(err)
	}
	if err := v.join(node + "/main"); err != nil {
		t.Fatal(err)
	}
	thread := string(node) + "/thread-1"
	if err := v.addThread(group(thread), share{1, 4}); err != nil {
		t.Fatal(err)
	}
	if err := v.move(17, group(thread)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"cgroup.subtree_control":                 "+cpu",
		"distgo-a/cgroup.subtree_control":        "+cpu",
		string(node) + "/cgroup.subtree_control": "+cpu",
		string(node) + "/cpu.max":                "5000 10000",
		string(node) + "/main/cgroup.procs":      "0",
		string(node) + "/main/cgroup.type":       "threaded",
		thread + "/cgroup.type":                  "threaded",
		thread + "/cpu.max.burst":                "2500",
		thread + "/cpu.max":                      "2500 10000",
		thread + "/cgroup.threads":               "17",
	} {
		if got, err := os.ReadFile(filepath.Join(v.root, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", file, got, err, want)
		}
	}
	write(t, filepath.Join(v.root, string(node), "cpu.stat"), "usage_usec 1500\nuser_usec 1000\n")
	if got, err := v.usage(node); err != nil || got != 1500*time.Microsecond {
		t.Errorf("usage = %s, %v", got, err)
	}
	write(t, filepath.Join(v.root, string(node), "cgroup.procs"), "17\n18\n")
	write(t, filepath.Join(v.root, string(node), "main", "cgroup.procs"), "")
	if got, err := processesOf(v, clusterGroup("a")); err != nil || len(got) != 2 || got[0] != 17 {
		t.Errorf("processes = %v, %v", got, err)
	}
}

// The same for version 1, whose accounting may be a hierarchy of its own.
func TestVersion1OnAFakeTree(t *testing.T) {
	v := groupsV1{t.TempDir(), t.TempDir()}
	node := nodeGroup("a", "node001", share{2, 4})
	if err := v.addNode(node, share{2, 4}); err != nil {
		t.Fatal(err)
	}
	if err := v.join(node + "/main"); err != nil {
		t.Fatal(err)
	}
	if err := v.addThread(node+"/thread-9", share{1, 4}); err != nil {
		t.Fatal(err)
	}
	if err := v.move(17, node+"/thread-9"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(v.cpu, string(node), "cpu.cfs_quota_us"):             "5000",
		filepath.Join(v.cpu, string(node), "cpu.cfs_period_us"):            "10000",
		filepath.Join(v.cpu, string(node), "main", "tasks"):                "0",
		filepath.Join(v.cpuacct, string(node), "tasks"):                    "0",
		filepath.Join(v.cpu, string(node), "thread-9", "cpu.cfs_quota_us"): "2500",
		filepath.Join(v.cpu, string(node), "thread-9", "tasks"):            "17",
	} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", file, got, err, want)
		}
	}
	write(t, filepath.Join(v.cpuacct, string(node), "cpuacct.usage"), "1500000\n")
	if got, err := v.usage(node); err != nil || got != 1500*time.Microsecond {
		t.Errorf("usage = %s, %v", got, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
