package rank

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/ship"
	"github.com/badbubble/distgo/sync/store"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// compiled is a package as a plan has it: it imports one other, embeds a file, has assembly and an object that came with it.
type compiled struct {
	checkout, goroot string
	node, imported   string // directories in the scratch directory
	export           string // export data of the import
	env              []string
	flags            []string
	trim             bool
	compiler         string
}

func newCompiled(t *testing.T) *compiled {
	c := &compiled{
		checkout: filepath.Join(t.TempDir(), "checkout"), goroot: filepath.Join(t.TempDir(), "go"),
		node: "b007", imported: "b003", export: "what fmt exports", env: []string{"GOAMD64=v1", "GOROOT=/go", "PATH=/bin"}, trim: true,
	}
	c.lay(t)
	return c
}

// lay puts the files of the package into its checkout, and the toolchain's into GOROOT.
func (c *compiled) lay(t *testing.T) {
	write(t, c.source("x.go"), "package x\n")
	write(t, c.source("text.txt"), "embedded\n")
	write(t, c.source("x_amd64.s"), "#include \"textflag.h\" // flags\n  #  include \"macros.inc\"\n#include \"missing.h\"\n")
	write(t, c.source("macros.inc"), "#include \"deep.h\"\n")
	write(t, c.source("deep.h"), "#define DEEP 1\n")
	write(t, c.source("x_linux.syso"), "an object\n")
	write(t, c.tool("compile"), "the compiler\n")
	write(t, c.tool("asm"), "the assembler\n")
	write(t, filepath.Join(c.goroot, "pkg", "include", "textflag.h"), "#define NOSPLIT 4\n")
}

func (c *compiled) source(name string) string { return filepath.Join(c.checkout, name) }
func (c *compiled) tool(name string) string {
	return filepath.Join(c.goroot, "pkg", "tool", "linux_amd64", name)
}

func (c *compiled) action() *plan.Action {
	work := transcript.Work + c.node
	trim := work + "=>"
	if c.trim {
		trim = c.checkout + "=>example.com/x;" + trim
	}
	return &plan.Action{
		ID: 1, Kind: plan.Compile, Package: "example.com/x", Node: c.node, Inputs: []plan.ArtifactID{0}, Outputs: []plan.ArtifactID{1},
		Steps: []transcript.Command{
			{Op: transcript.Mkdir, Args: []string{work + "/"}},
			{Op: transcript.Write, Args: []string{work + "/importcfg"}, Body: "# import config\npackagefile fmt=" + transcript.Work + c.imported + "/_pkg_.x\n"},
			{Op: transcript.Write, Args: []string{work + "/embedcfg"}, Body: fmt.Sprintf(`{"Patterns":{"t":["text.txt"]},"Files":{"text.txt":%q}}`, c.source("text.txt"))},
			{Op: transcript.Run, Dir: c.checkout, Args: append(append([]string{
				c.tool("compile"), "-o", work + "/_pkg_.x", "-linkobj", work + "/_pkg_.a", "-trimpath", trim, "-p", "example.com/x", "-c=" + plan.Threads,
				"-importcfg", work + "/importcfg", "-embedcfg", work + "/embedcfg"}, c.flags...), c.source("x.go"))},
			{Op: transcript.Run, Dir: c.checkout, Args: []string{
				c.tool("asm"), "-p", "example.com/x", "-trimpath", trim, "-I", work + "/", "-I", filepath.Join(c.goroot, "pkg", "include"),
				"-o", work + "/x_amd64.o", c.source("x_amd64.s")}},
			{Op: transcript.Pack, Args: []string{work + "/_pkg_.a", work + "/x_amd64.o", c.source("x_linux.syso")}},
		},
	}
}

// key is the action's key on a node that has never seen the package.
func (c *compiled) key(t *testing.T) store.Key {
	t.Helper()
	cache := &cache{store: openStore(t, filepath.Join(t.TempDir(), "store"))}
	return c.keyOf(t, cache)
}

