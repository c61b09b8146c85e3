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
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// loop drives one rank through the supersteps. Its fields belong to the
// goroutine of run, but for what post needs.
type loop struct {
	self     plan.Rank
	plan     *plan.Plan
	world    *transport.World
	exchange *exchange.Exchange
	runner   *execute.Runner
	cache    *cache // nil where there is no store
	take     *take  // nil where this rank sees root's files
	slots    int

	rank *superstep.Rank
	lead *leader // root's duties; nil on other ranks

	makeScratch func() error // before anything is put into the scratch directory; see run

	events  chan func() error
	ctx     context.Context // done when the loop takes no more events; tools end with it
	cancel  context.CancelCauseFunc
	tools   sync.WaitGroup
	keeps   sync.WaitGroup // what is being put into the store; the run may end meanwhile
	begun   time.Time
	free    []int                          // slot numbers without an action
	threads map[threadsOf]*execute.Threads // of what runs
	backlog []func() error                 // what this rank tells itself; done before the next event
	over    bool
	built   bool

	notified, committed []int64

	placed sync.Map // shapes of programs, by their places
	shares shares

	seconds  seconds
	running  map[plan.ActionID]*ownRun
	auditing bool // all that actions make is digested
}

func (l *loop) now() int64 { return time.Since(l.begun).Microseconds() }

// post hands the loop something to do. It may be called from any goroutine.
func (l *loop) post(f func() error) {
	select {
	case l.events <- f:
	case <-l.ctx.Done():
	}
}

