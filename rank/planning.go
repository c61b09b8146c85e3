package rank

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/toolchain"
)

// Plan captures the transcript of what cfg asks for and makes the plan of it,
// with every action on root. Captured is the go command's part of the time.
func Plan(ctx context.Context, cfg Config, tools *toolchain.Toolchain) (p *plan.Plan, captured time.Duration, err error) {
	p, captured, _, err = makePlan(ctx, cfg, tools)
	return p, captured, err
}

// makePlan is Plan. It returns also what was asked beside the transcript.
func makePlan(ctx context.Context, cfg Config, tools *toolchain.Toolchain) (p *plan.Plan, captured time.Duration, questions plan.Questions, err error) {
	begun := time.Now()
	text, err := tools.Transcript(ctx, cfg.Request)
	captured = time.Since(begun)
	if err != nil {
		return nil, captured, questions, err
	}
	if bytes.Contains(text, []byte("\nswig -version\n")) {
		return nil, captured, questions, usage("a package uses SWIG, which distgo does not run; commit what SWIG generates, or build with go build")
	}
	script, err := transcript.Parse(text, transcript.Options{
		GoVersion:  tools.Version(),
		Unverified: cfg.UnverifiedGo,
		Exists:     func(path string) bool { _, err := os.Stat(path); return err == nil },
	})
	if _, unverified := errors.AsType[*transcript.VersionError](err); unverified {
		return nil, captured, questions, Usage(err)
	}
	if err != nil {
		return nil, captured, questions, err
	}
	questions = plan.Ask(script, tools.Root())
	if err := complete(ctx, cfg, tools, script, questions); err != nil {
		return nil, captured, questions, err
	}
	if p, err = plan.New(script, tools.Dir, toolchain.Measure()); err != nil {
		return nil, captured, questions, err
	}
	if err := p.Validate(1); err != nil {
		return nil, captured, questions, err
	}
	p.Env = tools.CommandEnv()
	if cfg.Verify {
		if err := verifiable(p, tools.Env["GOOS"]); err != nil {
			return nil, captured, questions, err
		}
	}
	return p, captured, questions, check(cfg, p)
}

// complete puts into the transcript what the go command does not print.
func complete(ctx context.Context, cfg Config, tools *toolchain.Toolchain, script *transcript.Script, questions plan.Questions) error {
	keep, err := (&run{cfg: cfg}).storeDir()
	keep = filepath.Join(keep, "cflags")
	if err != nil || os.MkdirAll(keep, 0o777) != nil { // it is learned anew in each run, then
		if keep, err = os.MkdirTemp(cfg.Scratch, "distgo-cflags-"); err != nil {
			return err
		}
		defer os.RemoveAll(keep)
	}
	learned, err := tools.Learn(ctx, cfg.Request, questions, keep)
	if err != nil {
		return err
	}
	return plan.Complete(script, learned, tools.Root())
}

// check finds before the build what would stop it at its end.
func check(cfg Config, p *plan.Plan) error {
	if !hasLink(p) && cfg.Request.Output == "" && !isPattern(cfg.Request.Main) {
		return usage("%s is not a main package, so there is no program to link; name a main package with -m, a pattern such as ./... to compile without linking, or -o FILE.a to keep the archive",
			strings.Join(cfg.Request.Main, " "))
	}
	if out := cfg.Request.Output; out != "" && !strings.HasSuffix(out, string(filepath.Separator)) {
		if fi, err := os.Stat(out); err == nil && fi.IsDir() {
			return isDirectory(out)
		}
	}
	for _, path := range p.Targets() {
		if err := writable(path); err != nil {
			return err
		}
	}
	return reportable(cfg.Report)
}

// reportable reports why a report could not be put at path, if one is asked for.
func reportable(path string) error {
	if path == "" {
		return nil
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return usage("--report=%s is a directory; name a file", path)
	} else if err == nil && !fi.Mode().IsRegular() {
		return nil // a pipe or a device
	}
	if err := unix.Access(filepath.Dir(path)+"/", unix.W_OK); err != nil { // the separator: nothing but a directory will do
		return usage("--report=%s cannot be written: directory %s: %v", path, filepath.Dir(path), err)
	}
	return nil
}

func hasLink(p *plan.Plan) bool {
	for i := range p.Actions {
		if p.Actions[i].Kind == plan.Link {
			return true
		}
	}
	return false
}

func isPattern(args []string) bool {
	return len(args) > 1 || strings.Contains(args[0], "...")
}

// writable reports why a program could not be put at path.
func writable(path string) error {
	if fi, err := os.Stat(path); err == nil {
		if fi.IsDir() {
			return isDirectory(path)
		}
		if !fi.Mode().IsRegular() {
			return nil // a device: written to, not replaced
		}
	}
	dir := filepath.Dir(path)
	for {
		fi, err := os.Stat(dir)
		if err == nil && !fi.IsDir() {
			return usage("output %s cannot be written: %s is not a directory", path, dir)
		}
		if err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return usage("output %s cannot be written: %v", path, err)
		}
		dir = filepath.Dir(dir) // will be made
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return usage("output %s cannot be written: directory %s: %v", path, dir, err)
	}
	return nil
}

func isDirectory(path string) error {
	return usage("output %s is a directory; choose another name with -o FILE, or -o DIR/ to put programs into a directory", path)
}

// OutputPath makes -o absolute, as it is seen from where the user stands, and
// keeps the separator at its end, which means a directory to go build.
func OutputPath(cwd, output string) string {
	if output == "" || filepath.IsAbs(output) {
		return output
	}
	abs := filepath.Join(cwd, output)
	if strings.HasSuffix(output, string(filepath.Separator)) {
		abs += string(filepath.Separator)
	}
	return abs
}
