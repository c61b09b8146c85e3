package rank

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/store"
)

// How an action is made: taken out of the store, or executed, in a goroutine of its
// own beside the loop; and how what it makes is given out.

// runner prepares the execution of commands in the scratch directory.
func (r *run) runner(p *plan.Plan) (*execute.Runner, error) {
	pipelined, err := r.pipelined(p)
	if err != nil {
		return nil, err
	}
	runner := &execute.Runner{
		Pipelined: pipelined,
		Heap:      heap(p, launch.Memory(r.cfg.Place, os.ReadFile), r.slots()),
		Slots:     r.slots(),
		Work:      r.scratch.Dir(),
		Env:       append(append([]string{}, p.Env...), "TMPDIR="+r.tmp(), r.scratch.Env()),
		Wrap:      r.cfg.Wrap,
		Words:     execute.Words{Cwd: r.cfg.Cwd, Raw: r.cfg.Trace},
	}
	if r.view != nil {
		runner.Env = r.view.Env(runner.Env)
		runner.Tools = execute.Tools{Dir: r.view.Path(r.orders.ToolDir)}
		runner.Words.Cwd, runner.Words.View = r.orders.Cwd, r.view.Dir
	} else {
		runner.Tools = execute.Tools{Dir: r.tools.ToolDir(), Compilers: r.tools.Compilers()}
	}
	if r.cfg.Trace {
		runner.Trace = func(a *plan.Action, line string) {
			fmt.Fprintf(r.cfg.Stderr, "%d: %s\n", r.cfg.Place.Rank, line)
		}
	}
	return runner, nil
}

// ownRun is an action that runs here.
type ownRun struct {
	inSlot
	stop    context.CancelFunc
	givenUp bool // root asked for that
}

// inSlot is the place of what can be held.
type inSlot struct {
	slot int // -1 while it has none
	held []report.Hold
}

// holds are the times from start to end in which it was held.
func (r *inSlot) holds(start, end int64) (holds []report.Hold) {
	for _, h := range r.held {
		if h.To == 0 { // it ended meanwhile
			h.To = end
		}
		if h.From, h.To = max(h.From, start), min(h.To, end); h.From < h.To {
			holds = append(holds, h)
		}
	}
	return holds
}

// divided notes that something begins with so many threads.
func (l *loop) divided(of superstep.Execution, n int) *execute.Threads {
	if l.threads == nil {
		l.threads = map[superstep.Execution]*execute.Threads{}
	}
	l.threads[of] = execute.NewThreads(n)
	return l.threads[of]
}

// hold gives the slot of an execution away that gets no threads any more, and takes one when it does again.
func (l *loop) hold(t superstep.Threads) {
	var run *inSlot
	switch own, second, share := l.running[t.Action], l.seconds.of[t.Action], l.shares.running[t.Action]; {
	case t.Ahead:
	case t.Share && share != nil:
		run = &share.inSlot
	case t.Second && second != nil:
		run = &second.inSlot
	case !t.Share && !t.Second && own != nil:
		run = &own.inSlot
	}
	switch {
	case run == nil:
	case t.Threads == 0:
		l.free = append(l.free, run.slot)
		run.slot = -1
		run.held = append(run.held, report.Hold{From: l.now()})
	case run.slot < 0:
		run.slot, l.free = l.free[0], l.free[1:]
		h := &run.held[len(run.held)-1]
		h.To, h.Slot = l.now(), run.slot
	}
}