// run executes this rank's part and returns when nothing is left to do, or
// with the first error. No tool runs any more when it returns.
func (l *loop) run(mode superstep.Mode) (err error) {
	defer l.tools.Wait()
	defer func() { l.cancel(err) }() // first: a tool that ends posts it, and nobody listens
	for i := range l.slots {
		l.free = append(l.free, i)
	}
	groups := len(l.plan.Groups())
	l.notified, l.committed = make([]int64, groups), make([]int64, groups)

	var effects superstep.Effects
	l.rank, effects = superstep.NewRank(l.plan, l.self, l.slots, mode)
	if err := l.effects(effects, nil); err != nil {
		return err
	}
	if l.lead != nil {
		if err := l.orders(l.lead.state.Begin(), nil); err != nil {
			return err
		}
		if l.size() > 1 && mode == superstep.Split {
			l.tools.Go(l.lookForSlow)
		}
	}
	for {
		for len(l.backlog) > 0 {
			f := l.backlog[0]
			l.backlog = l.backlog[1:]
			if err := f(); err != nil {
				return err
			}
		}
		if l.over {
			return nil
		}
		select {
		case f := <-l.events:
			if err := f(); err != nil {
				return err
			}
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
}

// later queues what this rank tells itself, behind what it was told before. A
// direct call would reach a state machine in the middle of carrying out its
// own effects.
func (l *loop) later(f func() error) { l.backlog = append(l.backlog, f) }

// effects carries out what the state machine wants done here.
func (l *loop) effects(e superstep.Effects, err error) error {
	if err != nil {
		return err
	}
	for _, p := range e.Put {
		if err := l.put(p); err != nil && !isLost(err) {
			return err
		}
	}
	for _, w := range e.Want {
		if err := l.send(w.From, kindWant, wantMessage{Artifact: w.Artifact}); err != nil {
			return err
		}
	}
	for _, t := range e.Threads {
		l.threads[threadsOf{t.Action, t.Share, t.Second}].Set(t.Threads)
	}
	for _, s := range e.Start {
		l.start(s)
	}
	for _, h := range e.Help {
		l.startShare(h)
	}
	for _, a := range e.Stop {
		l.shares.stop[a]()
	}
	for _, a := range e.Repeat {
		l.startSecond(a)
	}
	for _, a := range e.Cease {
		l.seconds.of[a].stop()
	}
	for _, k := range e.Notify {
		l.notified[k] = l.now()
		if err := l.tell(kindNotify, stepMessage{k}); err != nil {
			return err
		}
	}
	return nil
}

// put sends an artifact to a rank that reads it. What came out of a store the
// other has probably received before; it is offered, and sent if it is asked
// for. It may be called from any goroutine.
func (l *loop) put(p superstep.Put) error {
	f := l.file(p.Artifact)
	if digest, size, ok := l.exchange.Stored(f); ok {
		return l.send(p.To, kindOffer, offerMessage{p.Artifact, digest[:], size})
	}
	return l.exchange.Put(transport.Rank(p.To), f)
}

// offered takes what a rank offers out of this rank's own store, or asks for it.
// It may be called from any goroutine.
func (l *loop) offered(from plan.Rank, m offerMessage) error {
	if m.Artifact < 0 || int(m.Artifact) >= len(l.plan.Artifacts) || len(m.Digest) != len(store.Digest{}) {
		return fmt.Errorf("rank %d offers artifact %d of %d, with a digest of %d bytes", from, m.Artifact, len(l.plan.Artifacts), len(m.Digest))
	}
	if err := l.makeScratch(); err != nil {
		return err
	}
	err := store.ErrAbsent
	if l.cache != nil {
		err = l.cache.supply(l.file(m.Artifact), store.File{Digest: store.Digest(m.Digest), Size: m.Size})
	}
	switch {
	case errors.Is(err, exchange.ErrClaimed):
		return nil
	case err != nil: // whatever it is, the bytes help
		return l.send(from, kindWant, wantMessage{m.Artifact, true})
	}
	l.post(func() error { return l.effects(l.rank.Arrived(m.Artifact), nil) })
	return nil
}

// ownRun is an action that runs here.
type ownRun struct {
	stop    context.CancelFunc
	givenUp bool // root asked for that
}

// threadsOf says whose threads they are: an action's, a share's, or a second
// execution's.
type threadsOf struct {
	action plan.ActionID
	share  bool
	second bool
}

// divided notes that something begins with so many threads.
func (l *loop) divided(of threadsOf, n int) *execute.Threads {
	if l.threads == nil {
		l.threads = map[threadsOf]*execute.Threads{}
	}
	l.threads[of] = execute.NewThreads(n)
	return l.threads[of]
}

// start executes an action in a goroutine of its own.
func (l *loop) start(s superstep.Start) {
	a := &l.plan.Actions[s.Action]
	slot := l.free[0]
	l.free = l.free[1:]
	again, n := s.Again, s.Threads
	if l.lead != nil {
		n = l.lead.threads(s)
		if observe := l.lead.observe; s.Action == l.lead.alone && observe != nil {
			l.lead.observe = nil // once, should it be given back
			told := maps.Clone(l.lead.reads)
			l.tools.Go(func() { observe(l, s.Action, told) })
		}
	}
	threads := l.divided(threadsOf{action: a.ID}, n)
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
	l.running[a.ID] = &ownRun{stop: stop}
	var second *secondMade
	if run := l.seconds.of[a.ID]; run != nil && run.made != nil {
		second = run.made // it need not be executed
		delete(l.seconds.of, a.ID)
	}
	l.tools.Go(func() {
		defer stop()
		m := doneMessage{Action: a.ID, Start: l.now(), Slot: slot}
		keep, err := l.make(ctx, a, again, second, threads, &m)
		if second == nil {
			m.Threads = threads.Most()
		}
		if err != nil {
			l.discard(claimed, m.Exported != 0)
		}
		l.post(func() error {
			l.free = append(l.free, slot) // not always that in which it was made
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

// make executes an action, or takes what it would make out of the store. Keep,
// if not nil, puts what was made into the store.
func (l *loop) make(ctx context.Context, a *plan.Action, again bool, second *secondMade, threads *execute.Threads, m *doneMessage) (keep func(), err error) {
	if err := l.makeScratch(); err != nil {
		return nil, err
	}
	if second != nil {
		return l.takeSecond(a, second, m)
	}
	if l.take != nil {
		if err := l.take.learn(ctx, a.ID); err != nil {
			return nil, err
		}
	}
	if again {
		err := l.makeAgain(ctx, a, threads, m)
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
			err := l.cache.restore(a, h, l.runner.Work)
			if err == nil {
				l.look(a, &h)
				m.Cached, m.Output, m.End = true, h.entry.Text, l.now()
				m.Traced, m.Reads = h.keyed.traced, h.reads
				l.cache.note(a, h, false)
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
	result, err := l.execute(ctx, l.shared(executed), threads, func() {
		m.Exported = max(1, l.now()) // 0 says that it was not
		l.export(a)
	})
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
func (l *loop) execute(ctx context.Context, a *plan.Action, threads *execute.Threads, exported func()) (execute.Result, error) {
	if l.take != nil {
		var err error
		if a, err = l.take.prepare(ctx, a); err != nil {
			return execute.Result{}, err
		}
	}
	return l.runner.Run(ctx, a, threads, exported)
}

// export gives out the export data of an action that goes on.
func (l *loop) export(a *plan.Action) {
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
			return l.tell(kindExists, existsMessage{out})
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
	needed := l.cache != nil || l.auditing || slices.ContainsFunc(f.Consumers, func(c plan.ActionID) bool {
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

// finished tells of an action that ended here.
func (l *loop) finished(m doneMessage, err error) error {
	delete(l.threads, threadsOf{action: m.Action})
	a := &l.plan.Actions[m.Action]
	if err != nil {
		for _, out := range a.Outputs {
			l.exchange.Release(l.file(out)) // another rank may make it
		}
	}
	run := l.running[a.ID]
	delete(l.running, a.ID)
	if err != nil && run.givenUp { // whatever it died of
		if err := l.tell(kindDone, doneMessage{Action: a.ID, GivenUp: true, Digests: l.exported(a, m)}); err != nil {
			return err
		}
		return l.effects(l.rank.GaveBack(a.ID))
	}
	if trouble, lasting := l.nodeTrouble(a, err); trouble != "" {
		m.Trouble, m.Lasting = trouble, lasting
		if err := l.tell(kindDone, m); err != nil {
			return err
		}
		return l.effects(l.rank.GaveBack(a.ID))
	}
	if err != nil {
		failed, ok := errors.AsType[*execute.Failure](err)
		if !ok {
			return err
		}
		m.Output = failed.Output
		if err := l.tell(kindDone, m); err != nil {
			return err
		}
		return l.effects(l.rank.Finished(a.ID, false))
	}
	m.OK = true
	if err := l.tell(kindDone, m); err != nil {
		return err
	}
	return l.effects(l.rank.Finished(a.ID, true))
}

// send queues a message for a peer.
func (l *loop) send(to plan.Rank, kind transport.Kind, body any) error {
	err := l.world.Send(transport.Rank(to), transport.Express, transport.Message{Kind: kind, Body: body})
	if isLost(err) {
		return nil // root recovers from that, or this rank ends when it was root
	}
	return err
}

// tell sends a message to root, or to oneself without a detour.
func (l *loop) tell(kind transport.Kind, body any) error {
	if l.lead == nil {
		return l.send(root, kind, body)
	}
	l.later(func() error { return l.hear(l.self, body) })
	return nil
}

// file is an artifact as the exchange sees it. Link objects take the bulk lane,
// so that none of them delays the export data that somebody waits for.
func (l *loop) file(id plan.ArtifactID) exchange.File {
	f := &l.plan.Artifacts[id]
	lane := transport.Express
	if f.Kind == plan.Object {
		lane = transport.Bulk
	}
	return exchange.File{ID: int32(id), Path: f.Path, Lane: lane}
}

// commit closes a barrier here.
func (l *loop) commit(k plan.Superstep) error {
	if k >= 0 && int(k) < len(l.committed) {
		l.committed[k] = l.now()
	}
	return l.effects(l.rank.Committed(k))
}
