package rank

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
)

// cache answers actions from the store of this node, and keeps what was
// executed. The key of an action is the content of all it reads: the tools,
// the normalised commands, the sources with what they include or embed, and
// its imports' export data. So a package is compiled again only if something
// that it reads came out differently, and not because a distant dependency was
// touched (early cutoff).
//
// Actions that start a C compiler are not kept: what they read is spread over
// the system's directories. Its methods may be called from any goroutine.
type cache struct {
	store    *store.Store
	plan     *plan.Plan
	exchange *exchange.Exchange
	file     func(plan.ArtifactID) exchange.File
	compiler string // digest of the pipelined compiler, "" for the stock one
	fresh    bool   // -a: nothing is answered, all is kept
	warn     func(format string, args ...any)

	once  sync.Once // warns that nothing can be kept
	given sync.Once // warns that nothing can be got
}

// hit is what the store holds of an action.
type hit struct {
	key   store.Key
	entry store.Entry
	found bool
}

// tools whose inputs this package can enumerate.
var enumerable = []string{"compile", "asm", "link", "preprofile"}

// lookup finds out whether an action is in the store. It returns false if the
// action is of those that are not kept.
func (c *cache) lookup(a *plan.Action) (h hit, kept bool, err error) {
	key, kept, err := c.key(a)
	if !kept || err != nil {
		return hit{}, false, err
	}
	h.key = key
	if c.fresh {
		return h, true, nil
	}
	h.entry, h.found = c.store.Lookup(key)
	for _, out := range a.Outputs {
		h.found = h.found && slices.ContainsFunc(h.entry.Outputs, func(o store.Output) bool { return o.Name == outputName(c.plan.Artifacts[out].Path) })
	}
	return h, true, nil
}

// key computes the key of an action whose inputs are all here.
func (c *cache) key(a *plan.Action) (store.Key, bool, error) {
	k := store.NewKey(a.Kind.String()).Strings("compiler", c.compiler).Strings("environment", toolEnv(c.plan.Env)...)
	inputs := map[string]string{}
	for _, in := range a.Inputs {
		digest, ok := c.exchange.Digest(c.file(in))
		if !ok {
			return store.Key{}, false, nil // made by an action that is not kept, and needed nowhere else
		}
		inputs[c.plan.Artifacts[in].Path] = digest.String()
	}
	roots := trimmed(a)
	sources := map[string]bool{}
	for i := range a.Steps {
		s := &a.Steps[i]
		words := append([]string{fmt.Sprint(s.Op)}, s.Env...)
		if s.Op == transcript.Run {
			if !slices.Contains(enumerable, strings.TrimSuffix(filepath.Base(s.Args[0]), ".exe")) {
				return store.Key{}, false, nil
			}
			if a.Kind == plan.Link && usesC(a) {
				return store.Key{}, false, nil // may be linked by the C compiler, with the system's libraries
			}
			if err := c.sourcesOf(s, sources); err != nil {
				return store.Key{}, false, err
			}
			if len(roots) == 0 {
				words = append(words, s.Dir) // recorded in the object
			}
		}
		if s.Op == transcript.Pack || s.Op == transcript.Copy && a.Kind != plan.Link {
			if err := c.sourcesOf(s, sources); err != nil { // objects that came with the sources
				return store.Key{}, false, err
			}
		}
		if s.Op == transcript.Write && filepath.Base(s.Args[0]) == "embedcfg" {
			if err := embedded(s.Body, sources); err != nil {
				return store.Key{}, false, err
			}
		}
		for _, arg := range append(slices.Clone(s.Args), s.Body) {
			if a.Kind == plan.Link && s.Op != transcript.Run && filepath.IsAbs(arg) {
				continue // where the program goes says nothing about what it is
			}
			words = append(words, normal(arg, a.Node, inputs, roots))
		}
		k.Strings("command", words...)
	}
	files := map[string]store.Digest{} // by what it is called wherever it lies
	for path := range sources {
		f, err := c.store.Source(path)
		if err != nil {
			return store.Key{}, false, err
		}
		files[normal(path, a.Node, inputs, roots)] = f.Digest
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k.Digest("file "+name, files[name])
	}
	return k.Sum(), true, nil
}