// start executes an action in a goroutine of its own.
func (l *loop) start(s superstep.Start) {
	a := &l.plan.Actions[s.Action]
	slot := l.slotFor(a.ID)
	again, n := s.Again, s.Threads
	if l.lead != nil {
		n = l.lead.threads(s)
		if observe := l.lead.observe; s.Action == l.lead.alone && observe != nil {
			l.lead.observe = nil // once, should it be given back
			told := maps.Clone(l.lead.reads)
			l.tools.Go(func() { observe(l, s.Action, told) })
		}
	}
	threads := l.divided(superstep.Execution{Action: a.ID}, n)
	var claimed []plan.ArtifactID
	for _, out := range a.Outputs {
		if l.exchange.Claim(l.file(out)) {
			claimed = append(claimed, out)
		} else {
			again = true // it has come from who made it before; the loop will hear of it
		}
	}
	ctx, stop := context.WithCancel(l.ctx)
	if l.running == nil {
		l.running = map[plan.ActionID]*ownRun{}
	}
	l.running[a.ID] = &ownRun{inSlot: inSlot{slot: slot}, stop: stop}
	run := l.running[a.ID]
	var second *secondMade
	if run := l.seconds.of[a.ID]; run != nil && run.made != nil {
		second = run.made // it need not be executed
		delete(l.seconds.of, a.ID)
	}
	how := execution{again: again, second: second, head: l.aheads.of[a.ID], threads: threads, typed: l.typed(a, l.ctx)}
	l.tools.Go(func() {
		defer stop()
		defer how.head.end()
		m := doneMessage{Action: a.ID, Start: l.now(), Slot: slot}
		keep, err := l.make(ctx, a, how, &m)
		if second == nil {
			m.Threads = threads.Most()
		}
		if err != nil {
			l.discard(claimed, m.Exported != 0)
		}
		l.post(func() error {
			if run.slot >= 0 {
				l.free = append(l.free, run.slot)
			}
			if second == nil {
				m.Held = run.holds(m.Start, m.End)
			}
			return l.finished(m, err)
		})
		if keep != nil {
			l.keeps.Go(keep)
		}
	})
}

// discard removes what an action that did not end has left of its files, but for
// export data that was given out. Who makes it again would take that for the whole.
func (l *loop) discard(files []plan.ArtifactID, exported bool) {
	for _, f := range files {
		if out := &l.plan.Artifacts[f]; out.Kind != plan.Export || !exported {
			os.Remove(filepath.Join(l.runner.Work, out.Path)) // mostly not there
		}
	}
}

// An execution is how an action is executed.
type execution struct {
	again   bool        // aside: some of what it makes is here
	second  *secondMade // not at all: it was
	head    *headStart  // from there, if anything came of it
	threads *execute.Threads
	typed   func() // what to do with its types; nil where nobody wants them
}

// make executes an action, or takes what it would make out of the store. Keep,
// if not nil, puts what was made into the store.
func (l *loop) make(ctx context.Context, a *plan.Action, how execution, m *doneMessage) (keep func(), err error) {
	if err := l.makeScratch(); err != nil {
		return nil, err
	}
	if how.second != nil || how.again {
		how.head.end()
	}
	if how.second != nil {
		return l.takeSecond(a, how.second, m)
	}
	if l.take != nil {
		if err := l.take.learn(ctx, a.ID); err != nil {
			return nil, err
		}
	}
	if how.again {
		err := l.makeAgain(ctx, a, how.threads, m)
		return nil, cmp.Or(l.unaltered(a, m), err)
	}
	if err := l.runner.Prepare(a); err != nil {
		return nil, err
	}
	var h hit
	kept := false
	if l.cache != nil {
		if h, kept, err = l.cache.lookup(ctx, a); err != nil {
			return nil, err
		}
		if h.found {
			how.head.end()
			err := l.cache.restore(a, h, l.runner.Work)
			if err == nil {
				l.look(a, &h)
				m.Cached, m.Output, m.End = true, h.entry.Text, l.now()
				m.Traced, m.Reads = h.keyed.traced, h.reads
				l.cache.note(a, h, false)
				m.Digests = l.digests(a)
				m.Sizes, err = l.offer(a)
				return nil, err
			}
			if !errors.Is(err, store.ErrAbsent) {
				l.cache.given.Do(func() { l.cache.warn("distgo: rank %d: the store gives nothing: %v; it is made again", l.self, err) })
			}
		}
	}
	if l.lead != nil {
		l.post(l.executes)
	}
	since := time.Now()
	var linking sync.WaitGroup
	defer linking.Wait()
	if kept && h.keyed.traced && a.Kind == plan.Link { // takes as long as a tenth of the link, and needs nothing of it
		linking.Go(func() { l.cache.traceLink(ctx, &h) })
	}
	executed := a
	if kept && a.Kind == plan.Link {
		executed = h.keyed.identify(a)
	}
	changed := func() string { return "" }
	if kept {
		changed = l.cache.watch(h.keyed)
	}
	if err := l.callHelpers(a); err != nil {
		return nil, err
	}
	begun := how.head.take()
	if begun != nil && kept {
		if how.head.from(h.keyed) {
			changed = how.head.changed
		} else {
			begun.Quit()
			begun = nil
		}
	}
	if begun != nil {
		m.Begun, m.BegunIn = how.head.begun, how.head.in
		m.Paused = max(m.Begun, min(how.head.at, m.Start)) // what is behind the start is the action's own time
	}
	result, err := l.resume(ctx, begun, executed, how.threads, execute.Moments{Typed: how.typed, Exported: func() {
		m.Exported = max(1, l.now()) // 0 says that it was not
		l.export(a, m.Paused-m.Begun+m.Exported-m.Start)
	}}, m)
	m.End = l.now()
	m.Taken = l.dismissHelpers(a)
	l.look(a, &h)
	m.CPU, m.RSS, m.Commands, m.Output = result.CPU.Microseconds(), result.MaxRSS, result.Commands, result.Output
	if err := l.unaltered(a, m); err != nil {
		return nil, err // whatever the tools made or said of it
	}
	if err != nil {
		return nil, err
	}
	if m.Sizes, err = l.offer(a); err != nil {
		return nil, err
	}
	m.Digests = l.digests(a)
	linking.Wait()
	if kept && h.keyed.traced {
		kept = l.cache.trace(ctx, a, &h, since)
		m.Traced, m.Reads = kept, h.reads
	}
	if file := changed(); file != "" {
		l.cache.warn("distgo: rank %d: %s was changed while %s was made; this is not kept, and the next run makes it again", l.self, file, a.Package)
		kept = false
	}
	if kept {
		l.cache.note(a, h, true)
		text := m.Output
		keep = func() { l.cache.keep(a, h, text, l.runner.Work) }
	}
	return keep, nil
}