// keyOf is the action's key as a cache computes it.
func (c *compiled) keyOf(t *testing.T, cache *cache) store.Key {
	t.Helper()
	p := &plan.Plan{Env: c.env, Actions: []plan.Action{{Kind: plan.Compile, Package: "fmt", Outputs: []plan.ArtifactID{0}}, *c.action()}, Artifacts: []plan.Artifact{
		{ID: 0, Kind: plan.Export, Path: c.imported + "/_pkg_.x", Consumers: []plan.ActionID{1}},
		{ID: 1, Kind: plan.Export, Path: c.node + "/_pkg_.x", Producer: 1},
	}}
	l := &loop{plan: p}
	x := exchange.New(nil, t.TempDir(), nil)
	x.Known(l.file(0), exchange.Digest(sha256.Sum256([]byte(c.export))), int64(len(c.export)))
	cache.plan, cache.exchange, cache.file, cache.compiler = p, x, l.file, c.compiler
	keyed, kept, err := cache.key(t.Context(), &p.Actions[1])
	if err != nil || !kept {
		t.Fatalf("kept %v, %v", kept, err)
	}
	return keyed.Sum()
}

// Whatever a compile reads is in its key.
func TestKeyChanges(t *testing.T) {
	for what, change := range map[string]func(*testing.T, *compiled){
		"a source":                 func(t *testing.T, c *compiled) { write(t, c.source("x.go"), "package y\n") },
		"an embedded file":         func(t *testing.T, c *compiled) { write(t, c.source("text.txt"), "Embedded\n") },
		"assembly":                 func(t *testing.T, c *compiled) { write(t, c.source("x_amd64.s"), "#include \"textflag.h\"\nRET\n") },
		"an included file":         func(t *testing.T, c *compiled) { write(t, c.source("macros.inc"), "#include \"deep.h\"\n//\n") },
		"what that includes":       func(t *testing.T, c *compiled) { write(t, c.source("deep.h"), "#define DEEP 2\n") },
		"a header of the system's": func(t *testing.T, c *compiled) { write(t, c.goroot+"/pkg/include/textflag.h", "#define NOSPLIT 5\n") },
		"an object that came":      func(t *testing.T, c *compiled) { write(t, c.source("x_linux.syso"), "an Object\n") },
		"the compiler":             func(t *testing.T, c *compiled) { write(t, c.tool("compile"), "the Compiler\n") },
		"the assembler":            func(t *testing.T, c *compiled) { write(t, c.tool("asm"), "the Assembler\n") },
		"the pipelined compiler":   func(t *testing.T, c *compiled) { c.compiler = "digest" },
		"an import's export data":  func(t *testing.T, c *compiled) { c.export = "something else" },
		"a flag":                   func(t *testing.T, c *compiled) { c.flags = []string{"-N"} },
		"GOAMD64":                  func(t *testing.T, c *compiled) { c.env = []string{"GOAMD64=v3", "GOROOT=/go", "PATH=/bin"} },
		"a trimmed path":           func(t *testing.T, c *compiled) { c.trim = false },
	} {
		t.Run(what, func(t *testing.T) {
			c := newCompiled(t)
			before := c.key(t)
			change(t, c)
			if c.key(t) == before {
				t.Errorf("%s changed, the key did not", what)
			}
		})
	}
}

// What a compile does not read is not in its key: other runs, other checkouts and other ranks find what it made.
func TestKeyStays(t *testing.T) {
	elsewhere := func(dir func(*testing.T) string) func(*testing.T, *compiled) {
		return func(t *testing.T, c *compiled) {
			c.checkout = dir(t)
			if err := os.MkdirAll(c.checkout, 0o700); err != nil {
				t.Fatal(err)
			}
			c.lay(t)
		}
	}
	for what, change := range map[string]func(*testing.T, *compiled){
		"nothing":                           func(*testing.T, *compiled) {},
		"the nodes":                         func(_ *testing.T, c *compiled) { c.node, c.imported = "b123", "b045" },
		"a later checkout":                  elsewhere(func(t *testing.T) string { return filepath.Join(t.TempDir(), "zzz") }),
		"an earlier checkout":               elsewhere(func(t *testing.T) string { return filepath.Join(filepath.Dir(t.TempDir()), "!first") }),
		"PATH":                              func(_ *testing.T, c *compiled) { c.env = []string{"GOAMD64=v1", "GOROOT=/go", "PATH=/usr/bin"} },
		"where the toolchain is said to be": func(_ *testing.T, c *compiled) { c.env = []string{"GOAMD64=v1", "GOROOT=/elsewhere", "PATH=/bin"} },
		"a file of the package's directory": func(t *testing.T, c *compiled) { write(t, c.source("x_test.go"), "package x\n") },
		"when its sources were written": func(t *testing.T, c *compiled) {
			if err := os.Chtimes(c.source("x.go"), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCompiled(t)
			before := c.key(t)
			change(t, c)
			if c.key(t) != before {
				t.Errorf("%s changed, and the key with it", what)
			}
		})
	}
}

