package rank

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/transport"
)

// inbox turns frames into events of the loop. Until the plan is here, which is
// what makes a frame meaningful, it holds up the connections of eager peers.
type inbox struct {
	done   <-chan struct{} // the run is over: nobody waits any more
	plans  chan transport.Frame
	aborts chan *Error // the first reason to give up

	peers *peers // nil where there is no store; set before the world is started

	abortOnLoss  bool // --on-loss=abort
	takeCompiler func(transport.Frame) error

	ready chan struct{} // closed when loop is set
	loop  *loop

	mu        sync.Mutex
	early     []cutOffMessage // losses that no loop has heard of; guarded by mu
	receiving int             // artifacts being received; guarded by mu
	since     time.Time       // when receiving became more than 0; guarded by mu
	busy      time.Duration   // time in which artifacts were being received; guarded by mu
}

func newInbox(done <-chan struct{}) *inbox {
	return &inbox{
		done: done,

		takeCompiler: drop,
		plans:        make(chan transport.Frame, 1),
		aborts:       make(chan *Error, 1), // one is enough: the first is kept
		ready:        make(chan struct{}),
	}
}

// open lets frames through to the loop.
func (b *inbox) open(l *loop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loop = l
	close(b.ready)
	for _, m := range b.early {
		l.later(func() error { return l.tell(kindCutOff, m) })
	}
}

// Receive is called on the read goroutine of a lane.
func (b *inbox) Receive(from transport.Rank, f transport.Frame) error {
	if from != root && slices.Contains(byRootAlone, f.Kind) {
		return fmt.Errorf("rank %d sent a message of kind %d, which is for root to send", from, f.Kind)
	}
	switch f.Kind {
	case kindAbort:
		var m abortMessage
		if err := f.Decode(&m); err != nil {
			return err
		}
		if from != root && int(m.Code) == ExitWorld && b.lose(plan.Rank(from), m.Text) {
			return nil // a node's trouble is not the build's
		}
		b.abort(&Error{Code: int(m.Code), Err: fmt.Errorf("%s", m.Text), Silent: from == root})
		return nil
	case kindHolds:
		return b.peers.told(from, f)
	case kindAsk:
		return b.peers.ask(from, f)
	case kindGiven:
		return b.peers.given(from, f)
	case kindCompiler:
		return b.takeCompiler(f)
	case kindPlan:
		plan, err := readPlanFrame(f)
		if err != nil {
			return err
		}
		select {
		case b.plans <- plan:
			return nil
		default:
			return fmt.Errorf("rank %d sent a second plan", from)
		}
	}
	select {
	case <-b.ready:
	case <-b.done:
		return nil
	}
	return b.dispatch(b.loop, plan.Rank(from), f)
}

func (b *inbox) dispatch(l *loop, from plan.Rank, f transport.Frame) error {
	switch f.Kind {
	case kindPut:
		if err := l.makeScratch(); err != nil {
			return err
		}
		b.receivingBegins()
		id, err := l.exchange.Receive(f)
		b.receivingEnds()
		if _, damaged := errors.AsType[*exchange.DamagedError](err); damaged {
			b.Lost(transport.Rank(from), err) // who sends what it did not make is of no use
			return nil
		}
		if errors.Is(err, exchange.ErrClaimed) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.cache != nil {
			l.cache.hold(l.file(plan.ArtifactID(id)), l.runner.Work)
		}
		l.post(func() error { return l.effects(l.rank.Arrived(plan.ArtifactID(id)), nil) })
	case kindOffer:
		m, err := decode[offerMessage](f)
		if err != nil {
			return err
		}
		return l.offered(from, m)
	case kindWant:
		m, err := decode[wantMessage](f)
		if err != nil {
			return err
		}
		if m.Artifact < 0 || int(m.Artifact) >= len(l.plan.Artifacts) {
			return fmt.Errorf("rank %d wants artifact %d of %d", from, m.Artifact, len(l.plan.Artifacts))
		}
		if m.Offered {
			err = l.exchange.Put(transport.Rank(from), l.file(m.Artifact))
		} else {
			err = l.put(superstep.Put{Artifact: m.Artifact, To: from})
		}
		if _, lost := errors.AsType[*transport.LostError](err); lost {
			return nil // who asked is gone: Lost comes next, and says why
		}
		return err
	case kindHelp:
		m, err := l.help(f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.called(from, m) })
	case kindShare:
		return l.receiveShare(from, f)
	case kindTypes:
		return l.receiveTypes(from, f)
	case kindCommit:
		m, err := decode[stepMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.commit(m.Superstep) })
	case kindFail:
		m, err := l.action(f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.effects(l.rank.Failed(m.Action), nil) })
	case kindYield:
		m, err := l.action(f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.yield(m.Action) })
	case kindAssign:
		m, err := decode[assignMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.assigned(m) })
	case kindGiveUp, kindDismiss:
		m, err := l.action(f)
		if err != nil {
			return err
		}
		if f.Kind == kindGiveUp {
			l.post(func() error { return l.giveUp(m.Action) })
		} else {
			l.post(func() error { return l.dismissed(m.Action) })
		}
	case kindRepeat:
		m, err := decode[repeatMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.repeat(m) })
	case kindOver:
		m, err := decode[overMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { l.over, l.built = true, m.Built; return nil })
	case kindSurvey:
		m, err := decode[surveyMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.surveyed(superstep.Survey(m)) })
	case kindRecover:
		m, err := decode[recoverMessage](f)
		if err != nil {
			return err
		}
		l.post(func() error { return l.recover(m) })
	case kindHeld:
		return relay[surveyMessage](l, from, f)
	case kindCutOff:
		return relay[cutOffMessage](l, from, f)
	case kindReads:
		m, err := decode[readsMessage](f)
		if err != nil || l.lead == nil || l.lead.give == nil {
			return errors.Join(err, fmt.Errorf("rank %d asks for files", from))
		}
		l.post(func() error { return l.answer(from, m) })
	case kindFetch:
		m, err := decode[fetchMessage](f)
		if err != nil || l.lead == nil || l.lead.give == nil {
			return errors.Join(err, fmt.Errorf("rank %d asks for files", from))
		}
		l.post(func() error { return l.serve(from, m) })
	case kindFiles, kindParcel:
		if l.take == nil {
			return errors.New("root sends files that this rank did not ask for")
		}
		if f.Kind == kindFiles {
			m, err := decode[filesMessage](f)
			return errors.Join(err, l.take.listed(m))
		}
		return l.take.receive(f)
	case kindDone:
		return relay[doneMessage](l, from, f)
	case kindNotify:
		return relay[stepMessage](l, from, f)
	case kindExists:
		return relay[existsMessage](l, from, f)
	case kindRepeated:
		return relay[repeatedMessage](l, from, f)
	case kindYielded:
		return relay[yieldedMessage](l, from, f)
	case kindFarewell:
		m, err := decode[farewellMessage](f)
		if err != nil {
			return err
		}
		if l.lead == nil {
			return fmt.Errorf("rank %d took leave of a rank that is not root", from)
		}
		select {
		case l.lead.farewells <- farewell{from: from, farewellMessage: m}: // not through the loop, which has ended
		default:
			return fmt.Errorf("rank %d took leave twice", from)
		}
	default:
		return fmt.Errorf("rank %d sent a message of unknown kind %d", from, f.Kind)
	}
	return nil
}

