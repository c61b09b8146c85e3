package execute

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A Runner executes actions in one scratch directory.
type Runner struct {
	Work  string   // the scratch directory, absolute; what $WORK stands for
	Env   []string // the environment of every command, before the command's own
	Tools Tools    // what may be started
	Wrap  []string // words put before every command line, such as a tool that measures it; usually none
	Words Words    // how diagnostics are shown
	Slots int      // threads that an action may come to have at most

	// Pipelined, where set, is run in place of the toolchain's compile. It
	// writes export data early and says so.
	Pipelined *Pipelined

	// Heap is how large a compiler's heap may grow before it is collected for
	// the first time, in MiB; 0 leaves that to the compiler, and the linker's to
	// the linker. Nothing that they write depends on it.
	Heap int64

	// Trace, where set, is called with each command line before it is run.
	Trace func(a *plan.Action, line string)
}

// Pipelined is a compiler that hands out export data before its end (package
// rank/toolchain/pipeline).
type Pipelined struct {
	Path   string
	Signal string // the variable that names the descriptor on which it says how far it is, and reads numbers of threads
	Types  string // the variable that has it hand out types, or do that and wait for export data; "" where it cannot
}

// A Result is what executing an action took.
type Result struct {
	Output   string        // what the tools said, as cmd/go shows it; not only when they fail
	CPU      time.Duration // user and system time of the tools
	MaxRSS   int64         // bytes, of the largest tool
	Commands int           // tools started
}

// A Failure says that a tool refused its input: the user's code does not build.
type Failure struct {
	Package string
	Output  string // the tool's words, as cmd/go shows them
	Signal  string // the signal that ended the tool, "" when it exited by itself
}

func (f *Failure) Error() string { return strings.TrimSuffix(f.Output, "\n") }

// Run executes the commands of a, giving its tools so many threads. It returns
// when they have ended, or were killed because ctx was done. With a pipelined
// compiler it calls the moments, from another goroutine but before it returns.
func (r *Runner) Run(ctx context.Context, a *plan.Action, threads *Threads, moments Moments) (Result, error) {
	var result Result
	return result, r.steps(ctx, a, 0, len(a.Steps), threads, moments, &result)
}

