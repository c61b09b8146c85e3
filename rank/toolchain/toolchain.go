package toolchain

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A Toolchain is the Go toolchain that the go command selects in a directory.
type Toolchain struct {
	Command string            // the go command, absolute
	Dir     string            // where it was asked: the project, absolute
	Env     map[string]string // what `go env` prints of settings
}

// Refused says that the go command refused to plan the build.
type Refused struct {
	Output string // its words
	Usage  bool   // it did not understand its arguments
}

func (e *Refused) Error() string { return strings.TrimSuffix(e.Output, "\n") }

// Missing says what a build needs and was not found.
type Missing struct{ Reason string }

func (e *Missing) Error() string { return e.Reason }

// Find asks the go command in PATH about the project in dir.
func Find(ctx context.Context, dir string) (*Toolchain, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(dir); err != nil {
		return nil, &Missing{fmt.Sprintf("project %s is not there: %v", dir, errors.Unwrap(err))}
	} else if !fi.IsDir() {
		return nil, &Missing{fmt.Sprintf("project %s is a file; -p takes the directory with its go.mod, -m the main file", dir)}
	}
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, &Missing{"no go command in PATH; unpack a Go release and put its bin directory into PATH"}
	}
	t := &Toolchain{Command: command, Dir: dir}
	cmd := t.command(ctx, append([]string{"env", "-json"}, settings...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, &Refused{Output: string(exit.Stderr)}
		}
		return nil, fmt.Errorf("asking %s for its environment: %w", command, err)
	}
	if err := json.Unmarshal(out, &t.Env); err != nil {
		return nil, fmt.Errorf("%s env: %w", command, err)
	}
	if mod := t.Env["GOMOD"]; (mod == "" || mod == os.DevNull) && t.Env["GOWORK"] == "" && t.Env["GO111MODULE"] != "off" {
		return nil, &Missing{fmt.Sprintf("project %s has no go.mod, and no directory above it has one; -p takes a directory of a Go module", dir)}
	}
	return t, nil
}

// Version is the toolchain's, "go1.26.8".
func (t *Toolchain) Version() string { return t.Env["GOVERSION"] }

// Root is the toolchain's GOROOT.
func (t *Toolchain) Root() string { return t.Env["GOROOT"] }

// ToolDir is the directory of the compiler and the linker.
func (t *Toolchain) ToolDir() string { return t.Env["GOTOOLDIR"] }

// Compilers are the programs that the C compilers of the environment name.
func (t *Toolchain) Compilers() []string {
	var names []string
	for _, key := range []string{"CC", "CXX", "FC", "GCCGO", "AR"} {
		if words := strings.Fields(t.Env[key]); len(words) > 0 && !slices.Contains(names, words[0]) {
			names = append(names, words[0])
		}
	}
	return names
}

// Identity tells two toolchains of the same version apart: the build IDs of
// the compiler and the linker, which name their content.
func (t *Toolchain) Identity() (string, error) {
	var ids []string
	for _, tool := range []string{"compile", "asm", "link"} {
		id, err := buildID(filepath.Join(t.ToolDir(), tool))
		if err != nil {
			return "", fmt.Errorf("reading the build ID of the %s tool: %w", tool, err)
		}
		_, content, _ := cutLast(id, "/")
		ids = append(ids, content)
	}
	return t.Version() + " " + strings.Join(ids, ","), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// ContentID is the hash of a program's content that the go command wrote into
// its build ID: reading that takes no time, and digesting 20 MB does. There
// is an error where somebody else chose the build ID, or the program has none.
// See GOROOT/src/cmd/go/internal/work/buildid.go, go1.26.
func ContentID(path string) (string, error) {
	id, err := buildID(path)
	if err == nil && strings.Count(id, "/") != 3 {
		err = fmt.Errorf("%q is no build ID of the go command", id)
	}
	if err != nil {
		return "", fmt.Errorf("reading what %s consists of: %w", path, err)
	}
	_, content, _ := cutLast(id, "/")
	return content, nil
}

// buildID reads the Go build ID note of an ELF file.
func buildID(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	section := f.Section(".note.go.buildid")
	if section == nil {
		return "", errors.New("no build ID")
	}
	note, err := section.Data()
	if err != nil {
		return "", err
	}
	const header = 16 // sizes, type, and the name "Go\0\0"
	if len(note) < header {
		return "", errors.New("short build ID")
	}
	id := string(bytes.TrimRight(note[header:], "\x00"))
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) {
		return hex.EncodeToString([]byte(id)), nil
	}
	return id, nil
}

// command prepares a call of the go command in the project, in a process group
// of its own that ends with ctx.
func (t *Toolchain) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Command, args...)
	cmd.Dir = t.Dir
	cmd.Env = append(os.Environ(), "PWD="+t.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
