package rank

import (
	"context"
	"errors"
	"fmt"
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
	free    []int                                    // slot numbers without an action
	threads map[superstep.Execution]*execute.Threads // of what runs
	backlog []func() error                           // what this rank tells itself; done before the next event
	over    bool
	built   bool

	notified, committed []int64

	placed sync.Map // shapes of programs, by their places
	shares shares
	aheads aheads

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
	l.aheads.possible = mode == superstep.Split && l.plan.Pipelined && l.plan.Aside > 0 && l.runner.Pipelined.Types != ""
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
		l.threads[t.Execution].Set(t.Threads)
		l.hold(t)
	}
	for _, a := range e.Quit {
		l.aheads.of[a].quit()
	}
	for _, p := range e.Types {
		if err := l.sendTypes(p); err != nil {
			return err
		}
	}
	for _, s := range e.Start {
		l.start(s)
	}
	for _, h := range e.Help {
		l.startShare(h)
	}
	for _, h := range e.Ahead {
		l.beginAhead(h)
	}
	for _, a := range e.Stop {
		l.shares.running[a].stop()
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

// finished tells of an action that ended here.
func (l *loop) finished(m doneMessage, err error) error {
	delete(l.threads, superstep.Execution{Action: m.Action})
	a := &l.plan.Actions[m.Action]
	if err != nil {
		for _, out := range a.Outputs {
			here, err := l.exchange.Release(l.file(out))
			if err != nil {
				return err
			}
			if here { // another rank has made it, else it may
				l.later(func() error { return l.effects(l.rank.Arrived(out), nil) })
			}
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