// steps executes the commands of a from one to another, which is not executed.
func (r *Runner) steps(ctx context.Context, a *plan.Action, from, to int, threads *Threads, moments Moments, result *Result) error {
	for i := from; i < to; i++ {
		c := &a.Steps[i]
		var err error
		switch c.Op {
		case transcript.Run:
			err = r.tool(ctx, a, c, threads, moments, result)
			if f, failed := errors.AsType[*Failure](err); failed && f.Signal == "" && c.MayFail && i+1 < len(a.Steps) {
				i++
				err = r.trialFailed(&a.Steps[i])
			}
		default:
			err = r.builtin(a, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tool starts the process of one command and waits for it.
func (r *Runner) tool(ctx context.Context, a *plan.Action, c *transcript.Command, threads *Threads, moments Moments, result *Result) error {
	types := noTypes
	if moments.Typed != nil {
		types = handOut
	}
	running, err := r.start(ctx, a, c, threads, types, result)
	if err != nil {
		return err
	}
	return r.finish(ctx, a, c, running, threads, moments, result)
}

// start starts the process of one command. A pipelined compile is to hand out types
// if they are wanted.
func (r *Runner) start(ctx context.Context, a *plan.Action, c *transcript.Command, threads *Threads, types types, result *Result) (*running, error) {
	begun := threads.get()
	follows := r.Pipelined != nil && filepath.Base(c.Args[0]) == "compile"
	most := begun
	if follows {
		most = max(begun, r.Slots)
	}
	argv := make([]string, len(c.Args))
	for i, arg := range c.Args {
		if i > 0 && strings.HasPrefix(arg, "@") {
			return nil, fmt.Errorf("%s: response file %s refused", a.Package, arg)
		}
		argv[i] = r.expand(strings.ReplaceAll(arg, plan.Threads, strconv.Itoa(backends(most))))
	}
	if filepath.Base(argv[0]) == "compile" {
		argv = withoutImports(argv)
		if r.Heap > 0 {
			argv = slices.Insert(argv, 1, fmt.Sprintf("-d=gcstart=%d", r.Heap)) // before the user's own, which win
		}
	}
	if err := r.Tools.check(argv[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Package, err)
	}
	dir := r.dir(c)
	env := slices.Clone(r.Env)
	for _, e := range c.Env {
		env = append(env, r.expand(e))
	}
	env = append(env, "PWD="+dir, "GOMAXPROCS="+strconv.Itoa(begun))
	if r.Heap > 0 && filepath.Base(argv[0]) == "link" {
		env = append(env, linkerGC)
	}
	if r.Trace != nil {
		r.Trace(a, strings.Join(argv, " "))
	}
	p := &process{argv: append(slices.Clone(r.Wrap), argv...), dir: dir, env: env, pipelined: follows, begun: begun}
	if follows {
		p.argv[len(r.Wrap)] = r.Pipelined.Path
		p.env = append(p.env, r.Pipelined.Signal+"=3") // the first descriptor behind the standard three
		if types != noTypes && r.Pipelined.Types != "" {
			p.env = append(p.env, r.Pipelined.Types+"="+string(types))
		}
	}
	if c.Stdout != "" {
		path, err := r.inside(c.Stdout)
		if err != nil {
			return nil, err
		}
		p.stdout = path
	}
	running, err := p.start(ctx)
	result.Commands++
	switch {
	case err == nil:
		return running, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, fmt.Errorf("%s: starting %s: %w", a.Package, filepath.Base(argv[0]), err)
}

// finish waits for the process of a command, and puts its words as cmd/go does.
func (r *Runner) finish(ctx context.Context, a *plan.Action, c *transcript.Command, running *running, threads *Threads, moments Moments, result *Result) error {
	usage, err := running.finish(threads, moments)
	result.CPU += usage.cpu
	result.MaxRSS = max(result.MaxRSS, usage.maxRSS)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && (len(usage.output) == 0 || c.MayFail) {
		return nil // nobody asks what the linker thinks of a trial
	}
	text := r.Words.shape(a, r.Work, c, string(usage.output), err)
	if err == nil {
		result.Output += text
		return nil
	}
	return &Failure{Package: a.Package, Output: result.Output + text, Signal: usage.signal}
}

// types is whether a pipelined compile is to hand out its package's types.
type types string

const (
	noTypes        types = ""
	handOut        types = "1"
	handOutAndWait types = "wait" // for the export data of imports
)

// backends is the number that a compile's -c gets. One would also switch off
// the compiler's large starting heap (GOROOT/src/cmd/compile/internal/gc/main.go)
// and slow it; two back ends on one core do not, nor do sixteen.
func backends(threads int) int { return max(threads, 2) }

// linkerGC is for linkers where there is memory. Nearly all that one allocates is
// there to its end: collected at the usual 100, a link of 100 MB takes 4 % more
// CPU time, and 80 MB less of 1.3 GB. With "off" it takes no less time.
const linkerGC = "GOGC=400"

// expand puts the scratch directory in place of $WORK.
func (r *Runner) expand(s string) string {
	if !strings.Contains(s, "$WORK") {
		return s
	}
	if s == "$WORK" {
		return r.Work
	}
	return strings.ReplaceAll(s, transcript.Work, r.Work+"/")
}

// dir is the directory a command runs in.
func (r *Runner) dir(c *transcript.Command) string {
	return r.expand(c.Dir)
}

// inside resolves a path that must lie in the scratch directory.
func (r *Runner) inside(path string) (string, error) {
	rel, ok := strings.CutPrefix(path, transcript.Work)
	rel = strings.TrimSuffix(rel, "/")
	if !ok || !transcript.LocalPath(rel) {
		return "", fmt.Errorf("%s is not in the scratch directory", path)
	}
	return filepath.Join(r.Work, filepath.FromSlash(rel)), nil
}

// target resolves a path that a command writes: in the scratch directory, or
// for a link anywhere.
func (r *Runner) target(a *plan.Action, c *transcript.Command, path string) (string, error) {
	if a.Kind != plan.Link || strings.HasPrefix(path, transcript.Work) {
		return r.inside(path)
	}
	return r.source(c, path), nil
}

// source resolves a path that a command reads.
func (r *Runner) source(c *transcript.Command, path string) string {
	path = r.expand(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir(c), path)
	}
	return path
}

// Prepare makes the directory of an action's node.
func (r *Runner) Prepare(a *plan.Action) error {
	return os.MkdirAll(filepath.Join(r.Work, a.Node), 0o700)
}
