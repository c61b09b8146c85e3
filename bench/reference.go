package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// refer makes go build's program, with the user's own cache, and keeps its digest. It is also what fills the page cache
// with the sources before the first sample. The pipelined compiler is made too.
func (o *observer) refer(ctx context.Context, p *Program) error {
	out := filepath.Join(o.work, "reference")
	defer os.Remove(out)
	t := &Task{Program: p, Flags: o.e.Flags}
	argv := append(append([]string{"build", "-o", out}, t.buildFlags()...), p.Main)
	if _, err := goCommand(ctx, p, argv...); err != nil {
		return config("%s does not build with go build: %v", p.Name, err)
	}
	d, err := digest(out)
	if err != nil {
		return config("go build of %s %s makes no program: %v", p.Name, p.Main, err)
	}
	o.reference[p.Name] = d
	o.kept[p.Name], err = compilers(ctx, p, func(text string) { fmt.Fprintln(o.e.Out, text) })
	if err == nil && o.e.Matrix.Describe {
		o.graphs[p.Name], err = describe(ctx, o.e.Exe, p, t.buildFlags())
	}
	return err
}

// goVersion asks the go command, as the program's go.mod may choose another toolchain.
func goVersion(ctx context.Context, p *Program) (string, error) {
	text, err := goCommand(ctx, p, "env", "GOVERSION")
	if err != nil {
		return "", config("%s: %v", p.Name, err)
	}
	return strings.TrimSpace(text), nil
}

func goCommand(ctx context.Context, p *Program, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", argv...)
	cmd.Dir, cmd.Env = p.Dir, environ(p.environment()...)
	cmd.WaitDelay = endTime
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		if said := strings.TrimSpace(said.String()); said != "" {
			return "", errors.New(said)
		}
		return "", fmt.Errorf("go %s: %w", argv[0], err)
	}
	return string(text), nil
}

// digest is the SHA-256 of a file.
func digest(path string) (string, error) {
	f, err := os.Open(path)
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

// forgetProgram removes what a task built.
func (t *Task) forgetProgram() error {
	return errors.Join(os.Remove(t.program()), os.Remove(t.graph()))
}
