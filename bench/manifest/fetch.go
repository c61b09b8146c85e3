package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// endTime is what git or the go command has between the end of the context and being left alone.
const endTime = 10 * time.Second

// Checkout is where a pinned program lies below a directory of checkouts.
func Checkout(dir string, p *Pinned) string { return filepath.Join(dir, p.Name()) }

// Fetched says whether the checkout is there at the pin's commit.
func Fetched(ctx context.Context, dir string, p *Pinned) bool {
	head, err := run(ctx, Checkout(dir, p), nil, "git", "rev-parse", "HEAD")
	if err != nil || strings.TrimSpace(head) != p.Pin.Commit {
		return false
	}
	_, err = os.Stat(filepath.Join(Checkout(dir, p), "go.mod"))
	return err == nil
}

// Fetch clones the program, checks its commit out, prepares it, and downloads the modules that it needs. What is there
// already is kept.
func Fetch(ctx context.Context, dir string, p *Pinned) error {
	at := Checkout(dir, p)
	if !Fetched(ctx, dir, p) {
		if err := clone(ctx, at, p); err != nil {
			return err
		}
	}
	if err := prepare(at, p); err != nil {
		return err
	}
	// Only what the program needs: go mod download wants every module of the graph, also those that are gone.
	if _, err := run(ctx, at, p.Environment(), "go", "list", "-deps", "-f", "", p.Main()); err != nil {
		return fmt.Errorf("its modules: %w", err)
	}
	return nil
}

// clone makes the checkout, whole or not at all.
func clone(ctx context.Context, at string, p *Pinned) (err error) {
	if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there and is not commit %.12s: remove it", at, p.Pin.Commit)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(at), ".clone-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if _, err := run(ctx, tmp, nil, "git", "clone", "--quiet", "--no-checkout", p.Program.Repository, "."); err != nil {
		return err
	}
	if len(p.Program.LeaveOut) > 0 {
		patterns := []string{"/*"}
		for _, path := range p.Program.LeaveOut {
			patterns = append(patterns, "!"+path)
		}
		if _, err := run(ctx, tmp, nil, append([]string{"git", "sparse-checkout", "set", "--no-cone"}, patterns...)...); err != nil {
			return err
		}
	}
	if _, err := run(ctx, tmp, nil, "git", "checkout", "--quiet", p.Pin.Commit); err != nil {
		return err
	}
	return os.Rename(tmp, at)
}

// prepare makes the files that the commit lacks.
func prepare(at string, p *Pinned) error {
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer root.Close()
	for path, content := range p.Program.Prepare {
		if _, err := root.Stat(path); err == nil {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Build tries go build, with the user's cache, and returns what it says when it fails.
func Build(ctx context.Context, dir string, p *Pinned) error {
	out, err := os.MkdirTemp("", "distgo-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	_, err = run(ctx, Checkout(dir, p), p.Environment(), "go", "build", "-trimpath", "-ldflags=-buildid=", "-o", filepath.Join(out, "program"), p.Main())
	return err
}

// Environment is what the program is built with.
func (p *Pinned) Environment() []string {
	env := []string{"CGO_ENABLED=0"}
	if p.Program.CGO {
		env[0] = "CGO_ENABLED=1"
	}
	return env
}

// run runs a command and returns its output; a failure is in the command's own words.
func run(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), env...), endTime
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0") // a repository that is gone must not ask for a password
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %v%s", argv[0], argv[1], err, indent(said.String()))
	}
	return string(text), nil
}

// indent puts a command's words below the message, the first of them: a broken build can have thousands.
func indent(said string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("… and %d more lines", len(lines)-most))
	}
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return "\n\t" + strings.Join(lines, "\n\t")
}

// Head is the commit of a checkout and whether there are changes to it; "" where dir is no checkout.
func Head(ctx context.Context, dir string) (commit string, changed bool) {
	head, err := run(ctx, dir, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		return "", false
	}
	status, err := run(ctx, dir, nil, "git", "status", "--porcelain", "--untracked-files=no")
	return strings.TrimSpace(head), err == nil && status != ""
}
