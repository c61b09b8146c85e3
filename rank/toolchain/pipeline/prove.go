package pipeline

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/badbubble/distgo/plan/transcript"
)

//go:embed probe.txtar
var probe []byte

// A Difference is a proof that failed: the pipelined compiler does not make
// the stock compiler's program.
type Difference struct {
	Reason string
}

func (d *Difference) Error() string { return "the probe program " + d.Reason }

// Prove builds the probe program in dir with the stock toolchain and again
// with c, outputs split and importers begun as early as c allows, std included, and
// compares the two programs. It takes about ten seconds on two cores. A
// *Difference says that the compiler is not to be used.
func Prove(ctx context.Context, goCmd Go, c Compiler, dir string) error {
	source := filepath.Join(dir, "probe")
	if err := writeProbe(source); err != nil {
		return err
	}
	stock, pipelined := filepath.Join(dir, "probe.stock"), filepath.Join(dir, "probe.pipelined")
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=-buildid="}
	build := goCmd.command(ctx, dir, source, slices.Concat([]string{"build"}, flags, []string{"-o", stock})...)
	if _, err := run(ctx, build); err != nil {
		return fmt.Errorf("building the probe program: %w", err)
	}

	dry := goCmd.command(ctx, dir, source, slices.Concat([]string{"build", "-a", "-n"}, flags, []string{"-o", pipelined})...)
	text, err := run(ctx, dry)
	if err != nil {
		return fmt.Errorf("transcript of the probe program: %w", err)
	}
	script, err := transcript.Parse(text, transcript.Options{GoVersion: goCmd.Version})
	if err != nil {
		return err
	}
	work := filepath.Join(dir, "work")
	if err := os.RemoveAll(work); err != nil { // an earlier proof's files would be read
		return err
	}
	if err := newReplay(script, c, work, source, dry.Env, runtime.GOMAXPROCS(0)).run(ctx, script); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("building the probe program: %w", err)
	}
	return compare(ctx, stock, pipelined)
}

func compare(ctx context.Context, stock, pipelined string) error {
	want, err := os.ReadFile(stock)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(pipelined)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return &Difference{fmt.Sprintf("differs from the stock compiler's (%d and %d bytes)", len(got), len(want))}
	}
	said, err := run(ctx, own(exec.CommandContext(ctx, pipelined)))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(said)) != "ok" {
		return &Difference{fmt.Sprintf("says %q", said)}
	}
	return nil
}

func writeProbe(dir string) error {
	for _, f := range txtar.Parse(probe).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
