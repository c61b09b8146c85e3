package transcript

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// recordVar names the directory that this test binary records its arguments
// in when a go command runs it as -toolexec.
const recordVar = "TRANSCRIPT_TEST_RECORD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(recordVar); dir != "" {
		if err := record(dir, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	os.Exit(m.Run())
}

// recorded is one run of a tool in a real build.
type recorded struct {
	Dir  string
	Args []string
}

// record runs the tool, and says in a file of its own how it was called.
func record(dir string, args []string) error {
	if strings.HasPrefix(args[0], "-") {
		args = append([]string{"gcc"}, args...) // asked as $CC, without $CC's arguments
	}
	// Questions about a tool's version are not the build's.
	if len(args) < 2 || !strings.HasPrefix(args[1], "-V") && args[1] != "-###" {
		wd, err := os.Getwd()
		if err != nil {
			return err
		}
		data, err := json.Marshal(recorded{Dir: wd, Args: args})
		if err != nil {
			return err
		}
		f, err := os.CreateTemp(dir, "call")
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// TestRealBuild compares what the transcript says with what a real build of
// the same packages does: the arguments its tools are called with, and the
// packages that are built.
func TestRealBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	if _, err := exec.LookPath("g++"); err != nil || runtime.GOARCH != "amd64" {
		t.Skipf("the module needs C compilers (%v) and amd64", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	version := goEnv(t, nil, "GOVERSION")
	// This binary stands between the go command and its C compilers, too:
	// under a name that stays the same, or runtime/cgo would be built anew.
	bin := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(bin, "recorder")); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"CC=recorder gcc", "CXX=recorder g++",
		"GORACE=atexit_sleep_ms=0", // else each call takes a second under -race
	}
	quoting := "-ldflags=-X \"main.v=$HOME it's\" -X 'main.w=a . \\\"b\\\" ./c;>()\t\\é\u200b'"
	for _, tt := range []struct {
		name string
		sub  string // directory of the module that the go command runs in
		args []string
	}{
		{"cgo", "", []string{"./cmd/one"}},
		{"cover", "", []string{"-cover", "./cmd/one"}},
		{"quoting", "", []string{"-trimpath", quoting, "-gcflags=-l -N", "-asmflags=-D=\"X Y\"", "./cmd/two"}},
		{"shared", "", []string{"-buildmode=c-shared", "-o", "out dir/plug.so", "./plug"}},
		{"near", "cmd/two", []string{"-o", "bin/", ".", "../../near"}},
		{"cgo directory", "clib", []string{"../cmd/one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, calls := t.TempDir(), t.TempDir()
			writeModule(t, dir, dir)
			dir = filepath.Join(dir, tt.sub)
			real := append([]string{recordVar + "=" + calls}, env...)
			s := mustParse(t, goCommand(t, dir, real, append([]string{"build", "-n"}, tt.args...)...), version)
			clearDir(t, calls)
			graph := filepath.Join(calls, "graph.json")
			goCommand(t, dir, real, append([]string{"build", "-toolexec=" + exe, "-debug-actiongraph=" + graph}, tt.args...)...)
			compareCalls(t, s, calls)
			compareBuilt(t, s, graph)
		})
	}
}

// clearDir forgets what -n asked the C compiler.
func clearDir(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// What a real build has in other words than -n: the temporary directory; IDs
// that depend on what was built before, by which plugins are not named here;
// how many threads a compile gets; and how many of them there are.
var (
	realWork    = regexp.MustCompile(`/[^ ;=]*/go-build[0-9]+/b`)
	realBuildID = regexp.MustCompile(`^(-buildid=)?[-_A-Za-z0-9]{20}(/[-_A-Za-z0-9]{20})+$`)
	realThreads = regexp.MustCompile(`^-c=[0-9]+$`)
)

func normalise(args []string) string {
	out := make([]string, len(args))
	for i, arg := range args {
		arg = realWork.ReplaceAllString(arg, "$$WORK/b")
		arg = realBuildID.ReplaceAllString(arg, "${1}ID")
		arg = realThreads.ReplaceAllString(arg, "-c=N")
		out[i] = fmt.Sprintf("%q", arg)
	}
	return strings.Join(out, " ")
}

// compareCalls checks that the toolchain's tools are called as was read, and
// that C compilers are called with the arguments that were read among others.
func compareCalls(t *testing.T, s *Script, dir string) {
	t.Helper()
	var read, readC []string
	for i := range s.Blocks {
		for j := range s.Blocks[i].Commands {
			c := &s.Blocks[i].Commands[j]
			switch toolOf(c) {
			case "":
			case "compile", "asm", "link", "cgo", "cover", "preprofile":
				read = append(read, normalise(c.Args))
			default:
				readC = append(readC, normalise(c.Args[1:])) // without this binary
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "call*"))
	if err != nil {
		t.Fatal(err)
	}
	var made, madeC []string
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		if filepath.IsAbs(r.Args[0]) {
			made = append(made, normalise(r.Args))
		} else {
			madeC = append(madeC, normalise(r.Args))
		}
	}
	slices.Sort(read)
	slices.Sort(made)
	if len(read) < 3 {
		t.Errorf("only %d calls read: nothing was tested", len(read))
	}
	if !slices.Equal(read, made) {
		t.Errorf("read from the transcript, but not made:\n%s\nmade, but not read:\n%s", minus(read, made), minus(made, read))
	}
	for _, call := range readC {
		i := slices.IndexFunc(madeC, func(m string) bool { return isSubsequence(strings.Fields(call), strings.Fields(m)) })
		if i < 0 {
			t.Errorf("no call of a C compiler has all of\n%s\nin\n%s", call, strings.Join(madeC, "\n"))
			continue
		}
		madeC = slices.Delete(madeC, i, i+1)
	}
}

// isSubsequence reports whether all of a are in b, in their order.
func isSubsequence(a, b []string) bool {
	for _, s := range b {
		if len(a) > 0 && a[0] == s {
			a = a[1:]
		}
	}
	return len(a) == 0
}

// compareBuilt checks that the packages with a compile are those that a real
// build compiled.
func compareBuilt(t *testing.T, s *Script, graph string) {
	t.Helper()
	var read, built []string
	for i := range s.Blocks {
		if slices.ContainsFunc(s.Blocks[i].Commands, func(c Command) bool { return toolOf(&c) == "compile" }) {
			read = append(read, s.Blocks[i].Node+" "+s.Blocks[i].Package)
		}
	}
	for _, a := range readGraph(t, graph) {
		if a.Mode == "build" && len(a.Cmd) > 0 {
			built = append(built, filepath.Base(a.Objdir)+" "+a.Package)
		}
	}
	slices.Sort(read)
	slices.Sort(built)
	if !slices.Equal(read, built) {
		t.Errorf("compiled in the transcript only: %s\nin the real build only: %s", minus(read, built), minus(built, read))
	}
}

func minus(a, b []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) }), "\n")
}
