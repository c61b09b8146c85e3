package rank

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/store"
)

// looked is what the go command looked at to print a transcript.
type looked struct {
	places map[string]*store.Sight
	edited map[string]bool // Go files outside GOROOT and the module cache
}

func newLooked() *looked {
	return &looked{places: map[string]*store.Sight{}, edited: map[string]bool{}}
}

func (s *looked) at(dir string) *store.Sight {
	p := s.places[dir]
	if p == nil {
		p = &store.Sight{Dir: dir, Names: map[string]bool{}, Presence: map[string]bool{}}
		s.places[dir] = p
	}
	return p
}

// file notes a file by what is in it, or that there is none.
func (s *looked) file(path string) { s.at(filepath.Dir(path)).Names[filepath.Base(path)] = true }

// presence notes whether there is anything by that name.
func (s *looked) presence(path string) { s.at(filepath.Dir(path)).Presence[filepath.Base(path)] = true }

func (s *looked) has(path string) bool {
	p := s.places[filepath.Dir(path)]
	return p != nil && p.Names[filepath.Base(path)]
}

// without is files that are not in s.
func (s *looked) without(paths []string) *looked {
	others := newLooked()
	for _, path := range paths {
		if !s.has(path) {
			others.file(path)
		}
	}
	return others
}

func (s *looked) sights() []store.Sight {
	var sights []store.Sight
	for _, p := range s.places {
		sights = append(sights, *p)
	}
	slices.SortFunc(sights, func(a, b store.Sight) int { return strings.Compare(a.Dir, b.Dir) })
	return sights
}

// maxDirs bounds how many directories are looked at for patterns; a project of
// more is planned anew each time.
const maxDirs = 5000

var errTooMany = errors.New("too many directories")

// look lists what the go command looked at to print p's transcript. It returns
// nil where that cannot be told.
func (r *run) look(p *plan.Plan) (*looked, error) {
	t := r.tools
	flags := slices.Concat(strings.Fields(t.Env["GOFLAGS"]), r.cfg.Request.Flags)
	if slices.ContainsFunc(flags, func(f string) bool {
		name, value, _ := strings.Cut(strings.TrimLeft(strings.Trim(f, `'"`), "-"), "=")
		// Files in other places; go.mod itself may be written.
		return name == "overlay" || name == "modfile" || name == "mod" && value != "vendor" && value != "readonly"
	}) || t.Env["GO111MODULE"] == "off" {
		return nil, nil
	}
	if now := findCheckout(t); !slices.Equal(now.present, r.planned.checkout.present) {
		return nil, nil // it came, or went, meanwhile
	}
	s := newLooked()
	roots := map[string]bool{} // directories of modules that may be edited
	if err := s.project(t, roots); err != nil {
		return nil, err
	}
	immutable := []string{filepath.Join(t.Root(), "src")}
	if cache := t.Env["GOMODCACHE"]; filepath.IsAbs(cache) {
		immutable = append(immutable, cache)
	}
	dirs := map[string]string{} // import paths
	for i := range p.Actions {
		a := &p.Actions[i]
		for j := range a.Steps {
			c := &a.Steps[j]
			for _, dir := range sourceDirs(c) {
				dirs[dir] = a.Package
			}
			if c.Op == transcript.Write && path.Base(c.Args[0]) == "importcfg.link" && !s.stamp(r, c.Body) {
				return nil, nil
			}
		}
	}
	for dir := range dirs {
		fixed := slices.ContainsFunc(immutable, func(top string) bool { return below(dir, top) })
		if err := s.packageDir(dir, fixed); err != nil {
			return nil, err
		}
		if !fixed {
			s.upToModule(dir, roots)
		}
	}
	for i := range p.Actions {
		if err := s.embeds(&p.Actions[i], immutable); err != nil {
			return nil, err
		}
	}
	if isPattern(r.cfg.Request.Main) || slices.Contains([]string{"all", "std", "cmd", "tool", "work"}, r.cfg.Request.Main[0]) {
		for root := range roots {
			if err := s.tree(root, store.Sources); errors.Is(err, errTooMany) {
				return nil, nil
			} else if err != nil {
				return nil, err
			}
		}
	}
	s.shadows(roots, dirs)
	return s, nil
}

// sourceDirs lists the directories of the sources that a tool is given.
func sourceDirs(c *transcript.Command) (dirs []string) {
	if c.Op != transcript.Run {
		return nil
	}
	for _, arg := range c.Args[1:] {
		if filepath.IsAbs(arg) && store.IsSource(arg) && !slices.Contains(dirs, filepath.Dir(arg)) {
			dirs = append(dirs, filepath.Dir(arg))
		}
	}
	return dirs
}