// Without -trimpath the directory is recorded in what is made.
func TestKeyHasDirectory(t *testing.T) {
	c := newCompiled(t)
	c.trim = false
	before := c.key(t)
	c.checkout = filepath.Join(t.TempDir(), "other")
	c.lay(t)
	if c.key(t) == before {
		t.Error("another directory has the same key")
	}
}

// Actions that start what reads files unseen are not kept.
func TestNotKept(t *testing.T) {
	for what, a := range map[string]*plan.Action{
		"a C compiler": {Kind: plan.Prepare, Steps: []transcript.Command{{Op: transcript.Run, Args: []string{"gcc", "-c", "x.c"}}}},
		"cgo":          {Kind: plan.Prepare, Steps: []transcript.Command{{Op: transcript.Run, Args: []string{"/go/cgo"}}}},
		"a link by C":  {Kind: plan.Link, Steps: []transcript.Command{{Op: transcript.Run, Args: []string{"/go/link", "-linkmode=external"}}}},
		"a link with cgo": {Kind: plan.Link, Steps: []transcript.Command{
			{Op: transcript.Write, Args: []string{"$WORK/b001/importcfg.link"}, Body: "packagefile runtime/cgo=$WORK/b009/_pkg_.a\n"},
			{Op: transcript.Run, Args: []string{"/go/link"}},
		}},
	} {
		cache := &cache{store: openStore(t, filepath.Join(t.TempDir(), "store")), plan: &plan.Plan{}}
		if _, kept, err := cache.key(t.Context(), a); kept || err != nil {
			t.Errorf("%s: kept %v, %v", what, kept, err)
		}
	}
}

// producing is a plan of one action that leaves an export and an object, which two others read.
func producing() *plan.Plan {
	read := transcript.Command{Op: transcript.Mkdir, Args: []string{"$WORK/b002/"}}
	p := independent(3, read)
	p.Actions[0].Steps = []transcript.Command{
		{Op: transcript.Write, Args: []string{"$WORK/b001/_pkg_.x"}, Body: "export data"},
		{Op: transcript.Write, Args: []string{"$WORK/b001/_pkg_.a"}, Body: "an object"},
	}
	p.Actions[0].Outputs = []plan.ArtifactID{0, 1}
	for i, f := range []plan.Artifact{{Kind: plan.Export, Path: "b001/_pkg_.x"}, {Kind: plan.Object, Path: "b001/_pkg_.a"}} {
		f.ID, f.Consumers = plan.ArtifactID(i), []plan.ActionID{plan.ActionID(i + 1)}
		p.Artifacts = append(p.Artifacts, f)
		p.Actions[i+1].Inputs, p.Actions[i+1].Group = []plan.ArtifactID{f.ID}, 1
	}
	return p
}

// cached runs producing with a store and returns its loop and what was warned of.
func cached(t *testing.T, dir string) (*loop, string) {
	t.Helper()
	l := alone(t, producing(), 1)
	var words bytes.Buffer
	s := openStore(t, dir)
	l.cache = &cache{store: s, plan: l.plan, exchange: l.exchange, file: l.file, warn: func(format string, args ...any) { fmt.Fprintf(&words, format+"\n", args...) }}
	if err := ended(t, l); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return l, words.String()
}

func isCached(l *loop) bool {
	i := slices.IndexFunc(l.lead.records, func(r report.Action) bool { return r.ID == 0 })
	return l.lead.records[i].Cached
}

