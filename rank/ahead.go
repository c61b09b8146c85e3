package rank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// A head start is what can be done of a compile before the export data of its imports
// is there: all up to inlining, for which their types are enough. A compile hands out
// its own types early on that way; they are sent to who has a use for them, and lie
// beside the place of the export data. Who was begun so pauses where it can't
// go on, until the action is started. Types and head starts are hints, as shares are:
// nobody waits for one, and an action whose head start came to nothing, or would have
// its code refused, is executed from scratch.

// maxTypes bounds the types of a package. The largest have some 2 MB.
const maxTypes = 64 << 20

// aheads is what a rank knows of head starts. Its zero value is ready.
type aheads struct {
	possible bool                          // types are handed out; else package superstep never asks for any
	of       map[plan.ActionID]*headStart  // the last of each action; the loop's
	types    map[plan.ArtifactID]madeTypes // that were handed out here; the loop's
}

type madeTypes struct {
	digest exchange.Digest
	size   int64
}

// A headStart is an action that was begun ahead. The goroutine that began it has it
// until somebody takes it.
type headStart struct {
	ctx    context.Context // done when it was quit
	quit   context.CancelFunc
	paused chan *execute.Begun // to who takes it
	over   chan struct{}       // closed when nothing is left to be taken
	slot   int                 // the loop's; -1 when it was given back, or the action has it

	in        int                     // slot that it was begun in
	begun, at int64                   // when it was begun and paused, microseconds since the plan was here
	sources   map[string]store.Digest // what it began with; nil where nothing is kept
	changed   func() string           // which of them has been changed since
}

// take returns what was begun, nil if that came to nothing. Who takes it has it. A nil
// headStart is of an action that was not begun.
func (h *headStart) take() *execute.Begun {
	if h == nil {
		return nil
	}
	select {
	case b := <-h.paused:
		return b
	case <-h.over:
		return nil
	}
}

// end ends a head start of which nothing was taken.
func (h *headStart) end() {
	if h != nil {
		h.quit()
		<-h.over
	}
}

// beginAhead begins an action in a goroutine of its own, which has it until it is
// continued, quit, or the run is over.
func (l *loop) beginAhead(s superstep.Help) {
	a := l.plan.Actions[s.Action] // as it is now: root may hand this rank the action anew, commands and all
	before := l.aheads.of[a.ID]
	h := &headStart{paused: make(chan *execute.Begun), over: make(chan struct{})}
	h.ctx, h.quit = context.WithCancel(l.ctx)
	if l.aheads.of == nil {
		l.aheads.of = map[plan.ActionID]*headStart{}
	}
	h.slot = l.slotFor(a.ID)
	h.in = h.slot
	l.aheads.of[a.ID] = h
	of := superstep.Execution{Action: a.ID, Ahead: true}
	threads := l.divided(of, s.Threads)
	typed, refused := l.typed(&a, h.ctx), l.take != nil
	if typed == nil { // nobody imports it, or this is done a second time
		refused = refused || l.hasTypes(&a)
		typed = func() {}
	}
	l.tools.Go(func() {
		defer close(h.over)
		before.end()              // it works in the same directory
		h.begun = max(1, l.now()) // 0 says that there was none
		err := errRefused
		var b *execute.Begun
		if !refused {
			b, err = l.begin(h, &a, threads, typed)
		}
		h.at = max(h.begun, l.now())
		l.post(func() error {
			if h.slot >= 0 {
				l.free = append(l.free, h.slot)
				h.slot = -1
			}
			delete(l.threads, of)
			return l.effects(l.rank.Paused(a.ID))
		})
		if err != nil {
			h.quit()
			return // whatever it is, who starts the action meets it
		}
		select {
		case h.paused <- b:
		case <-h.ctx.Done():
			b.Quit()
		}
	})
}

// slotFor takes a slot for an action: that of its head start if it still runs, as both
// have but one, and else a free one.
func (l *loop) slotFor(a plan.ActionID) (slot int) {
	if h := l.aheads.of[a]; h != nil && h.slot >= 0 {
		slot, h.slot = h.slot, -1
		return slot
	}
	slot, l.free = l.free[0], l.free[1:]
	return slot
}

// begin executes what can be executed ahead of an action's start.
func (l *loop) begin(h *headStart, a *plan.Action, threads *execute.Threads, typed func()) (b *execute.Begun, err error) {
	if err := l.makeScratch(); err != nil {
		return nil, err
	}
	if err := l.runner.Prepare(a); err != nil {
		return nil, err
	}
	if l.cache != nil {
		if h.sources, err = digests(l.cache.store, a, nil); err != nil {
			return nil, err
		}
		h.changed = l.cache.watch(keyed{sources: h.sources})
	}
	return l.runner.Begin(h.ctx, l.shared(a), threads, typed)
}

