package rank

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/badbubble/distgo/plan"
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