// What was made before is not made again; what the store has damaged is, without a tool writing into the store.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if l, words := cached(t, dir); isCached(l) || words != "" {
		t.Fatalf("cached at first %v, said %q", isCached(l), words)
	}
	if l, words := cached(t, dir); !isCached(l) || words != "" {
		t.Fatalf("cached then %v, said %q", isCached(l), words)
	}
	object := filepath.Join(dir, "files", fmt.Sprintf("%x", sha256.Sum256([]byte("an object")))[:2], fmt.Sprintf("%x", sha256.Sum256([]byte("an object"))))
	if err := os.Chmod(object, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, object, "an objecT") // of the same size: only who reads it finds out
	l, words := cached(t, dir)
	if isCached(l) || words != "" {
		t.Fatalf("cached in spite of damage %v, said %q", isCached(l), words)
	}
	for name, text := range map[string]string{"_pkg_.x": "export data", "_pkg_.a": "an object"} {
		path := filepath.Join(l.runner.Work, "b001", name)
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	export := fmt.Sprintf("%x", sha256.Sum256([]byte("export data")))
	mine, err := os.Stat(filepath.Join(l.runner.Work, "b001", "_pkg_.x"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.Stat(filepath.Join(dir, "files", export[:2], export))
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(mine, theirs) {
		t.Error("export data was written into the store's own file")
	}
	if l, _ := cached(t, dir); !isCached(l) {
		t.Error("what was made again is not in the store")
	}
}

// A link that finds its program in its place has nothing to do. However often one is linked, the store has no file more.
func TestProgramInItsPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	c := &cache{store: openStore(t, dir), plan: &plan.Plan{}, warn: t.Errorf}
	target := filepath.Join(t.TempDir(), "program")
	a := &plan.Action{Kind: plan.Link, Package: "main"}
	var h hit
	files := 0
	for i := range 5 {
		write(t, target+"-new", fmt.Sprintf("program %d", i))
		if err := os.Rename(target+"-new", target); err != nil {
			t.Fatal(err)
		}
		if c.isThere(h, 0, target) {
			t.Errorf("program %d is taken for that before", i)
		}
		h = hit{key: store.Key{byte(i)}, placed: []string{programShape(target)}}
		c.keep(a, h, "", "")
		if h.entry, h.found = c.store.Lookup(h.key); !h.found || !c.isThere(h, 0, target) {
			t.Errorf("program %d is not known by what it looks like: found %v, %+v", i, h.found, h.entry)
		}
		stats, err := c.store.Stat(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if files = cmp.Or(files, stats.Files); stats.Files != files {
			t.Errorf("%d files after link %d, %d after the first", stats.Files, i, files)
		}
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if c.isThere(h, 0, target) {
		t.Error("a program that is gone is there")
	}
}

// A store that cannot give is said once, and nothing waits for it.
func TestCacheGivesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	cached(t, dir)
	l := alone(t, producing(), 1)
	var words strings.Builder
	l.cache = &cache{store: openStore(t, dir), plan: l.plan, exchange: l.exchange, file: l.file, warn: func(format string, args ...any) { fmt.Fprintf(&words, format+"\n", args...) }}
	l.cache.file = func(id plan.ArtifactID) exchange.File {
		f := l.file(id)
		if id == 1 {
			f.Path = "missing/" + filepath.Base(f.Path) // no directory to restore to
		}
		return f
	}
	if err := ended(t, l); err != nil {
		t.Fatal(err)
	}
	if isCached(l) || strings.Count(words.String(), "gives nothing") != 1 {
		t.Errorf("cached %v, said %q", isCached(l), words.String())
	}
}

func TestNormal(t *testing.T) {
	inputs := map[string]string{"b003/_pkg_.x": "abc"}
	roots := [][2]string{{"/home/me/x", "example.com/x"}, {"/mod/y@v1", "y@v1"}}
	for _, c := range [][2]string{
		{"$WORK/b007/_pkg_.x", "$WORK/node/_pkg_.x"},
		{"$WORK/b007", "$WORK/node"},
		{"$WORK/b0071/x", "$WORK/b0071/x"},
		{"packagefile fmt=$WORK/b003/_pkg_.x\npackagefile os=$WORK/b004/_pkg_.x", "packagefile fmt=sha256:abc\npackagefile os=$WORK/b004/_pkg_.x"},
		{"/home/me/x=>example.com/x;$WORK/b007=>", "example.com/x=>example.com/x;$WORK/node=>"},
		{"/mod/y@v1/y.go", "y@v1/y.go"},
		{"-c=4", "-c=4"},
		{"", ""},
	} {
		if got := normal(c[0], "b007", inputs, roots); got != c[1] {
			t.Errorf("%q became %q, expected %q", c[0], got, c[1])
		}
	}
}

func TestIncluded(t *testing.T) {
	for line, want := range map[string]string{
		`#include "textflag.h"`:             "textflag.h",
		"\t# include\t\"a/b.h\" // comment": "a/b.h",
		`#include "a.h" /* "b.h" */`:        "a.h",
		`#define include "a.h"`:             "",
		`#include`:                          "",
		`#include "open`:                    "",
		`// #include "a.h"`:                 "",
		`MOVQ $1, AX`:                       "",
	} {
		if name, ok := included(line + "\n"); name != want && ok || ok != (want != "") {
			t.Errorf("%s: %q, %v", line, name, ok)
		}
	}
}

// An action has the same key where nothing of root's files is and root says
// what they are, with the stock compiler or with a pipelined one.
func TestKeyElsewhere(t *testing.T) {
	for _, pipelined := range []string{"", "pipelined"} {
		c := newCompiled(t)
		if pipelined != "" {
			pipelined, c.compiler = c.tool(pipelined), "its digest"
			write(t, pipelined, "the pipelined compiler\n")
		}
		want := c.key(t)
		elsewhere := &cache{store: openStore(t, filepath.Join(t.TempDir(), "store"))}
		paths, err := reads(c.action(), pipelined)
		if err != nil {
			t.Fatal(err)
		}
		files, err := ship.NewGiver(elsewhere.store.Source).List(paths)
		if err != nil {
			t.Fatal(err)
		}
		for _, top := range []string{c.checkout, c.goroot} {
			if err := os.RemoveAll(top); err != nil {
				t.Fatal(err)
			}
		}
		const action = 1
		take := &take{compiler: pipelined, lists: map[plan.ActionID]*list{action: {files: files}}}
		elsewhere.listed = take.sources
		if got := c.keyOf(t, elsewhere); got != want {
			t.Errorf("compiler %q: the key elsewhere is another", pipelined)
		}
	}
}

// Where the pipelined compiler runs, the one in whose place it does is not read.
func TestKeyOfPipelined(t *testing.T) {
	c := newCompiled(t)
	stock := c.key(t)
	c.compiler = "its digest"
	before := c.key(t)
	if before == stock {
		t.Error("the pipelined compiler's key is the stock one's")
	}
	write(t, c.tool("compile"), "another compiler\n")
	if c.key(t) != before {
		t.Error("the key has a compiler that is not run")
	}
	write(t, c.tool("asm"), "another assembler\n")
	if c.key(t) == before {
		t.Error("the key has no assembler")
	}
}

// What was foreseen is as good as what is found when an action begins, serves once, and is no reason to execute it.
func TestForeseen(t *testing.T) {
	c := newCompiled(t)
	p := &plan.Plan{Actions: []plan.Action{*c.action()}}
	for _, c.compiler = range []string{"", "its digest"} {
		s := openStore(t, filepath.Join(t.TempDir(), "store"))
		cache := &cache{store: s, foreseen: new(sync.Map)}
		foresee(t.Context(), s, p, cache.foreseen)
		write(t, c.source("x.go"), "package x // edited\n")
		foreseen, fresh := c.keyOf(t, cache), c.keyOf(t, cache)
		if want := c.key(t); fresh != want {
			t.Error("what was foreseen served twice")
		}
		write(t, c.source("x.go"), "package x\n")
		if want := c.key(t); foreseen != want {
			t.Error("the key of what was foreseen is another")
		}

		a := c.action()
		if err := s.Commit(foreseen, store.Entry{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		write(t, c.source("x.go"), "package x // edited\n")
		foresee(t.Context(), s, p, cache.foreseen)
		write(t, c.source("x.go"), "package x\n")
		a.Outputs = nil
		if h, kept, err := cache.lookup(t.Context(), a); err != nil || !kept || !h.found || h.key != foreseen {
			t.Errorf("by what it is, it is not found: %v, %v, %v", h.found, kept, err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	var none sync.Map
	foresee(stopped, openStore(t, filepath.Join(t.TempDir(), "store")), p, &none)
	none.Range(func(any, any) bool { t.Error("it goes on when it is stopped"); return false })
}
