package emulate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// up makes a cluster for a test, which is skipped where the machine cannot have one.
func up(t *testing.T, spec Spec) *Cluster {
	t.Helper()
	needMachine(t, spec)
	spec.Self = []string{self()}
	c, err := Up(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Down(); err != nil {
			t.Error(err)
		}
		if left := leftovers(t, c.id); len(left) > 0 {
			t.Errorf("the cluster is down and left %q", left)
		}
	})
	return c
}

func needMachine(t *testing.T, spec Spec) {
	t.Helper()
	if err := Check(); err != nil {
		t.Skipf("no emulated cluster here: %v", err)
	}
	if need := spec.realCores(); need > float64(runtime.NumCPU()) {
		t.Skipf("%g cores are too many for this machine of %d", need, runtime.NumCPU())
	}
}

// leftovers lists what there still is of a cluster.
func leftovers(t *testing.T, id string) []string {
	t.Helper()
	gs, err := machineGroups()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	patterns := []string{filepath.Join(netnsDir, netnsName(id, "*")), filepath.Join(stateDir, id)}
	for _, root := range gs.roots() {
		patterns = append(patterns, filepath.Join(root, string(clusterGroup(id))))
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

// output runs a program on a node and returns what it printed.
func output(t *testing.T, c *Cluster, node int, argv ...string) string {
	t.Helper()
	var out bytes.Buffer
	r, err := c.Start(t.Context(), node, Process{Argv: argv, Stdout: &out, Stderr: &out})
	if err == nil {
		err = r.Wait()
	}
	if err != nil {
		t.Fatalf("%q on node %d: %v: %s", argv, node, err, out.String())
	}
	return out.String()
}

func TestANodeIsAMachine(t *testing.T) {
	c := up(t, Spec{Nodes: 2, Cores: 1, Dilation: 2, Net: 1e9})
	if got := output(t, c, 1, "uname", "-n"); got != "node002\n" {
		t.Errorf("host name %q", got)
	}
	if got := output(t, c, 1, "ip", "-br", "-4", "addr", "show", "eth0"); !strings.Contains(got, "10.141.0.2/24") {
		t.Errorf("address %q", got)
	}
	if got := output(t, c, 0, "sh", "-c", "cat /etc/hosts"); !strings.Contains(got, "10.141.0.2 node002\n") {
		t.Errorf("hosts %q", got)
	}
	env := output(t, c, 0, "env")
	for _, want := range []string{"GOMAXPROCS=1\n", "DISTGO_SLOTS=1\n", "TMPDIR=/local\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment lacks %q: %s", want, env)
		}
	}

	// Its disk is its own: seen by the machine, not by the other node, which does not even see that there are others.
	output(t, c, 0, "sh", "-c", "pwd > where; echo secret > /local/file")
	for file, want := range map[string]string{"file": "secret\n", "where": "/local\n"} {
		if got, err := os.ReadFile(filepath.Join(c.Scratch(0), file)); err != nil || string(got) != want {
			t.Errorf("%s of node 0 is %q, %v; want %q", file, got, err, want)
		}
	}
	if got := output(t, c, 1, "sh", "-c", "ls -A /local "+stateDir); strings.Contains(got, "file") || strings.Contains(got, c.id) {
		t.Errorf("node 1 sees %q", got)
	}
	if _, err := os.Stat(filepath.Join(ScratchDir, "file")); err == nil {
		t.Error("a node's mount is the machine's too")
	}
}

func TestStartSaysWhatFails(t *testing.T) {
	c := up(t, Spec{Nodes: 1, Cores: 1, Dilation: 1})
	if _, err := c.Start(t.Context(), 1, Process{Argv: []string{"true"}}); err == nil {
		t.Error("a program runs on a node that is not there")
	}
	var words bytes.Buffer
	r, err := c.Start(t.Context(), 0, Process{Argv: []string{"no-such-program"}, Stderr: &words})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(); err == nil || !strings.Contains(words.String(), "no-such-program") {
		t.Errorf("%v, %q", err, words.String())
	}
	r, err = c.Start(t.Context(), 0, Process{Argv: []string{"sh", "-c", "exit 7"}})
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("exit code 7 came out as %v", err)
	}
}

