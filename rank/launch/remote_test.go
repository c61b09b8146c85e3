package launch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/badbubble/distgo/sync/stage/remote"
	"github.com/badbubble/distgo/sync/stage/remote/remotetest"
)

// cluster is ssh servers on this machine that run what they are told, with an environment of their own.
type cluster struct {
	servers []*remotetest.Server
	hosts   []string

	mu       sync.Mutex
	commands []string
}

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{}
	key, pem := remotetest.NewKey(t, "")
	for range n {
		s := remotetest.NewServer(t, key.PublicKey(), c.run)
		c.servers, c.hosts = append(c.servers, s), append(c.hosts, s.Addr)
	}
	remotetest.Home(t, key, pem, c.servers...)
	return c
}

func (c *cluster) run(command string, stdin io.Reader, stdout, stderr io.Writer, kill <-chan struct{}) int {
	c.mu.Lock()
	c.commands = append(c.commands, command)
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = []string{"HOME=/nonexistent", "PATH=/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	in, err := cmd.StdinPipe() // unlike Stdin, it is not waited for
	if err != nil || cmd.Start() != nil {
		return 255
	}
	go func() { io.Copy(in, stdin); in.Close() }()
	go func() {
		select {
		case <-kill:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() < 0 {
		return 128 + int(cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	}
	return cmd.ProcessState.ExitCode()
}

func (c *cluster) start(t *testing.T, ctx context.Context, what string, out Output) (int, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"GOFLAGS=-mod=mod", "HOME=here", "DISTGO_MARK=" + t.Name()}
	return StartRemote(ctx, c.hosts, exe, []string{what, "an argument"}, env, out)
}

func TestStartRemote(t *testing.T) {
	c := newCluster(t, 3)
	dir := t.TempDir()
	t.Chdir(dir)
	var out strings.Builder
	code, err := c.start(t, t.Context(), "obey", Output{Stdout: &out, Stderr: os.Stderr, Label: true})
	if code != 0 || err != nil {
		t.Fatal(code, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(lines)
	for rank, line := range lines {
		r := string(rune('0' + rank))
		want := r + ": rank " + r + " of 3 (distgo) local " + r + " of 3 at 127.0.0.1 in " + dir +
			", secret of 32 bytes, <nil>, GOFLAGS=-mod=mod HOME=/nonexistent"
		if line != want {
			t.Errorf("got %s\nwant %s", line, want)
		}
	}
	for _, command := range c.commands {
		if len(strings.Fields(command)) != 3 || !strings.HasSuffix(command, "' ranked") {
			t.Errorf("a node's shell was given %q", command)
		}
	}
}

func TestStartRemoteExitCode(t *testing.T) {
	c := newCluster(t, 3)
	code, err := c.start(t, t.Context(), "fail", Output{})
	if code != 7 || err != nil {
		t.Errorf("exit code %d, %v; want 7", code, err)
	}
}

func TestStartRemotePassesSignalsOn(t *testing.T) {
	c := newCluster(t, 2)
	ready := &waitFor{text: "ready", times: 2, then: func() { syscall.Kill(os.Getpid(), syscall.SIGINT) }}
	code, err := c.start(t, t.Context(), "signal", Output{Stdout: ready})
	if code != 130 || err != nil || strings.Count(ready.all, "interrupted") != 2 {
		t.Errorf("exit code %d, %v, %q; want 130", code, err, ready.all)
	}
}

func TestStartRemoteKills(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for both graces")
	}
	c := newCluster(t, 2)
	var out bytes.Buffer
	code, err := c.start(t, t.Context(), "stubborn", Output{Stdout: &out})
	if code != 7 || err != nil {
		t.Errorf("exit code %d, %v; want 7", code, err)
	}
	// What it left in a group of its own is the guardian's to end; here there is none.
	for _, p := range withEnv(t, "LAUNCH_TEST_RANK=sleep") {
		kill(t, p)
	}
}

// When the connection to root breaks, both ends notice: no rank goes on without its starter, or without root.
func TestStartRemoteLosesRoot(t *testing.T) {
	c := newCluster(t, 2)
	var words strings.Builder
	ready := &waitFor{text: "ready", times: 2, then: func() { c.servers[0].Break() }}
	code, err := c.start(t, t.Context(), "signal", Output{Stdout: ready, Stderr: &words})
	if code != lostCode || err != nil {
		t.Errorf("exit code %d, %v; want %d", code, err, lostCode)
	}
	if !strings.Contains(words.String(), "the connection to 127.0.0.1 was lost") {
		t.Errorf("it says %q", words.String())
	}
}

// The loss of another rank is for root to recover from.
func TestStartRemoteLosesARank(t *testing.T) {
	c := newCluster(t, 2)
	ready := &waitFor{text: "ready", times: 2, then: func() { c.servers[1].Break() }}
	lost := &waitFor{text: "was lost", times: 1, then: func() { syscall.Kill(os.Getpid(), syscall.SIGINT) }}
	code, err := c.start(t, t.Context(), "signal", Output{Stdout: ready, Stderr: lost})
	if code != 130 || err != nil || strings.Count(ready.all, "interrupted") != 1 {
		t.Errorf("exit code %d, %v, %q; want 130, and root interrupted", code, err, ready.all)
	}
}

func TestStartRemoteWithoutDistgoThere(t *testing.T) {
	c := newCluster(t, 1)
	var words strings.Builder
	code, err := StartRemote(t.Context(), c.hosts, "/nonexistent/dist'go", nil, nil, Output{Stderr: &words})
	if code != usageCode || err != nil || !strings.Contains(words.String(), "/nonexistent/dist'go is not on 127.0.0.1") {
		t.Errorf("exit code %d, %v: %s", code, err, words.String())
	}
}

func TestStartRemoteRefuses(t *testing.T) {
	c := newCluster(t, 1)
	var usage *Error
	var way *remote.Error
	if _, err := StartRemote(t.Context(), []string{c.hosts[0], "node2"}, "x", nil, nil, Output{}); !errors.As(err, &usage) {
		t.Errorf("localhost among others: %v", err)
	}
	other := remotetest.NewServer(t, c.servers[0].Key, c.run) // its key is unknown
	if _, err := StartRemote(t.Context(), []string{c.hosts[0], other.Addr, other.Addr}, "x", nil, nil, Output{}); !errors.As(err, &way) ||
		strings.Count(err.Error(), "is in none of") != 1 {
		t.Errorf("unknown host: %v", err)
	}
	if len(c.commands) > 0 {
		t.Errorf("ranks were started: %q", c.commands)
	}
}

func kill(t *testing.T, environ string) {
	t.Helper()
	var pid int
	for _, r := range filepath.Base(filepath.Dir(environ)) {
		pid = 10*pid + int(r-'0')
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestHosts(t *testing.T) {
	for _, test := range []struct{ list, file, want string }{
		{"a,me@b:2222,node[09-11]", "", "a me@b:2222 node09 node10 node11"},
		{"", "# all\na\n\nb ranks=2 # two\nc ranks=0\n", "a b b"},
	} {
		hosts, err := Hosts(test.list, []byte(test.file))
		if err != nil || strings.Join(hosts, " ") != test.want {
			t.Errorf("%q, %q: %v, %v; want %s", test.list, test.file, hosts, err, test.want)
		}
	}
	for _, test := range []struct{ list, file string }{{"a,,b", ""}, {"n[3-1]", ""}, {"", ""}, {"", "a slots=2"}, {"", "a ranks=-1"}, {"", "a ranks=99999999"}} {
		var usage *Error
		if hosts, err := Hosts(test.list, []byte(test.file)); !errors.As(err, &usage) {
			t.Errorf("%q, %q: %v, %v", test.list, test.file, hosts, err)
		}
	}
}

func TestOrdersAreBounded(t *testing.T) {
	for _, text := range []string{"", "{}", strings.Repeat("x", maxOrder+1), "garbage\n"} {
		if _, err := Obey(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q was obeyed", text)
		}
	}
}
