package transcript

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// captures are the transcripts in testdata: their module's own packages and
// programs, with the standard library taken from the build cache. Each
// directory is named for the go command that printed what is in it.
var captures = []struct {
	name string
	args []string
	only string // the one version it is captured with; "" for all
}{
	{"all", []string{"-o", "bin/", "./cmd/...", "./plug"}, ""},
	{"instrumented", []string{"-race", "-cover", "-trimpath", "./cmd/one"}, ""},
	{"profiled", []string{"-pgo=default.pgo", "-o", "out dir/two 2", "./cmd/two"}, ""},
	{"shared", []string{"-buildmode=c-shared", "-o", "plug.so", "./plug"}, ""},
	{"verbose", []string{"-v", "-ldflags=-X \"main.v=$HOME it's\" -s", "-o", "bin/", "./near"}, "go1.26.8"},
	{"plugin", []string{"-buildmode=plugin", "-o", "plug.so", "./plug"}, "go1.26.8"},
}

var captureVersions = []string{"go1.23.12", "go1.24.11", "go1.25.5", "go1.26.8"}

// TestCapture makes testdata/go*/*.txt when asked to.
func TestCapture(t *testing.T) {
	if !*capture {
		t.Skip("captures transcripts only with -capture")
	}
	for _, v := range captureVersions {
		for _, c := range captures {
			if c.only == "" || c.only == v {
				t.Run(v+"/"+c.name, func(t *testing.T) { captureOne(t, v, c.name, c.args) })
			}
		}
	}
}

// captureOne fills the build cache with everything, changes the module, and
// captures what would be done again.
func captureOne(t *testing.T, version, name string, args []string) {
	t.Helper()
	env := []string{"GOTOOLCHAIN=" + version}
	dir := t.TempDir()
	writeModule(t, dir, dir)
	writeProfile(t, filepath.Join(dir, "default.pgo"))
	goCommand(t, dir, env, slices.Concat([]string{"build"}, args)...)
	writeModule(t, dir, dir+" again")
	text := string(goCommand(t, dir, env, slices.Concat([]string{"build", "-n"}, args)...))
	text = strings.NewReplacer(
		dir, "/ws/m",
		goEnv(t, env, "GOROOT"), "/usr/local/go",
		goEnv(t, env, "GOCACHE"), "/home/gopher/.cache/go-build",
	).Replace(text)
	file := filepath.Join("testdata", version, name+".txt")
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// writeProfile writes a CPU profile, of whatever.
func writeProfile(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		_ = fmt.Sprint(dir(ctx))
	}
	pprof.StopCPUProfile()
}

func dir(v any) string { return strconv.Quote(fmt.Sprintf("%T", v)) }

// TestGolden reads each transcript in testdata, prints it back, and compares
// what was read with the dump beside it.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/go*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 4*len(captureVersions) {
		t.Fatalf("only %d transcripts in testdata", len(names))
	}
	for _, name := range names {
		version := filepath.Base(filepath.Dir(name))
		t.Run(version+"/"+filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(text, Options{GoVersion: version, Exists: existsInModule})
			if err != nil {
				t.Fatal(err)
			}
			var printed bytes.Buffer
			if err := s.Print(&printed); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(printed.Bytes(), text) {
				t.Error("what was read does not print back")
			}
			got := dump(s)
			golden := strings.TrimSuffix(name, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("read differently than before (-update accepts it); first difference:\n%s", firstDifference(want, got))
			}
		})
	}
}

// existsInModule knows the directories of testdata/module.txtar at /ws/m.
func existsInModule(path string) bool {
	return strings.HasPrefix(path, "/ws/m/cmd/two2")
}

// dump renders a script for people: a line for each command, quoted where a
// shell would, bodies indented. Import configurations are cut short.
func dump(s *Script) []byte {
	var b bytes.Buffer
	for i := range s.Blocks {
		block := &s.Blocks[i]
		fmt.Fprintf(&b, "%s %s\n", block.Node, block.Package)
		for j := range block.Commands {
			c := &block.Commands[j]
			fmt.Fprintf(&b, "\t%d %s", c.Line, opNames[c.Op])
			if c.MayFail {
				b.WriteString(" mayfail")
			}
			if c.Dir != "" {
				fmt.Fprintf(&b, " in %s", c.Dir)
			}
			b.WriteByte('\n')
			for _, e := range c.Env {
				fmt.Fprintf(&b, "\t\t%s\n", e)
			}
			if c.Op != Probe || c.Args[len(c.Args)-1] != "/dev/null" {
				for _, a := range c.Args {
					fmt.Fprintf(&b, "\t\t%q\n", a)
				}
			}
			for k, line := range strings.Split(c.Body, "\n") {
				if k == 8 {
					fmt.Fprintf(&b, "\t\t\t… %d bytes\n", len(c.Body))
					break
				}
				if c.Body != "" {
					fmt.Fprintf(&b, "\t\t\t%s\n", line)
				}
			}
		}
	}
	return b.Bytes()
}

var opNames = map[Op]string{
	Mkdir: "mkdir", Write: "write", Run: "run", Copy: "copy", Move: "move", Pack: "pack",
	BuildID: "buildid", Remove: "remove", Probe: "probe", Symlink: "symlink",
}

func firstDifference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n-%s\n+%s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, %d now", len(a), len(b))
}