func TestCancelEndsAProcess(t *testing.T) {
	c := up(t, Spec{Nodes: 1, Cores: 1, Dilation: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, out := startReading(t, ctx, c, 0, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.01; done")
	if line, err := out.ReadString('\n'); line != "hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	if line, err := out.ReadString('\n'); line != "bye\n" {
		t.Errorf("the program was not asked to end: %q, %v", line, err)
	}
	if err := r.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestCountersOfANode(t *testing.T) {
	c := up(t, Spec{Nodes: 2, Cores: 1, Dilation: 1, Net: 1e9})
	const size = 8 << 20
	_, n := transfer(t, c, size)
	if n != size-1<<20 {
		t.Fatalf("%d bytes arrived after the first megabyte of %d", n, size)
	}
	sender, err := c.Usage(0)
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := c.Usage(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]int64{"sent": sender.Out, "received": receiver.In} {
		if got < size || got > size*105/100 {
			t.Errorf("%s %d bytes for a payload of %d", name, got, size)
		}
	}
	if sender.CPU <= 0 || receiver.Out <= 0 || receiver.Out > size/10 {
		t.Errorf("sender %+v, receiver %+v", sender, receiver)
	}
}

func TestASlowNode(t *testing.T) {
	c := up(t, Spec{Nodes: 2, Cores: 2, Dilation: 4, Slow: Slow{1, 3}})
	for node, want := range []share{{1, 4}, {1, 12}} {
		of := c.spec.share(node)
		if want.cores = 2; of != want {
			t.Errorf("node %d gets %+v, want %+v", node, of, want)
		}
		if path := output(t, c, node, "sh", "-c", self()+" threads 1"); !strings.Contains(path, string(nodeGroup(c.id, c.spec.Hostname(node), want))+"/"+threadPrefix) {
			t.Errorf("node %d, which gets %+v, runs in %s", node, want, path)
		}
	}
}

func TestEveryThreadHasItsOwnCore(t *testing.T) {
	c := up(t, Spec{Nodes: 2, Cores: 2, Dilation: 4})
	// A program of several threads, started by a shell that a program started: each is where the keeper puts it.
	script := self() + " threads 5; cat /proc/self/cgroup"
	seen := map[string]bool{}
	for line := range strings.Lines(output(t, c, 1, "sh", "-c", script)) {
		_, path, ok := strings.Cut(line, string(c.group(1))+"/"+threadPrefix)
		if !ok {
			continue // another controller's
		}
		seen[strings.TrimSpace(path)] = true
	}
	if len(seen) < 5 {
		t.Errorf("five busy threads and a cat ran in groups %v", seen)
	}
	// The groups of threads that ended serve the next ones.
	output(t, c, 1, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do "+self()+" threads 1; done")
	made, err := filepath.Glob(filepath.Join(c.groups.roots()[0], string(c.group(1)), threadPrefix+"*"))
	if err != nil || len(made) > 40 {
		t.Errorf("after many commands there are %d groups, %v", len(made), err)
	}
	if _, err := c.Usage(1); err != nil {
		t.Error(err)
	}
}

func TestNextUpRemovesWhatAKilledOwnerLeft(t *testing.T) {
	needMachine(t, Spec{Nodes: 2, Cores: 1, Dilation: 4})
	owner := exec.CommandContext(t.Context(), self(), "own")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := bufio.NewReader(out).ReadString('\n')
	id = strings.TrimSpace(id)
	if err != nil || len(leftovers(t, id)) == 0 {
		t.Fatalf("no cluster %q came up: %v", id, err)
	}

	// A living owner's cluster is left alone.
	other := up(t, Spec{Nodes: 1, Cores: 1, Dilation: 4})
	pids, err := processesOf(other.groups, clusterGroup(id))
	if err != nil || len(pids) != 1 {
		t.Fatalf("the living cluster runs %v, %v; want its sleep", pids, err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()

	up(t, Spec{Nodes: 1, Cores: 1, Dilation: 4})
	if left := leftovers(t, id); len(left) > 0 {
		t.Errorf("of the killed owner's cluster there is still %q", left)
	}
	// Its sleep is a zombie until init reaps it, at most.
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[0])); err == nil && !bytes.Contains(state, []byte(") Z ")) {
		t.Errorf("its process lives: %s", state)
	}
}

func TestAFailedUpLeavesNothing(t *testing.T) {
	needMachine(t, Spec{Nodes: 2, Cores: 1, Dilation: 4})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before, err := os.ReadDir(stateDir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if c, err := Up(ctx, Spec{Nodes: 2, Cores: 1, Dilation: 4, Self: []string{self()}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Up = %v, %v; want it cancelled", c, err)
	}
	after, err := os.ReadDir(stateDir)
	if err != nil || len(after) > max(len(before), 1) {
		t.Errorf("it left something among %v, %v", after, err)
	}
}

func TestDownKillsWhatRuns(t *testing.T) {
	c := up(t, Spec{Nodes: 1, Cores: 1, Dilation: 1})
	r, out := startReading(t, context.Background(), c, 0, "sh", "-c", "sleep 1000 & echo on; wait")
	if line, err := out.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	if err := c.Down(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := r.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	if err := c.Down(); err != nil {
		t.Errorf("the second Down: %v", err)
	}
}

// startReading starts a program whose output the test reads.
func startReading(t *testing.T, ctx context.Context, c *Cluster, node int, argv ...string) (*Running, *bufio.Reader) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Start(ctx, node, Process{Argv: argv, Stdout: out, Stderr: os.Stderr})
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return r, bufio.NewReader(in)
}

// transfer sends bytes from node 0 to node 1 and returns the seconds for those after the first megabyte.
func transfer(t *testing.T, c *Cluster, size int) (seconds float64, n int64) {
	t.Helper()
	receiver, out := startReading(t, t.Context(), c, 1, self(), "receive", c.spec.Address(1))
	address, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	output(t, c, 0, self(), "send", strings.TrimSpace(address), fmt.Sprint(size))
	text, err := io.ReadAll(out)
	if err := errors.Join(err, receiver.Wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &seconds, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return seconds, n
}
