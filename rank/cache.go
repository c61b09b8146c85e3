package rank

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/ship"
	"github.com/badbubble/distgo/sync/store"
)

// cache answers actions from the store of this node, and keeps what was
// executed. The key of an action is the content of all it reads: the tools,
// the normalised commands, the sources with what they include or embed, and
// its imports' export data. So a package is compiled again only if something
// that it reads came out differently, and not because a distant dependency was
// touched (early cutoff).
//
// What C compilers read is spread over the system's directories, and found out
// by a tracer. Its methods may be called from any goroutine.
type cache struct {
	store    *store.Store
	plan     *plan.Plan
	exchange *exchange.Exchange
	file     func(plan.ArtifactID) exchange.File
	compiler string                          // digest of the pipelined compiler, "" for the stock one
	listed   func(plan.ActionID) []ship.File // what is in root's files, nil where they can be read
	fresh    bool                            // -a: nothing is answered, all is kept
	tracer   *tracer
	notes    *notebook
	peers    *peers   // nil where nobody can be asked
	ldflags  []string // of all packages that use cgo, where this rank knows them: root
	warn     func(format string, args ...any)
	foreseen *sync.Map // by action: what foresee found in its sources, until it is used; nil where nobody did

	once  sync.Once // warns that nothing can be kept
	given sync.Once // warns that nothing can be got
}

// hit is what the store holds of an action.
type hit struct {
	key   store.Key
	entry store.Entry
	found bool
	keyed keyed
	parts []store.Part
	reads []string // what C compilers read beside what the plan names

	linked []string // what the C compiler reads in a link, nil if that is not known
	placed []string // shapes of the programs that a link put in their places
}

// lookup finds out whether an action is in the store. It returns false if the
// action is of those that are not kept.
func (c *cache) lookup(ctx context.Context, a *plan.Action) (h hit, kept bool, err error) {
	foreseen := false
	if c.foreseen != nil {
		_, foreseen = c.foreseen.Load(a.ID)
	}
	h, kept, err = c.find(ctx, a)
	if foreseen && !h.found { // it is entered by what its sources are when it is executed
		h, kept, err = c.find(ctx, a)
	}
	return h, kept, err
}

func (c *cache) find(ctx context.Context, a *plan.Action) (h hit, kept bool, err error) {
	if h.keyed, kept, err = c.key(ctx, a); !kept || err != nil {
		return hit{}, false, err
	}
	h.key, h.parts = h.keyed.Sum(), h.keyed.Parts()
	if c.fresh {
		return h, true, nil
	}
	if h.keyed.traced {
		names, ok := c.manifest(h.key)
		if !ok && a.Kind != plan.Link && c.peers.fetch(ctx, h.key) {
			names, ok = c.manifest(h.key)
		}
		if !ok {
			return h, true, nil
		}
		for _, name := range names {
			h.reads = append(h.reads, h.keyed.local(name))
		}
		whole, err := h.keyed.complete(c.store, h.reads)
		if err != nil {
			return h, true, nil // one of them is gone
		}
		h.key, h.parts = whole.Sum(), whole.Parts()
	}
	if h.entry, h.found = c.store.Lookup(h.key); !h.found && a.Kind != plan.Link && c.peers.fetch(ctx, h.key) {
		h.entry, h.found = c.store.Lookup(h.key)
	}
	for _, out := range a.Outputs {
		h.found = h.found && slices.ContainsFunc(h.entry.Outputs, func(o store.Output) bool { return o.Name == outputName(c.plan.Artifacts[out].Path) })
	}
	return h, true, nil
}

// watch is called before an action is executed. What it returns says afterwards
// which of the files that its key was made of has been changed, "" if none: what
// was made is then not what the key says.
func (c *cache) watch(k keyed) (changed func() string) {
	shapes := make(map[string]uint64, len(k.sources))
	for path := range k.sources {
		shapes[path] = store.Shape(path)
	}
	return func() string {
		for _, path := range slices.Sorted(maps.Keys(k.sources)) {
			if f, err := c.store.Source(path); err != nil || f.Digest != k.sources[path] || store.Shape(path) != shapes[path] {
				return path
			}
		}
		return ""
	}
}

// trace completes the key of an action that was executed, begun at since, with
// what its C compilers read. It returns false where that cannot be told.
func (c *cache) trace(ctx context.Context, a *plan.Action, h *hit, since time.Time) bool {
	files, ok := h.linked, h.linked != nil
	if a.Kind != plan.Link {
		files, ok = c.tracer.reads(ctx, a, since)
	}
	if !ok {
		return false
	}
	whole, err := h.keyed.complete(c.store, files)
	if err != nil {
		return false
	}
	h.reads, h.key, h.parts = files, whole.Sum(), whole.Parts()
	return true
}

// traceLink finds out what the C compiler reads in a link that is being
// executed. What it finds is for trace.
func (c *cache) traceLink(ctx context.Context, h *hit) {
	if c.ldflags == nil {
		return
	}
	if files, ok := c.tracer.linked(ctx, c.ldflags); ok {
		h.linked = files
	}
}

// note remembers what an action's inputs were, for who asks why it was executed.
func (c *cache) note(a *plan.Action, h hit, executed bool) {
	if c.notes != nil {
		c.notes.note(a, h.parts, executed)
	}
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

// hold stores an artifact that came from a peer: the next time that the peer
// has it out of its store, it need not be put. It matters to no run whether
// that succeeds.
func (c *cache) hold(f exchange.File, work string) {
	digest, ok := c.exchange.Digest(f)
	size, err := c.exchange.Size(f)
	if ok && err == nil {
		_ = c.store.PutKnown(filepath.Join(work, f.Path), store.File{Digest: store.Digest(digest), Size: size})
	}
}

// supply puts an artifact in its place that a peer's store holds, if this one
// does too.
func (c *cache) supply(f exchange.File, is store.File) error {
	return c.exchange.Supply(f, exchange.Digest(is.Digest), is.Size, func(path string) error { return c.store.Get(is, path) })
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
		for i, shape := range h.placed {
			nothing, err := c.store.PutReader(strings.NewReader(""))
			if err != nil {
				return err
			}
			entry.Outputs = append(entry.Outputs, store.Output{Name: targetName(i, shape), File: nothing})
		}
		if h.keyed.traced {
			names := make([]string, len(h.reads))
			for i, path := range h.reads {
				names[i] = h.keyed.portable(path)
			}
			if err := c.keepManifest(h.keyed.Sum(), a.Package, names); err != nil {
				return err
			}
		}
		return c.store.Commit(h.key, entry)
	}()
	if err != nil {
		c.once.Do(func() { c.warn("distgo: the store takes nothing: %v; the build goes on without it", err) })
	}
}

// targetName is how an entry says what a program looked like when a link had
// put it in its place. It is said by a name, as no two links give one shape, and
// a file for each would stay. Programs themselves are not kept: they are large,
// the user has them, and a link that finds its program in its place has nothing to do.
func targetName(i int, shape string) string { return fmt.Sprintf("program %d %s", i, shape) }

func programShape(target string) string { return fmt.Sprintf("%016x", store.Shape(target)) }

// isThere reports whether the program that a link would put at target is there.
func (c *cache) isThere(h hit, i int, target string) bool {
	shape := store.Shape(target)
	return shape != 0 && slices.ContainsFunc(h.entry.Outputs, func(o store.Output) bool { return o.Name == targetName(i, programShape(target)) })
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