func below(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

// settings notes what the go command's settings depend on: the programs of the
// toolchain, the files of settings, the module or workspace that may choose
// another toolchain, and where there is none.
func (s *looked) settings(t *toolchain.Toolchain, roots map[string]bool) {
	root := t.Root()
	for _, path := range []string{t.Command, t.Env["GOENV"], root + "/go.env", root + "/VERSION", root + "/bin/go"} {
		if filepath.IsAbs(path) {
			s.file(path)
		}
	}
	for _, tool := range []string{"compile", "asm", "link", "cgo", "cover", "preprofile"} {
		s.file(filepath.Join(t.ToolDir(), tool))
	}
	for _, path := range t.CompilerPaths() {
		s.file(path)
	}
	s.upToModule(t.Dir, roots)
	for dir := t.Dir; ; dir = filepath.Dir(dir) {
		s.file(filepath.Join(dir, "go.work"))
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if work := t.Env["GOWORK"]; filepath.IsAbs(work) {
		s.file(work)
	}
}

// project notes the files that say what the project is, and where there is no
// such file.
func (s *looked) project(t *toolchain.Toolchain, roots map[string]bool) error {
	s.settings(t, roots)
	if mod := t.Env["GOMOD"]; filepath.IsAbs(mod) && mod != os.DevNull {
		roots[filepath.Dir(mod)] = true
	}
	files := []string{}
	for root := range roots {
		files = append(files, filepath.Join(root, "go.mod"))
	}
	if work := t.Env["GOWORK"]; filepath.IsAbs(work) {
		files = append(files, work)
	}
	for len(files) > 0 {
		file := files[0]
		files = files[1:]
		dir := filepath.Dir(file)
		for _, name := range []string{filepath.Base(file), "go.sum", "go.work.sum", "vendor/modules.txt"} {
			s.file(filepath.Join(dir, name))
		}
		s.presence(filepath.Join(dir, "vendor"))
		near, err := neighbours(file)
		if err != nil {
			return err
		}
		for _, n := range near {
			if !filepath.IsAbs(n) {
				n = filepath.Join(dir, n)
			}
			s.file(filepath.Join(n, "go.sum"))
			if mod := filepath.Join(n, "go.mod"); !s.has(mod) {
				s.file(mod)
				roots[n] = true
				files = append(files, mod)
			}
		}
	}
	return nil
}

// neighbours lists the directories that a go.mod or go.work names: what it
// replaces modules by, and what it uses. Words that look like paths and are
// none do no harm.
func neighbours(file string) ([]string, error) {
	data, err := readBounded(file, 16<<20) // far more than any
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var near []string
	for word := range strings.FieldsSeq(string(data)) {
		word = strings.Trim(word, "\"`")
		if word == "." || word == ".." || strings.HasPrefix(word, "./") || strings.HasPrefix(word, "../") || strings.HasPrefix(word, "/") && !strings.HasPrefix(word, "//") {
			near = append(near, word)
		}
	}
	return near, err
}

// upToModule notes that between a directory and its module's root there is no
// other module.
func (s *looked) upToModule(dir string, roots map[string]bool) {
	for ; ; dir = filepath.Dir(dir) {
		s.file(filepath.Join(dir, "go.mod"))
		if fi, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && fi.Mode().IsRegular() {
			s.file(filepath.Join(dir, "go.sum"))
			roots[dir] = true
			return
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// packageDir notes the files of a package. Where nobody should edit any, what
// the directory holds is told by its times.
func (s *looked) packageDir(dir string, fixed bool) error {
	p := s.at(dir)
	if fixed {
		p.Names[""] = true
	} else {
		p.List = max(p.List, store.Sources)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !store.IsSource(name) || fixed && strings.HasSuffix(name, "_test.go") {
			continue
		}
		p.Names[name] = true
		if !fixed && strings.HasSuffix(name, ".go") {
			s.edited[filepath.Join(dir, name)] = true
		}
	}
	return nil
}

// embeds notes what the patterns of a package's embed configuration might match.
func (s *looked) embeds(a *plan.Action, immutable []string) error {
	for i := range a.Steps {
		c := &a.Steps[i]
		if c.Op != transcript.Write || path.Base(c.Args[0]) != "embedcfg" {
			continue
		}
		dir := ""
		for j := range a.Steps {
			if dirs := sourceDirs(&a.Steps[j]); len(dirs) > 0 {
				dir = dirs[0]
			}
		}
		if dir == "" || slices.ContainsFunc(immutable, func(top string) bool { return below(dir, top) }) {
			continue
		}
		var cfg struct{ Patterns map[string][]string }
		if err := json.Unmarshal([]byte(c.Body), &cfg); err != nil {
			return fmt.Errorf("reading an embed configuration: %w", err)
		}
		for pattern := range cfg.Patterns {
			if err := s.embed(dir, strings.Split(path.Clean(strings.TrimPrefix(pattern, "all:")), "/")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *looked) embed(dir string, elements []string) error {
	if len(elements) == 0 || elements[0] == "." && len(elements) == 1 {
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
			s.presence(dir)
			return nil
		}
		return s.tree(dir, store.All)
	}
	first := elements[0]
	if !strings.ContainsAny(first, `*?[\`) {
		return s.embed(filepath.Join(dir, first), elements[1:])
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // a file: nothing below it matches
	}
	s.at(dir).List = store.All
	for _, e := range entries {
		if ok, err := path.Match(first, e.Name()); ok || err != nil {
			if err := s.embed(filepath.Join(dir, e.Name()), elements[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// tree notes the entries of all directories below one. What version control
// keeps is neither embedded nor matched by patterns.
func (s *looked) tree(top string, list store.Listing) error {
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case slices.Contains(store.Repositories, d.Name()):
			return filepath.SkipDir
		case list == store.Sources && path != top && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata"):
			return filepath.SkipDir
		case len(s.places) > maxDirs:
			return errTooMany
		}
		p := s.at(path)
		p.List = max(p.List, list)
		return nil
	})
}

// checkout is what is known of the checkout that a project lies in, from before
// the go command was asked.
type checkout struct {
	dir     string   // where version control is asked
	marks   []string // what marks repositories, here and above
	present []bool   // by marks
}

func findCheckout(t *toolchain.Toolchain) checkout {
	c := checkout{dir: t.Dir}
	if mod := t.Env["GOMOD"]; filepath.IsAbs(mod) && mod != os.DevNull {
		c.dir = filepath.Dir(mod)
	}
	for dir := c.dir; ; dir = filepath.Dir(dir) {
		for _, name := range store.Repositories {
			path := filepath.Join(dir, name)
			_, err := os.Stat(path)
			c.marks, c.present = append(c.marks, path), append(c.present, err == nil)
		}
		if dir == filepath.Dir(dir) {
			return c
		}
	}
}

// none reports whether the project lies in no checkout.
func (c checkout) none() bool { return !slices.Contains(c.present, true) }

// stamp notes what the information in a program depends on that says which
// revision it was made of. It returns false where that cannot be told.
func (s *looked) stamp(r *run, linkConfig string) bool {
	for _, path := range r.planned.checkout.marks {
		s.at(filepath.Dir(path)).Presence[filepath.Base(path)] = false // git changes its directory when it is asked
	}
	return !strings.Contains(linkConfig, "vcs=") || strings.Contains(linkConfig, "vcs=git") && !r.planned.checkout.none()
}

// shadows notes that a module that may be edited does not have directories
// whose packages come out of another module: they would be ambiguous.
func (s *looked) shadows(roots map[string]bool, dirs map[string]string) {
	for root := range roots {
		data, err := readBounded(filepath.Join(root, "go.mod"), 16<<20)
		if err != nil {
			continue // noted as absent
		}
		module := ""
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "module" {
				module = strings.Trim(fields[1], "\"`")
			}
		}
		for dir, pkg := range dirs {
			if rest, ok := strings.CutPrefix(pkg, module+"/"); ok && module != "" && !below(dir, root) {
				s.presence(filepath.Join(root, rest))
			}
		}
	}
}

// header digests what the go command reads of a Go file to make a plan: all
// down to the last import, and the patterns of files to embed. An edit behind
// it changes what is compiled, not how.
// See readGoInfo in GOROOT/src/go/build/read.go, go1.26.
func header(path string) (uint64, error) {
	text, err := readBounded(path, 64<<20) // larger sources are taken for changed
	if err != nil {
		return 0, err
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return 0, err
	}
	end := f.Name.End()
	for _, d := range f.Decls {
		end = max(end, d.End())
	}
	n := files.File(f.FileStart).Offset(end)
	head := slices.Clone(text[:n])
	for line := range bytes.Lines(text[n:]) {
		if bytes.Contains(line, []byte("//go:embed")) {
			head = append(append(head, '\n'), bytes.TrimSpace(line)...)
		}
	}
	return digest64(head), nil
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(bufio.NewReader(io.LimitReader(f, limit+1)))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}