// sourcesOf adds the files that a command names, and what they include.
func (c *cache) sourcesOf(s *transcript.Command, sources map[string]bool) error {
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

// normal makes a word of a command independent of the numbers that the go
// command gave to nodes, and of directories that -trimpath removes: other
// nodes' files are named by content, trimmed directories by what they become.
func normal(s, node string, inputs map[string]string, roots [][2]string) string {
	if strings.Contains(s, transcript.Work) {
		var b strings.Builder
		for {
			before, rest, ok := strings.Cut(s, transcript.Work)
			b.WriteString(before)
			if !ok {
				break
			}
			end := strings.IndexAny(rest, "=>;:,\"' \t\n")
			if end < 0 {
				end = len(rest)
			}
			path := rest[:end]
			s = rest[end:]
			own := path == node || strings.HasPrefix(path, node+"/")
			switch digest, foreign := inputs[path]; {
			case foreign:
				b.WriteString("sha256:" + digest)
			case own:
				b.WriteString(transcript.Work + "node" + strings.TrimPrefix(path, node))
			default:
				b.WriteString(transcript.Work + path)
			}
		}
		s = b.String()
	}
	for _, r := range roots {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}

// trimmed lists the directories that a compile's -trimpath rewrites, with what
// they become. Without -trimpath there are none but the scratch directory's.
func trimmed(a *plan.Action) [][2]string {
	var roots [][2]string
	for i := range a.Steps {
		args := a.Steps[i].Args
		for j, arg := range args {
			if arg != "-trimpath" || j+1 == len(args) {
				continue
			}
			for pair := range strings.SplitSeq(args[j+1], ";") {
				from, to, ok := strings.Cut(pair, "=>")
				if ok && filepath.IsAbs(from) && !slices.Contains(roots, [2]string{from, to}) {
					roots = append(roots, [2]string{from, to})
				}
			}
		}
	}
	return roots
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

// toolEnv is the part of the environment that the Go tools read.
func toolEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !strings.HasPrefix(name, "GO") || name == "GOROOT" || name == "GOTOOLDIR" || name == "GOMAXPROCS" || name == "GOGC" || name == "GOMEMLIMIT"
	})
}

// restore puts an action's outputs in their places. When it cannot, it leaves
// none of them there: a tool would write into a file of the store.
func (c *cache) restore(a *plan.Action, h hit, work string) (err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, out := range a.Outputs {
			os.Remove(filepath.Join(work, c.file(out).Path)) // mostly not there
		}
	}()
	for i, target := range targets(a) {
		if !c.isThere(h, i, target) {
			return store.ErrAbsent
		}
	}
	files := make([]store.File, len(a.Outputs))
	for n, out := range a.Outputs {
		f := c.file(out)
		i := slices.IndexFunc(h.entry.Outputs, func(o store.Output) bool { return o.Name == outputName(f.Path) })
		files[n] = h.entry.Outputs[i].File // lookup has seen it
		if err := c.store.Get(files[n], filepath.Join(work, f.Path)); err != nil {
			return err
		}
	}
	for n, out := range a.Outputs {
		c.exchange.Known(c.file(out), exchange.Digest(files[n].Digest), files[n].Size)
	}
	return nil
}

// keep stores what an action made. A store that takes no more is said once and
// does not stop the build.
func (c *cache) keep(a *plan.Action, h hit, text, work string) {
	entry := store.Entry{Name: a.Package, Text: text}
	err := func() error {
		for _, out := range a.Outputs {
			f := c.file(out)
			digest, ok := c.exchange.Digest(f)
			if !ok {
				return fmt.Errorf("%s has no digest", f.Path)
			}
			size, err := c.exchange.Size(f)
			if err != nil {
				return err
			}
			file := store.File{Digest: store.Digest(digest), Size: size}
			if err := c.store.PutKnown(filepath.Join(work, f.Path), file); err != nil {
				return err
			}
			entry.Outputs = append(entry.Outputs, store.Output{Name: outputName(f.Path), File: file})
		}
		for i, target := range targets(a) {
			made, err := c.store.Source(target)
			if err != nil {
				return err
			}
			file, err := c.store.PutReader(strings.NewReader(made.Digest.String()))
			if err != nil {
				return err
			}
			entry.Outputs = append(entry.Outputs, store.Output{Name: targetName(i), File: file})
		}
		return c.store.Commit(h.key, entry)
	}()
	if err != nil {
		c.once.Do(func() { c.warn("distgo: the store takes nothing: %v; the build goes on without it", err) })
	}
}

// targetName is what an entry calls the digest of a program that a link puts in
// its place. Programs themselves are not kept: they are large, the user has
// them, and a link that finds its program in its place has nothing to do.
func targetName(i int) string { return fmt.Sprintf("program %d", i) }

// isThere reports whether the program that a link would put at target is there.
func (c *cache) isThere(h hit, i int, target string) bool {
	n := slices.IndexFunc(h.entry.Outputs, func(o store.Output) bool { return o.Name == targetName(i) })
	if n < 0 {
		return false
	}
	f, err := c.store.Open(h.entry.Outputs[n].File)
	if err != nil {
		return false
	}
	defer f.Close()
	want, err := io.ReadAll(io.LimitReader(f, 2*sha256.Size))
	there, serr := c.store.Source(target)
	return err == nil && serr == nil && string(want) == there.Digest.String()
}

// outputName is what an entry calls a file of an action's directory.
func outputName(path string) string {
	_, name, _ := strings.Cut(path, "/")
	return name
}

// targets lists the files that an action puts outside the scratch directory.
func targets(a *plan.Action) []string {
	return (&plan.Plan{Actions: []plan.Action{*a}}).Targets()
}
