package rank

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/sync/store"
)

// What a C compiler or its linker reads is not in its arguments: headers, the
// C library, what cgo asks it about. The tools themselves tell, in the form
// that is meant for make. An action that starts one is kept in two steps: under
// a key of what its commands say there is the list of files that were read the
// last time; the digests of these, as they are now, complete the key.

// tracer finds out what actions that start a C compiler read. Its methods may
// be called from any goroutine; of nil, nothing is found out.
type tracer struct {
	runner    *execute.Runner
	compilers []string // first words of what is a C compiler to the environment

	mu  sync.Mutex
	own map[string]func() ([]string, error) // by name of the variable that names a compiler: what it consists of; guarded by mu
}

// startsC reports whether a command starts a C compiler, by itself or through cgo.
func (t *tracer) startsC(s *transcript.Command) bool {
	if s.Op != transcript.Run {
		return false
	}
	return isCgo(s) && !slices.Contains(s.Args, "-dynimport") || t != nil && slices.Contains(t.compilers, s.Args[0])
}

func isCgo(s *transcript.Command) bool {
	return s.Op == transcript.Run && strings.TrimSuffix(filepath.Base(s.Args[0]), ".exe") == "cgo"
}

// tells reports whether what an action's C compilers read can be found out.
func (t *tracer) tells(a *plan.Action) bool {
	if t == nil {
		return false
	}
	for i := range a.Steps {
		s := &a.Steps[i]
		if !t.startsC(s) {
			continue
		}
		if isCgo(s) {
			if _, ok := machine[goarch(t.runner.Env)]; !ok || cgoSources(s) == nil {
				return false
			}
			continue
		}
		if !s.MayFail && !compilesC(s) {
			return false // SWIG, ar, and what else may come
		}
	}
	return true
}

// programs are what a compiler's driver starts, by the variable that names the
// compiler. What a driver does not have it names without a path.
var programs = map[string][]string{
	"CC":  {"cc1", "cc1plus", "as", "collect2", "ld"}, // -x c++ is a flag like others
	"CXX": {"cc1plus", "as", "collect2", "ld"},
	"FC":  {"f951", "as", "collect2", "ld"},
}

// compilersOf lists the files that the C compilers of an action consist of.
func (t *tracer) compilersOf(ctx context.Context, a *plan.Action) ([]string, error) {
	files := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		command, cc := firstWord(variable(t.runner.Env, name)), name == "CC"
		if !slices.ContainsFunc(a.Steps, func(s transcript.Command) bool {
			return s.Op == transcript.Run && (s.Args[0] == command || cc && (isCgo(&s) || a.Kind == plan.Link))
		}) {
			continue
		}
		own, err := t.consistsOf(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, path := range own {
			files[path] = true
		}
	}
	return slices.Sorted(maps.Keys(files)), nil
}

// consistsOf asks a compiler, once, for the files that it consists of. That takes some milliseconds, and is for all actions,
// whatever becomes of the one that asks first.
func (t *tracer) consistsOf(ctx context.Context, name string) ([]string, error) {
	t.mu.Lock()
	answer, asked := t.own[name]
	if !asked {
		answer = sync.OnceValues(func() ([]string, error) { return t.askFor(context.WithoutCancel(ctx), name) })
		if t.own == nil {
			t.own = map[string]func() ([]string, error){}
		}
		t.own[name] = answer
	}
	t.mu.Unlock()
	return answer()
}