// Lost is called when a peer is gone without a farewell. Without root there is
// no build; without another rank there is, once root knows.
func (b *inbox) Lost(from transport.Rank, cause error) {
	b.peers.lost(from)
	if from == root || !b.lose(plan.Rank(from), cause.Error()) {
		b.abort(&Error{Code: ExitWorld, Err: cause})
	}
}

// lose hands the loss of a rank to the loop, now or when there is one. It
// returns false when the user wants a loss to end the run.
func (b *inbox) lose(rank plan.Rank, cause string) bool {
	if b.abortOnLoss {
		b.missing(rank)
		return false
	}
	if b.wait(cutOffMessage{rank, cause}) {
		return true
	}
	b.missing(rank)
	b.loop.post(func() error { return b.loop.tell(kindCutOff, cutOffMessage{rank, cause}) })
	return true
}

// missing says that there is no use in waiting for the farewell of a rank.
func (b *inbox) missing(rank plan.Rank) {
	select {
	case <-b.ready:
	default:
		return
	}
	if lead := b.loop.lead; lead != nil {
		select {
		case lead.farewells <- farewell{from: rank, lost: true}:
		default: // it has told of its trouble, left, and was lost then
		}
	}
}

// wait keeps a loss for the loop, if there is none yet.
func (b *inbox) wait(m cutOffMessage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.ready:
		return false
	default:
		b.early = append(b.early, m)
		return true
	}
}

// abort keeps the first reason.
func (b *inbox) abort(e *Error) {
	select {
	case b.aborts <- e:
	default:
	}
}

// relay hands root a message meant for it.
func relay[M any](l *loop, from plan.Rank, f transport.Frame) error {
	if l.lead == nil {
		return fmt.Errorf("rank %d sent a message that is for root", from)
	}
	m, err := decode[M](f)
	if err != nil {
		return err
	}
	l.post(func() error { return l.hear(from, m) })
	return nil
}

func decode[M any](f transport.Frame) (M, error) {
	var m M
	err := f.Decode(&m)
	return m, err
}

// action decodes a message that names an action of the plan.
func (l *loop) action(f transport.Frame) (actionMessage, error) {
	m, err := decode[actionMessage](f)
	if err == nil && (m.Action < 0 || int(m.Action) >= len(l.plan.Actions)) {
		err = fmt.Errorf("action %d of %d", m.Action, len(l.plan.Actions))
	}
	return m, err
}

func (l *loop) yield(a plan.ActionID) error {
	effects, ok := l.rank.Yield(a)
	if err := l.tell(kindYielded, yieldedMessage{a, ok}); err != nil {
		return err
	}
	return l.effects(effects, nil)
}

// assigned takes over an action of another rank, whose commands come with it.
func (l *loop) assigned(m assignMessage) error {
	if id := m.Action.ID; id < 0 || int(id) >= len(l.plan.Actions) {
		return fmt.Errorf("action %d of %d was assigned", id, len(l.plan.Actions))
	}
	if err := l.plan.Actions[m.Action.ID].ValidateSteps(m.Action.Steps); err != nil {
		return err
	}
	l.plan.Actions[m.Action.ID].Steps = m.Action.Steps
	return l.effects(l.rank.Assigned(m.Action.ID, m.Holders))
}

func (b *inbox) receivingBegins() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receiving++; b.receiving == 1 {
		b.since = time.Now()
	}
}

func (b *inbox) receivingEnds() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receiving--; b.receiving == 0 {
		b.busy += time.Since(b.since)
	}
}

func (b *inbox) exchanging() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.busy
}
