package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Go is the user's toolchain.
type Go struct {
	Root    string   // GOROOT
	Version string   // "go1.26.8"
	Env     []string // environment it is run with, as NAME=value; nil for this process's
}

// Compiler is a pipelined compiler.
type Compiler struct {
	Path   string // the executable, to be run in place of GOROOT's compile
	Digest string // its SHA-256, in hexadecimal
	Signal string // environment variable for the number of the signal's descriptor
	Types  string // environment variable that has it hand out types; "" where it cannot
}

// waitDelay bounds how long a cancelled command's grandchildren may hold its
// output open.
const waitDelay = 2 * time.Second

// Build makes the compiler in dir, which must exist and should be empty, with
// caches of its own there. It takes most of a minute on two cores. Programs
// made from one toolchain are the same in every dir.
func Build(ctx context.Context, goCmd Go, dir string) (Compiler, error) {
	changed, types, err := Edits(goCmd.Root)
	if err != nil {
		return Compiler{}, err
	}
	return buildChanged(ctx, goCmd, dir, changed, types)
}

func buildChanged(ctx context.Context, goCmd Go, dir string, changed map[string][]byte, types string) (Compiler, error) {
	overlay, err := writeOverlay(filepath.Join(dir, "overlay"), changed)
	if err != nil {
		return Compiler{}, err
	}
	path := filepath.Join(dir, "compile")
	// As cmd/dist builds the stock one: default.pgo is picked up, and no
	// debug information (cmd/dist/build.go). The directory is the module
	// "cmd", whose vendored packages need no network.
	build := goCmd.command(ctx, dir, filepath.Join(goCmd.Root, "src", "cmd"),
		"build", "-pgo=auto", "-trimpath", "-buildvcs=false", "-mod=vendor",
		"-gcflags=all=-dwarf=false", "-ldflags=-s -w",
		"-overlay="+overlay, "-o", path, "cmd/compile")
	build.Env = append(build.Env, "GOEXPERIMENT=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if _, err := run(ctx, build); err != nil {
		return Compiler{}, fmt.Errorf("building cmd/compile: %w", err)
	}
	return open(path, types)
}

// open describes the compiler at path, which hands out types where that is TypesEnv.
func open(path, types string) (Compiler, error) {
	digest, err := fileDigest(path)
	if err != nil {
		return Compiler{}, err
	}
	return Compiler{Path: path, Digest: digest, Signal: SignalEnv, Types: types}, nil
}

// writeOverlay writes the changed files below dir, and beside them the file
// that `go build -overlay` reads, whose name it returns.
func writeOverlay(dir string, changed map[string][]byte) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for name, text := range changed {
		copied := filepath.Join(dir, strconv.Itoa(len(overlay.Replace))+".go")
		if err := os.WriteFile(copied, text, 0o666); err != nil {
			return "", err
		}
		overlay.Replace[name] = copied
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o666)
}

// command prepares the go command, to be run in workDir with caches in dir. It is
// the toolchain's own: the one in PATH may be of another version, and have selected
// this toolchain because of GOTOOLCHAIN or a go.mod.
func (g Go) command(ctx context.Context, dir, workDir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(g.Root, "bin", "go"), args...)
	cmd.Dir = workDir
	// The go command believes PWD about symbolic links, which GOROOT may be
	// made of; without it the module "cmd" could seem to lie elsewhere.
	cmd.Env = append(g.environ(dir), "PWD="+workDir)
	return own(cmd)
}

// environ is the environment without the user's settings of Go (flags,
// workspaces, proxies, caches, target), all but the knobs of the runtime that
// bound what a process may use, and GOEXPERIMENT, which the user's program is
// compiled under and the proof is therefore made under.
func (g Go) environ(dir string) []string {
	base := g.Env
	if base == nil {
		base = os.Environ()
	}
	var env []string
	for _, setting := range base {
		name, _, _ := strings.Cut(setting, "=")
		switch name {
		case "GOMAXPROCS", "GOMEMLIMIT", "GOEXPERIMENT":
		default:
			if strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "CGO_") {
				continue
			}
		}
		env = append(env, setting)
	}
	return append(env,
		"GOROOT="+g.Root, "GOTOOLCHAIN=local", "GOENV=off", "GOWORK=off", "GOPROXY=off", "GO111MODULE=on",
		"CGO_ENABLED=0", "GOCACHE="+filepath.Join(dir, "cache"), "GOPATH="+filepath.Join(dir, "gopath"))
}

// experiment is the GOEXPERIMENT that the user's program is compiled under.
func (g Go) experiment() string {
	value := ""
	for _, setting := range g.environ("") {
		if v, ok := strings.CutPrefix(setting, "GOEXPERIMENT="); ok {
			value = v
		}
	}
	return value
}

// run runs cmd and returns what it printed. The error is the context's where
// that ended the command, and carries the command's words otherwise.
func run(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return said.Bytes(), nil
}

func fileDigest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