func (t *tracer) askFor(ctx context.Context, name string) (files []string, err error) {
	words := strings.Fields(variable(t.runner.Env, name))
	for _, word := range words { // a wrapper, the compiler
		if path := inPath(t.runner.Env, word); path != "" {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, nil // the build will say so
	}
	answers := make([]string, len(programs[name]))
	var asking errgroup.Group
	for i, program := range programs[name] { // side by side: actions wait for it, and each takes a start
		asking.Go(func() (err error) {
			answers[i], err = t.ask(ctx, append(slices.Clone(words), "-print-prog-name="+program))
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	for _, answer := range answers {
		path := strings.TrimSpace(answer)
		if !filepath.IsAbs(path) {
			path = inPath(t.runner.Env, path)
		}
		if path != "" {
			files = append(files, path)
		}
	}
	return files, nil
}

// ask runs a C compiler for what it prints.
func (t *tracer) ask(ctx context.Context, argv []string) (string, error) {
	dir, err := os.MkdirTemp(t.runner.Work, "trace-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	out := transcript.Work + filepath.Base(dir) + "/out"
	if err := t.run(ctx, transcript.Command{Op: transcript.Run, Dir: transcript.Work + filepath.Base(dir), Args: argv, Stdout: out}); err != nil {
		return "", err
	}
	text, err := readBounded(filepath.Join(dir, "out"), 1<<20)
	return string(text), err
}

func (t *tracer) run(ctx context.Context, steps ...transcript.Command) error {
	_, err := t.runner.Run(ctx, &plan.Action{Kind: plan.Prepare, Package: "C compiler", Steps: steps}, execute.NewThreads(1), execute.Moments{})
	return err
}

// machine are the flags that cgo gives C compilers for an architecture.
// See gccMachine in GOROOT/src/cmd/cgo/gcc.go, go1.26.
var machine = map[string][]string{
	"amd64": {"-m64"}, "386": {"-m32"}, "arm": {"-marm"}, "s390x": {"-m64"}, "arm64": nil, "riscv64": nil, "ppc64": {"-m64"}, "ppc64le": {"-m64"}, "loong64": nil,
}

func goarch(env []string) string { return variable(env, "GOARCH") }

func variable(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// inPath finds a program as it will be found when it is started.
func inPath(env []string, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if strings.Contains(name, "/") || name == "" || strings.HasPrefix(name, "-") {
		return ""
	}
	for _, dir := range filepath.SplitList(variable(env, "PATH")) {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// compilesC reports whether a command compiles one file with a C compiler.
func compilesC(s *transcript.Command) bool {
	n := len(s.Args)
	return n > 4 && s.Args[n-2] == "-c" && s.Args[n-4] == "-o"
}

// cgoSources are the Go files that cgo is given.
func cgoSources(s *transcript.Command) []string {
	n := len(s.Args)
	for n > 0 && strings.HasSuffix(s.Args[n-1], ".go") {
		n--
	}
	return s.Args[n:]
}

// reads runs the C compilers of an action again, now to tell what they read.
// The action has just been executed. It returns false where they cannot tell,
// or where a file was changed after since.
func (t *tracer) reads(ctx context.Context, a *plan.Action, since time.Time) ([]string, bool) {
	dir, err := os.MkdirTemp(t.runner.Work, "trace-")
	if err != nil {
		return nil, false
	}
	defer os.RemoveAll(dir)
	found := map[string]bool{}
	for i := range a.Steps {
		s := &a.Steps[i]
		if !t.startsC(s) {
			continue
		}
		for n, question := range t.questions(s, transcript.Work+filepath.Base(dir)) {
			name := fmt.Sprintf("d%d.%d", i, n)
			question.Args = append(question.Args, dependencies(s, transcript.Work+filepath.Base(dir)+"/"+name)...)
			if err := t.run(ctx, question); err != nil {

				return nil, false
			}
			text, err := readBounded(filepath.Join(dir, name), 16<<20)
			if err != nil { // nothing is preprocessed
				return nil, false
			}
			at := question.Dir
			if rest, ok := strings.CutPrefix(at, "$WORK"); ok {
				at = t.runner.Work + rest
			}
			for _, path := range prerequisites(text) {
				if !filepath.IsAbs(path) {
					path = filepath.Join(at, path)
				}
				found[filepath.Clean(path)] = true
			}
		}
	}
	return t.outside(a, found, since)
}

// outside keeps of the files that were read those that the build has not made,
// and which the keys of its actions do not cover.
func (t *tracer) outside(a *plan.Action, found map[string]bool, since time.Time) ([]string, bool) {
	var files []string
	for path := range found {
		if below(path, t.runner.Work) || strings.HasPrefix(path, "/tmp/cc") {
			continue // covered by the commands and inputs; the driver's own
		}
		fi, err := os.Stat(path)
		if err != nil {
			continue // the driver's own temporary
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || time.Unix(st.Ctim.Unix()).After(since) {
			return nil, false
		}
		if !fi.Mode().IsRegular() {
			continue
		}
		if !below(path, "/usr") && includesUnseen(path) {
			return nil, false
		}
		files = append(files, path)
	}
	slices.Sort(files)
	return files, true
}

// includesUnseen reports whether a source may have the assembler read files,
// of which the preprocessor knows nothing.
func includesUnseen(path string) bool {
	switch filepath.Ext(path) {
	case ".o", ".a", ".so", ".syso":
		return false
	}
	text, err := readBounded(path, 64<<20)
	return err != nil || bytes.Contains(text, []byte(".incbin")) || bytes.Contains(text, []byte(".include"))
}

// dependencies are the flags that make the tool behind a command tell.
func dependencies(s *transcript.Command, file string) []string {
	if s.MayFail || isLinker(s) {
		return []string{"-Wl,--dependency-file=" + file}
	}
	return []string{"-M", "-MF", file}
}

func isLinker(s *transcript.Command) bool { return filepath.Base(s.Args[0]) == "link" }

// questions are commands like those that s runs, but for what they make.
func (t *tracer) questions(s *transcript.Command, dir string) []transcript.Command {
	question := transcript.Command{Op: transcript.Run, Dir: s.Dir, Env: s.Env}
	switch {
	case isCgo(s):
		// cgo hands the compiler the preambles of the package's files; they are
		// in what it writes, too.
		dashes := slices.Index(s.Args, "--")
		objdir := slices.Index(s.Args, "-objdir")
		sources := cgoSources(s)
		if dashes < 0 || objdir < 0 {
			return nil
		}
		words := slices.Concat(strings.Fields(variable(t.runner.Env, "CC")), machine[goarch(t.runner.Env)],
			s.Args[dashes+1:len(s.Args)-len(sources)], []string{"-iquote", s.Dir, "-w", "-include", "stddef.h"})
		var all []transcript.Command
		for _, source := range sources {
			question.Args = append(slices.Clone(words), "-x", "c", s.Args[objdir+1]+strings.TrimSuffix(filepath.Base(source), ".go")+".cgo2.c")
			all = append(all, question)
		}
		return all
	case s.MayFail: // a trial link
		question.Args = slices.Clone(s.Args)
		if i := slices.Index(question.Args, "-o"); i >= 0 && i+1 < len(question.Args) {
			question.Args[i+1] = dir + "/out"
		}
	default: // -o OBJECT -c FILE
		n := len(s.Args)
		question.Args = append(slices.Clone(s.Args[:n-4]), s.Args[n-1])
	}
	return []transcript.Command{question}
}

// linked finds out what the C compiler reads when the linker has it link, by
// linking an empty program in the same way.
func (t *tracer) linked(ctx context.Context, flags []string) ([]string, bool) {
	since := time.Now()
	dir, err := os.MkdirTemp(t.runner.Work, "trace-")
	if err != nil {
		return nil, false
	}
	defer os.RemoveAll(dir)
	work := transcript.Work + filepath.Base(dir)
	err = errors.Join(os.WriteFile(filepath.Join(dir, "main.c"), []byte("int main(void) { return 0; }\n"), 0o600),
		t.run(ctx, transcript.Command{Op: transcript.Run, Dir: work, Args: slices.Concat(
			strings.Fields(variable(t.runner.Env, "CC")), machine[goarch(t.runner.Env)], []string{"-o", work + "/out", "main.c", "-pthread"}, flags,
			[]string{"-Wl,--dependency-file=" + work + "/deps"})}))
	if err != nil {
		return nil, false
	}
	text, err := readBounded(filepath.Join(dir, "deps"), 16<<20)
	if err != nil {
		return nil, false
	}
	found := map[string]bool{}
	for _, path := range prerequisites(text) {
		if filepath.IsAbs(path) {
			found[filepath.Clean(path)] = true
			// Which of the files that programs begin with is used depends on how they are linked.
			for _, start := range []string{"crt1.o", "Scrt1.o", "rcrt1.o", "gcrt1.o", "crti.o", "crtn.o", "crtbegin.o", "crtbeginS.o", "crtbeginT.o", "crtend.o", "crtendS.o", "libgcc.a", "libgcc_eh.a", "libc.a"} {
				found[filepath.Join(filepath.Dir(path), start)] = true // those that are there
			}
		}
	}
	return t.outside(nil, found, since)
}

// prerequisites reads the files of a rule for make.
func prerequisites(rules []byte) []string {
	text := bytes.ReplaceAll(rules, []byte("\\\n"), []byte(" "))
	var files []string
	for line := range bytes.Lines(text) {
		_, list, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		var name []byte
		end := func() {
			if len(name) > 0 {
				files = append(files, string(name))
			}
			name = nil
		}
		for i := 0; i < len(list); i++ {
			switch b := list[i]; {
			case b == '\\' && i+1 < len(list) && (list[i+1] == ' ' || list[i+1] == '#' || list[i+1] == '\\' || list[i+1] == ':'):
				i++
				name = append(name, list[i])
			case b == '$' && i+1 < len(list) && list[i+1] == '$':
				i++
				name = append(name, '$')
			case b == ' ' || b == '\t' || b == '\n' || b == '\r':
				end()
			default:
				name = append(name, b)
			}
		}
		end()
	}
	return files
}

// cEnv is the part of the environment that C compilers and cgo read.
func cEnv(env []string) []string {
	names := []string{
		"CC", "CXX", "FC", "AR", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH",
		"COMPILER_PATH", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH", "SYSROOT", "LANG", "LANGUAGE",
	}
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !slices.Contains(names, name) && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "CGO_") && !strings.HasPrefix(name, "PKG_CONFIG")
	})
}

// manifest is the list of files that was read by an action of that key.
func (c *cache) manifest(key store.Key) ([]string, bool) {
	e, ok := c.store.Lookup(key)
	if !ok || len(e.Outputs) != 1 {
		return nil, false
	}
	f, err := c.store.Open(e.Outputs[0].File)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(f); err != nil {
		return nil, false
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n"), true
}

// ManifestName begins the name of an entry that lists what an action's C
// compilers read; the package's follows.
const ManifestName = "read by "

func (c *cache) keepManifest(key store.Key, name string, files []string) error {
	f, err := c.store.PutReader(strings.NewReader(strings.Join(files, "\n") + "\n"))
	if err != nil {
		return err
	}
	return c.store.Commit(key, store.Entry{Name: ManifestName + name, Outputs: []store.Output{{Name: "manifest", File: f}}})
}

// linkFlags are what cgo tells the linker to pass on to the C compiler, of all
// packages of a plan whose commands are here.
func linkFlags(p *plan.Plan) []string {
	flags := []string{}
	for i := range p.Actions {
		for j := range p.Actions[i].Steps {
			s := &p.Actions[i].Steps[j]
			if !isCgo(s) {
				continue
			}
			for _, arg := range slices.Concat(s.Env, s.Args) {
				text, ok := strings.CutPrefix(arg, "-ldflags=")
				if !ok {
					text, ok = strings.CutPrefix(arg, "CGO_LDFLAGS=")
				}
				if _, words, err := transcript.Line(text); ok && err == nil {
					flags = append(flags, words...)
				}
			}
		}
	}
	return flags
}
