package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A Request names what to build, as `go build` is told.
type Request struct {
	Main   []string // packages or files, seen from the project
	Output string   // -o, absolute; "" for go build's default
	Flags  []string // further flags of go build
}

// Usage says that a flag cannot be passed on.
type Usage struct{ Reason string }

func (e *Usage) Error() string { return e.Reason }

// Flags of go build that are distgo's own business, or that it cannot do, and
// what to do instead. With "=", that value alone is meant.
var refusedFlags = map[string]string{
	"C":                "use -p",
	"o":                "use distgo's -o, before the --",
	"n":                "use distgo plan",
	"json":             "its output would not be go build's",
	"toolexec":         "the tools run on many nodes; no program is put before them",
	"compiler=gccgo":   "only gc builds can be distributed",
	"buildmode=shared": "packages are linked into programs, not into shared libraries",
	"linkshared":       "it needs libraries that -buildmode=shared installs",
}

// Flags that say how go build works, not what it makes; true when a value
// follows. distgo has its own.
var ignoredFlags = map[string]bool{"a": false, "v": false, "x": false, "work": false, "p": true}

// PassedFlags checks the flags that a user wants passed to go build, and drops
// those that have no meaning for a distributed build.
func PassedFlags(flags []string) ([]string, error) {
	var out []string
	for i := 0; i < len(flags); i++ {
		if !strings.HasPrefix(flags[i], "-") {
			out = append(out, flags[i]) // the value of the flag before it
			continue
		}
		name, value, inline := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		if !inline && i+1 < len(flags) {
			value = flags[i+1]
		}
		if err := refuse("go build", name, value); err != nil {
			return nil, err
		}
		if value, ok := ignoredFlags[name]; ok {
			if value && !inline {
				i++
			}
			continue
		}
		out = append(out, flags[i])
	}
	return out, nil
}

// refuse says what is wrong with a flag, if anything is. Where says who was
// given it.
func refuse(where, name, value string) error {
	for _, flag := range []string{name, name + "=" + value} {
		if remedy := refusedFlags[flag]; remedy != "" {
			return &Usage{fmt.Sprintf("%s's -%s cannot be passed on: %s", where, flag, remedy)}
		}
	}
	return nil
}

// checkGOFLAGS refuses there what PassedFlags refuses on the command line.
func (t *Toolchain) checkGOFLAGS() error {
	for word := range strings.FieldsSeq(t.Env["GOFLAGS"]) {
		name, value, _ := strings.Cut(strings.TrimLeft(strings.Trim(word, `'"`), "-"), "=")
		if err := refuse("GOFLAGS", name, value); err != nil {
			return err
		}
	}
	return nil
}

// Transcript asks the go command for everything that building req from
// nothing would run. It runs no build.
func (t *Toolchain) Transcript(ctx context.Context, req Request) ([]byte, error) {
	if err := t.checkGOFLAGS(); err != nil {
		return nil, err
	}
	args := []string{"build", "-a", "-n"}
	if req.Output != "" {
		args = append(args, "-o", req.Output)
	}
	args = append(append(args, req.Flags...), req.Main...)
	cmd := t.command(ctx, args...)
	// With one processor cmd/go would leave -c out of the compile commands.
	cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", max(2, runtime.GOMAXPROCS(0))))
	if os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=400") // it allocates some hundred megabytes in all, and then ends
	}
	if t.cacheIsNew() {
		// It would index every package for later go commands first.
		cmd.Env = append(cmd.Env, "GODEBUG="+strings.TrimPrefix(t.Env["GODEBUG"]+",goindex=0", ","))
	}
	var text bytes.Buffer
	cmd.Stderr = &text
	cmd.Stdout = &text
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			const usage = 2 // the go command's exit code, as distgo's
			return nil, &Refused{Output: transcript.Refusal(text.Bytes(), transcript.Options{}), Usage: exit.ExitCode() == usage}
		}
		return nil, fmt.Errorf("running %s build -n: %w", t.Command, err)
	}
	return text.Bytes(), nil
}

// cacheIsNew reports whether no go command has used its cache yet.
func (t *Toolchain) cacheIsNew() bool {
	_, err := os.Stat(filepath.Join(t.Env["GOCACHE"], "00")) // the first of its directories
	return errors.Is(err, fs.ErrNotExist)
}

// Build runs a real `go build` of the request, for --verify and baselines,
// with output to path out. Extra is added to its environment.
func (t *Toolchain) Build(ctx context.Context, req Request, extra ...string) error {
	args := []string{"build"}
	if req.Output != "" {
		args = append(args, "-o", req.Output)
	}
	args = append(append(args, req.Flags...), req.Main...)
	cmd := t.command(ctx, args...)
	cmd.Env = append(cmd.Env, extra...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return &Refused{Output: text.String()}
	}
	return nil
}

// Measure returns a function that tells what is in a source file, nothing where
// it cannot be read. Of other languages than Go the size will do, and of a large
// file its beginning. It reads all files into one place, so it is for one
// goroutine at a time.
func Measure() func(path string) plan.Source {
	var text bytes.Buffer
	return func(path string) plan.Source {
		if filepath.Ext(path) != ".go" {
			return plan.Source{Bytes: size(path)}
		}
		f, err := os.Open(path)
		if err != nil {
			return plan.Source{}
		}
		defer f.Close()
		text.Reset()
		n, err := text.ReadFrom(io.LimitReader(f, beginning))
		if err != nil {
			return plan.Source{}
		}
		s := plan.MeasureGo(text.Bytes())
		if n == beginning {
			s = s.Times(float64(size(path)) / float64(n))
		}
		return s
	}
}

// beginning is how much of a file is looked at. What is larger, a program wrote.
const beginning = 1 << 20

// size is a file's size in bytes, 0 where it is unknown.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
