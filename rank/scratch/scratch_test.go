package scratch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenAndClose(t *testing.T) {
	base := t.TempDir()
	s, err := Open(base, "run", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info, err)
	}
	if s.Env() != "DISTGO_SCRATCH="+s.Dir() {
		t.Errorf("marker %q for %q", s.Env(), s.Dir())
	}
	if err := os.MkdirAll(filepath.Join(s.Dir(), "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(base, "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(s.Dir(), "a", "link")); err != nil {
		t.Fatal(err)
	}
	guardian := s.guardian.cmd
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if !guardian.ProcessState.Success() {
		t.Errorf("guardian: %v", guardian.ProcessState)
	}
	if left := list(t, base); len(left) != 1 || left[0] != outside {
		t.Errorf("left behind: %v, want only %s", left, outside)
	}
}

func list(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestKeep(t *testing.T) {
	base := t.TempDir()
	s, err := Open(base, "run", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Keep(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if left := list(t, base); len(left) != 2 || left[1] != s.Dir() {
		t.Errorf("left behind: %v, want %s and its parent", left, s.Dir())
	}
	next, err := Open(base, "run", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if _, err := os.Stat(s.Dir()); err != nil {
		t.Errorf("what was kept has been swept: %v", err)
	}
}

// rank is a process that has a scratch directory and two tools.
type rank struct {
	cmd      *exec.Cmd
	dir      string
	guardian int
	life     *os.File // ends with the last of its tools
	watched  *os.File // the guardian
	lock     *os.File
}

func startRank(t *testing.T, base string, env ...string) *rank {
	t.Helper()
	life, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { life.Close() })
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(env, "SCRATCH_TEST=rank", "SCRATCH_BASE="+base)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	theirs.Close()
	r := &rank{cmd: cmd, life: life}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &r.dir, &r.guardian); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if r.lock, err = os.Open(r.dir + ".lock"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.lock.Close() })
	fd, err := unix.PidfdOpen(r.guardian, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.watched = os.NewFile(uintptr(fd), "guardian")
	t.Cleanup(func() { r.watched.Close() })
	return r
}

// waitGuardianGone waits until the guardian has done its work.
func (r *rank) waitGuardianGone(t *testing.T) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(r.watched.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err == nil {
			return
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// waitUnlocked waits until the rank does not live.
func (r *rank) waitUnlocked(t *testing.T) {
	t.Helper()
	if err := syscall.Flock(int(r.lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	syscall.Flock(int(r.lock.Fd()), syscall.LOCK_UN)
}

func (r *rank) waitToolsGone(t *testing.T) {
	t.Helper()
	if _, err := io.ReadAll(r.life); err != nil {
		t.Fatal(err)
	}
}

func TestGuardianCleansUpAfterAKilledRank(t *testing.T) {
	base := t.TempDir()
	r := startRank(t, base)
	if n := len(list(t, r.dir)); n != 2 {
		t.Fatalf("the tools left %d files, want 2", n)
	}
	r.cmd.Process.Kill()
	r.waitToolsGone(t)
	r.waitGuardianGone(t)
	if left := list(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestGuardianOutlivesTheSignalsOfATerminal(t *testing.T) {
	base := t.TempDir()
	r := startRank(t, base)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		for !ignores(t, r.guardian, s) { // until it has got so far
		}
		syscall.Kill(r.guardian, s)
	}
	r.cmd.Process.Kill()
	r.waitToolsGone(t)
	r.waitGuardianGone(t)
	if left := list(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func ignores(t *testing.T, pid int, s syscall.Signal) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "SigIgn:")
	var mask uint64
	if _, err := fmt.Sscanf(after, "%x", &mask); err != nil {
		t.Fatal(err)
	}
	return mask&(1<<(s-1)) != 0
}

func TestKeptAfterAKill(t *testing.T) {
	base := t.TempDir()
	r := startRank(t, base, "SCRATCH_KEEP=1")
	r.cmd.Process.Kill()
	r.waitToolsGone(t)
	r.waitGuardianGone(t)
	if _, err := os.Stat(filepath.Join(r.dir, "output")); err != nil {
		t.Errorf("--keep-work kept nothing: %v", err)
	}
	if _, err := os.Stat(r.dir + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is left: %v", err)
	}
}

func TestNextOpenSweepsWhenBothWereKilled(t *testing.T) {
	base := t.TempDir()
	dead, alive := startRank(t, base), startRank(t, base)
	syscall.Kill(dead.guardian, syscall.SIGKILL)
	dead.waitGuardianGone(t)
	dead.cmd.Process.Kill()
	dead.waitUnlocked(t)
	if _, err := os.Stat(dead.dir); err != nil {
		t.Fatalf("who has removed it? %v", err)
	}
	s, err := Open(base, "next", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	dead.waitToolsGone(t)
	swept, err := s.Swept()
	if err != nil || len(swept) != 1 || swept[0] != dead.dir {
		t.Errorf("swept %v, %v; want %s", swept, err, dead.dir)
	}
	if _, err := os.Stat(dead.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead rank's directory: %v, want none", err)
	}
	if _, err := os.Stat(filepath.Join(alive.dir, "output")); err != nil {
		t.Errorf("the living rank's directory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	alive.cmd.Process.Kill()
	alive.waitToolsGone(t)
	alive.waitGuardianGone(t)
	if left := list(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestManyAtOnce lets runs come and go below one base: homes vanish under the feet of those that come.
func TestManyAtOnce(t *testing.T) {
	base := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 3 {
				s, err := Open(base, "run", i, "")
				if err != nil {
					t.Error(err)
					return
				}
				if swept, err := s.Swept(); err != nil || len(swept) > 0 {
					t.Errorf("swept %v, %v from the living", swept, err)
				}
				if err := os.WriteFile(filepath.Join(s.Dir(), "f"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := list(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenRefuses(t *testing.T) {
	home := fmt.Sprintf("distgo-%d", os.Geteuid())
	for name, prepare := range map[string]func(path string) error{
		"a link":       func(path string) error { return os.Symlink(t.TempDir(), path) },
		"a file":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"another user": func(path string) error { return errors.Join(os.Mkdir(path, 0o777), os.Chown(path, os.Geteuid()+1, -1)) },
	} {
		base := t.TempDir()
		if err := prepare(filepath.Join(base, home)); errors.Is(err, os.ErrPermission) {
			t.Logf("%s: not shown, for it takes the right to chown", name)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		var usage *Error
		if _, err := Open(base, "run", 0, ""); !errors.As(err, &usage) {
			t.Errorf("%s in the place of the home: error %v, want an *Error", name, err)
		}
	}
	for _, run := range []string{"", "../x", "a/b", ".hidden", strings.Repeat("x", 65)} {
		if _, err := Open(t.TempDir(), run, 0, ""); err == nil {
			t.Errorf("run ID %q: no error", run)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), "run", 0, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no base: %v", err)
	}
	base := t.TempDir()
	if _, err := Open(base, "run", 0, filepath.Join(base, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no guardian: %v", err)
	}
	if left := list(t, base); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLaxHomeIsTightened(t *testing.T) {
	base := t.TempDir()
	home := filepath.Join(base, fmt.Sprintf("distgo-%d", os.Geteuid()))
	if err := errors.Join(os.Mkdir(home, 0o755), os.Chmod(home, 0o777)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(base, "run", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(home); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
}

func TestGuardByHand(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "guard", t.TempDir())
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%v, %s; want exit code 2", cmd.ProcessState, out)
	}
}

func BenchmarkOpenClose(b *testing.B) {
	base := b.TempDir()
	for b.Loop() {
		s, err := Open(base, "run", 0, "")
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// What is reserved and never made leaves nothing, and is not made behind one's back.
func TestReserve(t *testing.T) {
	base := t.TempDir()
	s, err := Reserve(base, "run", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("reserving made %v, %v", left, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Make(); err == nil {
		t.Error("it was made after it was closed")
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
