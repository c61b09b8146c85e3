package rank

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/sync/store"
)

// tools whose inputs this package can enumerate.
var enumerable = []string{"compile", "asm", "link", "preprofile"}

// tells reports whether it can be known which files an action reads beside
// artifacts. If it is traced, its commands do not name all of them, and its
// tools have to tell the others.
func (c *cache) tells(a *plan.Action) (traced, kept bool) {
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Op != transcript.Run {
			continue
		}
		tool := strings.TrimSuffix(filepath.Base(s.Args[0]), ".exe")
		switch {
		case c.tracer.startsC(s):
			traced = true
		case !slices.Contains(enumerable, tool) && !isCgo(s):
			return false, false
		}
	}
	if a.Kind == plan.Link && usesC(a) { // may be linked by the C compiler, with the system's libraries
		return true, c.ldflags != nil && plainLink(a, firstWord(variable(c.plan.Env, "CC")))
	}
	return traced, !traced || c.tracer.tells(a)
}

// contents finds out what is in the files that an action's commands name.
func (c *cache) contents(a *plan.Action) (map[string]store.Digest, error) {
	contents := map[string]store.Digest{}
	if c.listed != nil {
		for _, f := range c.listed(a.ID) {
			contents[f.Path] = store.Digest(f.Digest)
		}
		return contents, nil
	}
	foreseen := false
	if c.foreseen != nil {
		var all any
		if all, foreseen = c.foreseen.LoadAndDelete(a.ID); foreseen {
			contents = all.(map[string]store.Digest)
		}
	}
	replaced := map[string]bool{}
	for i := range a.Steps {
		if s := &a.Steps[i]; c.compiler != "" && s.Op == transcript.Run && filepath.Base(s.Args[0]) == "compile" {
			replaced[s.Args[0]] = true // the pipelined one runs in its place
		}
	}
	if !foreseen {
		return digests(c.store, a, replaced)
	}
	maps.DeleteFunc(contents, func(path string, _ store.Digest) bool { return replaced[path] })
	return contents, nil
}

// digests finds out what is in the sources of an action, but for some.
func digests(s *store.Store, a *plan.Action, without map[string]bool) (map[string]store.Digest, error) {
	sources, err := sources(a)
	if err != nil {
		return nil, err
	}
	contents := make(map[string]store.Digest, len(sources))
	for path := range sources {
		if without[path] {
			continue
		}
		f, err := s.Source(path)
		if err != nil {
			return nil, err
		}
		contents[path] = f.Digest
	}
	return contents, nil
}

// foresee finds out, while the ranks meet, what is in the sources of a plan of
// which most is in the store: looking that up is left then. It takes all
// processors, until stopped.
func foresee(ctx context.Context, s *store.Store, p *plan.Plan, found *sync.Map) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(p.Actions) && ctx.Err() == nil; i = next.Add(1) - 1 {
				a := &p.Actions[i]
				if contents, err := digests(s, a, nil); err == nil { // who executes it will say what is wrong
					found.Store(a.ID, contents)
				}
			}
		})
	}
	all.Wait()
}

// sources lists the files that an action reads beside artifacts, as far as its
// commands name them, and files that these include.
func sources(a *plan.Action) (map[string]bool, error) {
	sources := map[string]bool{}
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Op == transcript.Run || s.Op == transcript.Pack || s.Op == transcript.Copy && a.Kind != plan.Link { // objects may have come with the sources
			if err := sourcesOf(s, sources); err != nil {
				return nil, err
			}
		}
		if s.Op == transcript.Write && filepath.Base(s.Args[0]) == "embedcfg" {
			if err := embedded(s.Body, sources); err != nil {
				return nil, err
			}
		}
	}
	return sources, nil
}

// sourcesOf adds the files that a command names, and what they include.
func sourcesOf(s *transcript.Command, sources map[string]bool) error {
	for _, arg := range s.Args {
		if strings.HasPrefix(arg, "-") {
			_, arg, _ = strings.Cut(arg, "=")
		}
		if !filepath.IsAbs(arg) {
			continue
		}
		fi, err := os.Stat(arg)
		if err != nil || !fi.Mode().IsRegular() {
			continue // a directory to search, a prefix to trim, the program's place
		}
		if err := include(arg, s.Args, sources); err != nil {
			return err
		}
	}
	return nil
}

// include adds a file and, for assembly, what it includes. A file that cannot
// be found is one that the build makes; it depends on what is in the key.
func include(path string, args []string, sources map[string]bool) error {
	if sources[path] {
		return nil
	}
	sources[path] = true
	if ext := filepath.Ext(path); ext != ".s" && ext != ".h" {
		return nil
	}
	return includes(path, args, sources)
}

// includes adds what a file of assembly includes, whatever its name.
func includes(path string, args []string, sources map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dirs := []string{filepath.Dir(path)}
	for i, arg := range args {
		if arg == "-I" && i+1 < len(args) {
			dirs = append(dirs, args[i+1])
		}
	}
	for line := range strings.Lines(string(text)) {
		name, ok := included(line)
		if !ok {
			continue
		}
		for _, dir := range dirs {
			found := filepath.Join(dir, name)
			if _, err := os.Stat(found); err != nil {
				continue
			}
			if !sources[found] {
				sources[found] = true
				if err := includes(found, args, sources); err != nil {
					return err
				}
			}
			break
		}
	}
	return nil
}

// included is the name in a line that includes a file; blanks may stand before
// and behind the word, a comment at the end.
// See GOROOT/src/cmd/asm/internal/lex/input.go, go1.26.
func included(line string) (name string, ok bool) {
	directive, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
	if !ok {
		return "", false
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(directive), "include")
	if !ok {
		return "", false
	}
	_, rest, opened := strings.Cut(rest, `"`)
	name, _, closed := strings.Cut(rest, `"`)
	return name, opened && closed && name != ""
}

// embedded adds the files that an embed configuration names.
func embedded(config string, sources map[string]bool) error {
	var c struct{ Files map[string]string }
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("reading an embed configuration: %w", err)
	}
	for _, path := range c.Files {
		sources[path] = true
	}
	return nil
}

func usesC(link *plan.Action) bool {
	for i := range link.Steps {
		s := &link.Steps[i]
		if strings.Contains(s.Body, "packagefile runtime/cgo=") || slices.ContainsFunc(s.Args, func(arg string) bool {
			return strings.HasPrefix(arg, "-linkmode") || strings.HasPrefix(arg, "-buildmode=c-")
		}) {
			return true
		}
	}
	return false
}

// plainLink reports whether what the C compiler reads for a link can be found
// out by linking something else.
func plainLink(link *plan.Action, cc string) bool {
	for i := range link.Steps {
		for _, arg := range link.Steps[i].Args {
			name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			switch {
			case !strings.HasPrefix(arg, "-"):
			case name == "extld" && value != cc, name == "extldflags", name == "extar", name == "linkshared", name == "msan", name == "asan":
				return false
			case name == "buildmode" && value != "exe" && value != "pie":
				return false
			}
		}
	}
	return true
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return word
}
