package bench

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/badbubble/distgo/bench/sample"
)

// sentence checks that an error is the user's, in one line with these words.
func sentence(t *testing.T, err error, words ...string) {
	t.Helper()
	if _, ok := errors.AsType[*Config](err); !ok {
		t.Errorf("not a mistake of the user's: %v", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q does not say %q in a line", err, w)
		}
	}
}

func TestUnknownProgram(t *testing.T) {
	of := func(name string) error {
		_, err := (&Choice{Names: []string{name}, Checkouts: t.TempDir()}).Programs(t.Context())
		return err
	}
	sentence(t, of("nosuch"), `no program "nosuch"`, "alist", "wego", "as ./nosuch")
	sentence(t, of("wego@1999"), `no pin "1999"`, "2024", "current")
	sentence(t, of("wego"), "distgo bench fetch wego")
	sentence(t, of(t.TempDir()), "is no Go module")
	sentence(t, of(""), "manifest has no program")
}

func TestMatrixThatCannotFit(t *testing.T) {
	e, out := experimentOf(t, &fake{})
	e.Launcher = &Emulated{Exe: "distgo", Cores: 2, Dilation: 2}
	e.Matrix.Shapes = []Shape{{16, 4}}
	sentence(t, e.Run(t.Context()), "no world of this matrix fits")
	for _, want := range []string{"16 nodes of 4 cores at dilation 2 would need 32 real cores and this machine has 2: dilation 32 fits", "1 node of 64 cores"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q is said in\n%s", want, out)
		}
	}
	if _, err := os.Stat(filepath.Dir(e.File)); err == nil {
		t.Error("something was made for nothing")
	}
}

func TestOtherSchema(t *testing.T) {
	e, _ := experimentOf(t, &fake{})
	if err := os.MkdirAll(filepath.Dir(e.File), 0o755); err != nil {
		t.Fatal(err)
	}
	const line = `{"schema":2,"program":"p"}` + "\n"
	if err := os.WriteFile(e.File, []byte(line), 0o644); err != nil {
		t.Fatal(err)
	}
	e.Resume = true
	sentence(t, e.Run(t.Context()), "samples of schema 2, this distgo reads 1: use the distgo that wrote them, or measure into another file")
	var told bytes.Buffer
	_, err := Load([]string{e.File}, &told)
	sentence(t, err, "samples of schema 2")
	if text, err := os.ReadFile(e.File); err != nil || string(text) != line {
		t.Errorf("the file was changed to %q, %v", text, err)
	}
}

func TestTruncatedLastLine(t *testing.T) {
	e, out := experimentOf(t, &fake{})
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(e.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.File, text[:len(text)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	if set, err := Load([]string{e.File}, &told); err != nil || len(set.Samples) != 7 || !strings.Contains(told.String(), "line 8 is cut off; the 7 before it were read") {
		t.Errorf("%v, said\n%s", err, &told)
	}
	e.Resume = true
	if err := e.Run(t.Context()); err != nil || !strings.Contains(out.String(), "line 8 is cut off; the 7 before it were read, and the cut one is measured again") {
		t.Errorf("%v, said\n%s", err, out)
	}
	if samples, torn, err := sample.Read(e.File); err != nil || torn != nil || len(samples) != 8 {
		t.Errorf("%d samples, %v, %v", len(samples), torn, err)
	}
}

// TestNoRoot gives up root in one thread, which ends with its goroutine.
func TestNoRoot(t *testing.T) {
	done := make(chan [2]error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		if os.Geteuid() == 0 {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				done <- [2]error{errno, errno}
				return
			}
		}
		_, err := NewLauncher(Place{Name: "emulate", Net: "1gbit"})
		r := &ClusterRun{Nodes: 2, Cores: 1, Net: "1gbit", Argv: []string{"true"}, Exe: "distgo"}
		done <- [2]error{err, r.Run(t.Context())}
	}()
	for _, err := range <-done {
		sentence(t, err, "emulating a cluster takes root", "run it with sudo")
	}
}