// from reports whether an action with this key may go on from its head start: its
// sources are those that it was begun with.
func (h *headStart) from(k keyed) bool {
	for path, digest := range k.sources {
		if h.sources[path] != digest {
			return false
		}
	}
	return h.changed() == ""
}

// resume executes an action from its head start, or from scratch where there is none,
// or where it fails without having given anything out: that a compile refuses what it
// saw in part is no verdict on the code.
func (l *loop) resume(ctx context.Context, b *execute.Begun, a *plan.Action, threads *execute.Threads, moments execute.Moments, m *doneMessage) (execute.Result, error) {
	var vain execute.Result
	if b != nil {
		result, err := l.runner.Continue(ctx, b, threads, moments)
		if _, failed := errors.AsType[*execute.Failure](err); !failed || m.Exported != 0 {
			return result, err
		}
		m.Begun, m.Paused, m.BegunIn = 0, 0, 0 // it counts for nothing
		vain = result
	}
	result, err := l.execute(ctx, l.shared(a), threads, moments)
	result.CPU += vain.CPU
	return result, err
}

// errRefused says that a head start is not to be had: files of root would have to be
// asked for, or types that are on their way to other ranks would be written anew.
var errRefused = errors.New("no head start")

// hasTypes reports whether the types of an action's package were handed out here.
func (l *loop) hasTypes(a *plan.Action) bool {
	return slices.ContainsFunc(a.Outputs, func(f plan.ArtifactID) bool { _, made := l.aheads.types[f]; return made })
}

// typed returns what a compile does when it has left the types of its package in
// place, nil where they are of no use, or there already. What happens of it when quit
// is done does not count.
func (l *loop) typed(a *plan.Action, quit context.Context) func() {
	if !l.aheads.possible || a.Kind != plan.Compile || a.CompileStep() < 0 {
		return nil
	}
	i := slices.IndexFunc(a.Outputs, func(f plan.ArtifactID) bool { return l.plan.Artifacts[f].Kind == plan.Export })
	if i < 0 || len(l.plan.Artifacts[a.Outputs[i]].Consumers) == 0 || l.hasTypes(a) {
		return nil
	}
	f := a.Outputs[i]
	return func() {
		digest, size, err := exchange.DigestFile(l.typesFile(f))
		if err != nil || size > maxTypes {
			return // who needs them does without
		}
		l.post(func() error {
			if quit.Err() != nil {
				return nil
			}
			if l.aheads.types == nil {
				l.aheads.types = map[plan.ArtifactID]madeTypes{}
			}
			l.aheads.types[f] = madeTypes{digest, size}
			return l.effects(l.rank.Typed(f), nil)
		})
	}
}

// typesFile is where the types lie that come before export data.
func (l *loop) typesFile(f plan.ArtifactID) string {
	return filepath.Join(l.runner.Work, l.plan.Artifacts[f].Path+".types")
}

// sendTypes sends a rank types that were handed out here.
func (l *loop) sendTypes(p superstep.Put) error {
	made, file := l.aheads.types[p.Artifact], l.typesFile(p.Artifact)
	err := l.world.Send(transport.Rank(p.To), transport.Express, transport.Message{
		Kind: kindTypes, Body: typesMessage{p.Artifact, made.digest[:]},
		Blob: &transport.Blob{Size: made.size, Open: func() (io.ReadCloser, error) { return os.Open(file) }},
	})
	if isLost(err) {
		return nil
	}
	return err
}

// receiveTypes puts types where compiles find them. Those that are damaged, or come
// when the export data is there, are thrown away.
func (l *loop) receiveTypes(from plan.Rank, f transport.Frame) error {
	m, err := decode[typesMessage](f)
	if err != nil {
		return err
	}
	if m.Artifact < 0 || int(m.Artifact) >= len(l.plan.Artifacts) || l.plan.Artifacts[m.Artifact].Kind != plan.Export || len(m.Digest) != len(exchange.Digest{}) {
		return fmt.Errorf("rank %d sends types of artifact %d of %d, with a digest of %d bytes", from, m.Artifact, len(l.plan.Artifacts), len(m.Digest))
	}
	if f.BlobSize > maxTypes {
		return fmt.Errorf("rank %d sends types of %d bytes: at most %d are possible", from, f.BlobSize, maxTypes)
	}
	if _, here := l.exchange.Digest(l.file(m.Artifact)); here {
		return drop(f)
	}
	if err := l.makeScratch(); err != nil {
		return err
	}
	file := l.typesFile(m.Artifact)
	if os.MkdirAll(filepath.Dir(file), 0o700) != nil || exchange.Store(file, f, exchange.Digest(m.Digest)) != nil {
		return drop(f) // which fails if it is the connection that does
	}
	l.post(func() error { return l.effects(l.rank.TypesArrived(m.Artifact), nil) })
	return nil
}
