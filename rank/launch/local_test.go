package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, ctx context.Context, n int, what string, out Output) (int, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "LAUNCH_TEST_RANK="+what, "LAUNCH_TEST="+t.Name())
	code, err := StartLocal(ctx, n, exe, nil, env, out)
	if left := withEnv(t, "LAUNCH_TEST="+t.Name()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return code, err
}

// withEnv lists the processes that were started with an entry in their environment.
func withEnv(t *testing.T, entry string) (pids []string) {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if env, err := os.ReadFile(p); err == nil && slices.Contains(strings.Split(string(env), "\x00"), entry) {
			pids = append(pids, p)
		}
	}
	return pids
}

func TestStartLocal(t *testing.T) {
	in, err := os.Open(writeTemp(t, "input"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out strings.Builder
	code, err := start(t, t.Context(), 3, "hello", Output{Stdin: in, Stdout: &out, Stderr: os.Stderr, Label: true})
	if code != 0 || err != nil {
		t.Fatal(code, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(lines)
	want := []string{
		"0: end of 0", `0: rank 0 of 3 (distgo) local 0/3 in "input"`,
		"1: end of 1", `1: rank 1 of 3 (distgo) local 1/3 in ""`,
		"2: end of 2", `2: rank 2 of 3 (distgo) local 2/3 in ""`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q\nwant %q", lines, want)
	}
}

func writeTemp(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartLocalFirstFailureIsTheExitCode(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the grace of the others")
	}
	t.Parallel()
	code, err := start(t, t.Context(), 3, "fail", Output{})
	if code != 7 || err != nil {
		t.Errorf("exit code %d, %v; want 7", code, err)
	}
}

func TestStartLocalEndsTheStubborn(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for both graces")
	}
	t.Parallel()
	var out strings.Builder
	code, err := start(t, t.Context(), 2, "stubborn", Output{Stdout: &out})
	if code != 7 || err != nil {
		t.Errorf("exit code %d, %v; want 7", code, err)
	}
	if out.String() != "started\n" {
		t.Errorf("the child that was to be left behind was not started: %q", out.String())
	}
}

// When root has ended, nobody waits for a rank that is stopped.
func TestStartLocalWakesTheStopped(t *testing.T) {
	begun := time.Now()
	code, err := start(t, t.Context(), 2, "stopped", Output{})
	if took := time.Since(begun); code != 0 || err != nil || took > tidyGrace {
		t.Errorf("exit code %d, %v after %s; want 0 at once", code, err, took)
	}
}

func TestStartLocalPassesSignalsOn(t *testing.T) {
	ready := &waitFor{text: "ready", times: 2, then: func() { syscall.Kill(os.Getpid(), syscall.SIGINT) }}
	code, err := start(t, t.Context(), 2, "signal", Output{Stdout: ready})
	if code != 130 || err != nil {
		t.Errorf("exit code %d, %v; want 130", code, err)
	}
	if n := strings.Count(ready.all, "interrupted"); n != 2 {
		t.Errorf("%d ranks heard of the signal, want 2", n)
	}
}

func TestStartLocalEndsOnItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	ready := &waitFor{text: "ready", times: 2, then: func() { cancel(stop) }}
	code, err := start(t, ctx, 2, "signal", Output{Stdout: ready})
	if code != 128+int(syscall.SIGTERM) || !errors.Is(err, stop) {
		t.Errorf("exit code %d, %v; want 143 and the context's cause", code, err)
	}
}

// waitFor calls then when text has been written so many times.
type waitFor struct {
	text  string
	times int
	then  func()
	all   string
}

func (w *waitFor) Write(b []byte) (int, error) {
	before := strings.Count(w.all, w.text)
	w.all += string(b)
	if before < w.times && strings.Count(w.all, w.text) >= w.times {
		w.then()
	}
	return len(b), nil
}

func TestStartLocalRefuses(t *testing.T) {
	var usage *Error
	if _, err := StartLocal(t.Context(), 0, "/bin/true", nil, nil, Output{}); !errors.As(err, &usage) {
		t.Errorf("0 ranks: %v", err)
	}
	if _, err := StartLocal(t.Context(), 2, filepath.Join(t.TempDir(), "none"), nil, nil, Output{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no executable: %v", err)
	}
}