// look notes what the programs look like that an action has put in their
// places, or found there: another run may replace them by its own.
func (l *loop) look(a *plan.Action, h *hit) {
	for _, target := range targets(a) {
		shape := programShape(target)
		h.placed = append(h.placed, shape)
		l.placed.Store(target, shape)
	}
}

// execute runs an action's commands where the files that they read are.
func (l *loop) execute(ctx context.Context, a *plan.Action, threads *execute.Threads, moments execute.Moments) (execute.Result, error) {
	if l.take != nil {
		var err error
		if a, err = l.take.prepare(ctx, a); err != nil {
			return execute.Result{}, err
		}
	}
	return l.runner.Run(ctx, a, threads, moments)
}

// export gives out the export data of an action that goes on.
func (l *loop) export(a *plan.Action, took int64) {
	for _, out := range a.Outputs {
		if l.plan.Artifacts[out].Kind != plan.Export {
			continue
		}
		_, err := l.offerOne(out)
		l.post(func() error {
			if err != nil {
				return err
			}
			if err := l.effects(l.rank.Produced(out)); err != nil {
				return err
			}
			return l.tell(kindExists, existsMessage{Artifact: out, Took: took})
		})
	}
}

// offer digests what an action made for other ranks.
func (l *loop) offer(a *plan.Action) ([]int64, error) {
	sizes := make([]int64, len(a.Outputs))
	for i, out := range a.Outputs {
		var err error
		if sizes[i], err = l.offerOne(out); err != nil {
			return nil, err
		}
	}
	return sizes, nil
}

func (l *loop) offerOne(out plan.ArtifactID) (size int64, err error) {
	f := &l.plan.Artifacts[out]
	needed := l.cache != nil || l.auditing || f.Kind == plan.Export && l.size() > 1 || slices.ContainsFunc(f.Consumers, func(c plan.ActionID) bool {
		return l.plan.Owner[c] != l.self || len(l.plan.HelpersOf(c)) > 0
	})
	if _, known := l.exchange.Digest(l.file(out)); needed && !known {
		err = l.exchange.Offer(l.file(out))
	}
	if err == nil {
		size, err = l.exchange.Size(l.file(out))
	}
	if err != nil {
		err = fmt.Errorf("%s did not make %s: %w", l.plan.Actions[f.Producer].Package, f.Path, err)
	}
	return size, err
}
