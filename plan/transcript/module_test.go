package transcript

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var (
	update  = flag.Bool("update", false, "rewrite testdata/*.golden from what Parse reads")
	capture = flag.Bool("capture", false, "capture testdata/*.txt anew, with the toolchains in captures")
)

// writeModule puts testdata/module.txtar into dir. Mark is added to each Go
// file as a comment, so that no build cache knows it.
func writeModule(t testing.TB, dir, mark string) {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("testdata", "module.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		name := filepath.Join(dir, f.Name)
		data := f.Data
		if strings.HasSuffix(name, ".go") && mark != "" {
			data = append(bytes.Clone(data), "\n// "+mark+"\n"...)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// goCommand runs the go command in dir and returns its standard error. What
// the environment of the test says about flags and caches holds for it too,
// but for GOFLAGS.
func goCommand(t testing.TB, dir string, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=1")
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stderr.Bytes()
}

func goEnv(t testing.TB, env []string, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "env", name)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// mustParse reads a transcript and prints it back.
func mustParse(t testing.TB, text []byte, goVersion string) *Script {
	t.Helper()
	s, err := Parse(text, Options{GoVersion: goVersion, Exists: exists})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), text) {
		t.Fatal("what was read does not print back")
	}
	return s
}

// toolOf returns the name of the toolchain's tool that c runs, or "".
func toolOf(c *Command) string {
	if c.Op != Run {
		return ""
	}
	return base(c.Args[0])
}

// argAfter returns the argument that follows flag.
func argAfter(c *Command, flag string) string {
	for i, arg := range c.Args[:len(c.Args)-1] {
		if arg == flag {
			return c.Args[i+1]
		}
	}
	return ""
}
