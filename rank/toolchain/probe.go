package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// probeModule is the import path of the module that is compiled to see what
// the go command tells C compilers.
const probeModule = "distgo-probe"

// probeFlag stands in CGO_CFLAGS and the like, to tell learned flags from
// those.
const probeFlag = "-DDISTGO"

// answers is what a probe showed.
type answers struct {
	Compilers map[string]plan.CFlags
	PkgConfig map[string]plan.PkgConfig
}

// probe has the go command prepare a module of a few lines as it would for
// a build, and reads from its trace what -n does not print. The module has a
// file for each C compiler and a package for each question to pkg-config. No
// Go is compiled. The module is made below the directory keep.
func (t *Toolchain) probe(ctx context.Context, keep string, compilers map[string]string, questions map[string]plan.Asked) (answers, error) {
	a := answers{map[string]plan.CFlags{}, map[string]plan.PkgConfig{}}
	if err := os.MkdirAll(keep, 0o777); err != nil {
		return a, err
	}
	dir, err := os.MkdirTemp(keep, "probe-")
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(dir)
	asked := make([]string, 0, len(questions)) // by number of a package
	for question := range questions {
		asked = append(asked, question)
	}
	slices.Sort(asked)
	if err := writeProbe(dir, compilers, questions, asked); err != nil {
		return a, err
	}
	cmd := t.command(ctx, "list", "-compiled", "-trimpath", "-x", "./...")
	cmd.Path, cmd.Args[0] = filepath.Join(t.Root(), "bin", "go"), "go"
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "PWD="+dir, "GOTOOLCHAIN=local", "GO111MODULE=on", "GOWORK=off", "GOFLAGS=",
		"CGO_CPPFLAGS=", "CGO_CFLAGS="+probeFlag, "CGO_CXXFLAGS="+probeFlag, "CGO_FFLAGS="+probeFlag, "CGO_LDFLAGS="+probeFlag)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return a, context.Cause(ctx)
		}
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			return a, fmt.Errorf("running go list: %w", err)
		}
		return a, probeRefused(text.String(), questions, asked)
	}
	for line := range strings.Lines(text.String()) {
		_, args, err := transcript.Line(strings.TrimSuffix(line, "\n"))
		if err != nil || len(args) < 4 {
			continue // not a command
		}
		if question, answer, ok := readPkgConfig(args, asked); ok {
			a.PkgConfig[question] = answer
		}
		if compilers[args[0]] == "" {
			continue
		}
		if flags, ok := readCFlags(args, dir); ok {
			a.Compilers[args[0]] = flags
		}
	}
	for name := range compilers {
		if _, ok := a.Compilers[name]; !ok {
			return a, fmt.Errorf("the go command compiled nothing with %s when it was asked to; with CGO_ENABLED=0 no C compiler is needed", name)
		}
	}
	for _, question := range asked {
		if _, ok := a.PkgConfig[question]; !ok {
			return a, fmt.Errorf("the go command did not tell what pkg-config says to %s", question)
		}
	}
	return a, nil
}

func writeProbe(dir string, compilers map[string]string, questions map[string]plan.Asked, asked []string) error {
	// What the go command has in its cache it does not do again, nor print.
	unique := fmt.Sprintf("// %d.%d\n", os.Getpid(), time.Now().UnixNano())
	files := map[string]string{
		"go.mod":   "module " + probeModule + "\n",
		"probe.go": unique + "package probe\n\nimport \"C\"\n",
	}
	for _, ext := range compilers {
		switch strings.ToLower(ext) {
		case ".f", ".for", ".f90":
			files["p"+ext] = "      end\n"
		default:
			files["p"+ext] = ""
		}
	}
	for i, question := range asked {
		args := slices.DeleteFunc(slices.Clone(questions[question].Args), func(arg string) bool { return arg == "--" })
		files[fmt.Sprintf("q%d/q.go", i)] = unique + "package q\n\n// #cgo pkg-config: " + strings.Join(args, " ") + "\nimport \"C\"\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// readCFlags reads what was added to the command that compiled a file of the
// probe, or what cgo made for it.
func readCFlags(args []string, dir string) (f plan.CFlags, ok bool) {
	anchor := slices.Index(args, "-fmessage-length=0")
	objdir := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, transcript.Work) && strings.HasSuffix(arg, "/") })
	own := slices.Index(args, probeFlag)
	n := len(args)
	if anchor < 0 || objdir < anchor+2 || own < objdir || own+1 > n-4 || args[n-2] != "-c" || args[n-4] != "-o" {
		return f, false
	}
	learn := func(flags []string) (out []string) {
		for _, flag := range flags {
			if value, ok := strings.CutPrefix(flag, "-frandom-seed="); ok && value != "" {
				flag = "-frandom-seed=" + plan.MarkSeed
			}
			flag = strings.ReplaceAll(flag, strings.TrimSuffix(args[objdir], "/"), plan.MarkObjdir)
			if head, to, ok := strings.Cut(flag, dir+"="); ok {
				flag = head + plan.MarkFrom + "=" + strings.TrimSuffix(to, probeModule) + plan.MarkTo
			}
			out = append(out, flag)
		}
		return out
	}
	// Behind the machine's own flags, of which -pthread or its like is the last.
	before := anchor
	for before > 0 && !slices.Contains([]string{"-pthread", "-mthreads"}, args[before-1]) {
		before--
	}
	if before == 0 {
		return f, false
	}
	f.Before = learn(args[before:anchor])
	f.After = learn(args[anchor+1 : objdir-1])
	f.Last = learn(args[own+1 : n-4])
	return f, true
}

// readPkgConfig reads the flags that cgo was called with for a question.
func readPkgConfig(args, asked []string) (question string, answer plan.PkgConfig, ok bool) {
	path := slices.Index(args, "-importpath")
	dashes := slices.Index(args, "--")
	if filepath.Base(args[0]) != "cgo" || path < 0 || dashes < path {
		return "", answer, false
	}
	var n int
	if _, err := fmt.Sscanf(args[path+1], probeModule+"/q%d", &n); err != nil || n >= len(asked) {
		return "", answer, false
	}
	for _, arg := range args {
		if flags, ok := strings.CutPrefix(arg, "-ldflags="); ok {
			_, answer.LDFlags, _ = transcript.Line(flags)
			answer.LDFlags = answer.LDFlags[1:] // probeFlag
		}
	}
	objdir := slices.IndexFunc(args[dashes:], func(arg string) bool { return strings.HasPrefix(arg, transcript.Work) })
	if objdir > 1 {
		answer.CFlags = args[dashes+1 : dashes+objdir-1] // before -I
	}
	return asked[n], answer, true
}

// probeRefused is why a probe could not be prepared, told of the package that
// asks in earnest.
func probeRefused(trace string, questions map[string]plan.Asked, asked []string) error {
	var words strings.Builder
	inside := false
	for line := range strings.Lines(transcript.Refusal([]byte(trace), transcript.Options{})) {
		if path, ok := strings.CutPrefix(line, "# "+probeModule); ok {
			inside = true
			var n int
			if _, err := fmt.Sscanf(path, "/q%d", &n); err == nil && n < len(asked) {
				line = "# " + questions[asked[n]].Package + "\n"
			}
		}
		if env, _, err := transcript.Line(line); err == nil && len(env) > 0 || strings.HasPrefix(line, probeModule) {
			continue // commands that were not printed in order; what go list lists
		}
		if inside {
			words.WriteString(line)
		}
	}
	if words.Len() == 0 {
		return &Refused{Output: trace}
	}
	return &Refused{Output: words.String()}
}
