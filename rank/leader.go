package rank

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/transport"
)

// leader is what root keeps beside its own part: the state of the whole build
// and the record of what was executed. It belongs to the loop.
type leader struct {
	state    *superstep.Root
	steps    [][]transcript.Command // by action: the commands, for moves
	records  []report.Action
	words    []words
	reads    map[plan.ActionID][]string                             // what C compilers read, of actions that start some
	alone    plan.ActionID                                          // runs when nothing else does; -1 where there is none
	cores    int                                                    // of this node: the slots of all its ranks
	observe  func(*loop, plan.ActionID, map[plan.ActionID][]string) // done while the last action runs, for which nobody waits
	held     bool                                                   // no rank has executed anything: all comes out of stores so far
	moved    int
	taken    map[plan.ActionID][]int // by action: the shares that its compile took
	troubles []int                   // by rank: actions that it gave back
	give     *give                   // nil where no rank is away
	audits   *audits                 // nil without --audit
	reliefs  reliefs
	seconds  []report.Second // second executions of which root was told

	abortOnLoss bool
	progress    *report.Progress

	// farewells gets each peer's last message, and word of its loss; its
	// capacity is both of every peer, so that nobody who says goodbye is kept
	// waiting.
	farewells chan farewell
}

// threads is how many an action gets that begins here. One that runs when
// nothing else does gets the cores of the other ranks of the node too.
func (d *leader) threads(s superstep.Start) int {
	if s.Action == d.alone {
		return max(s.Threads, d.cores)
	}
	return s.Threads
}

// words is what the tools said about one action.
type words struct {
	action plan.ActionID
	text   string
}

type farewell struct {
	from plan.Rank
	lost bool // it is gone, perhaps without one
	farewellMessage
}

// hear is what root does about a message of a rank, its own included.
func (l *loop) hear(from plan.Rank, body any) error {
	d := l.lead
	if !d.state.Alive(from) {
		return nil // it was left out, and does not know yet
	}
	switch m := body.(type) {
	case surveyMessage:
		return l.orders(d.state.Held(m.Epoch, from, m.Artifacts), nil)
	case cutOffMessage:
		return l.lost(from, m)
	case doneMessage:
		if m.Action < 0 || int(m.Action) >= len(l.plan.Actions) {
			return fmt.Errorf("rank %d executed action %d of %d", from, m.Action, len(l.plan.Actions))
		}
		return l.done(from, m)
	case existsMessage:
		if m.Artifact < 0 || int(m.Artifact) >= len(l.plan.Artifacts) {
			return fmt.Errorf("rank %d made artifact %d of %d", from, m.Artifact, len(l.plan.Artifacts))
		}
		if len(m.Relief) > 0 {
			given := made{from, [][]byte{m.Relief}}
			if err := l.agreeOn(m.Artifact, given); err != nil {
				return err
			}
			l.lead.reliefs.given[m.Artifact] = given
		}
		if m.Took > 0 {
			d.state.Led(l.plan.Artifacts[m.Artifact].Producer, from, m.Took)
		}
		return errors.Join(l.executes(), l.exists(from, m.Artifact))
	case stepMessage:
		return l.orders(d.state.Notified(m.Superstep, from))
	case yieldedMessage:
		if m.Action < 0 || int(m.Action) >= len(l.plan.Actions) {
			return fmt.Errorf("rank %d gave up action %d of %d", from, m.Action, len(l.plan.Actions))
		}
		return l.orders(d.state.Yielded(m.Action, from, m.OK))
	case repeatedMessage:
		if m.Action < 0 || int(m.Action) >= len(l.plan.Actions) {
			return fmt.Errorf("rank %d executed action %d of %d a second time", from, m.Action, len(l.plan.Actions))
		}
		if m.Tainted {
			return &nodeError{l.who(from) + ": " + m.Trouble}
		}
		if d.state.Relieving(m.Action) {
			return l.inRelief(from, m)
		}
		return l.audited(from, m)
	}
	return fmt.Errorf("rank %d sent root a %T", from, body)
}

// executes notes at root that a rank has something to execute.
func (l *loop) executes() error {
	if !l.lead.held {
		return nil
	}
	l.lead.held = false
	return l.orders(l.lead.state.Release(), nil)
}

func (l *loop) exists(on plan.Rank, f plan.ArtifactID) error {
	return l.orders(l.lead.state.Exists(f, on), nil)
}

func (l *loop) done(on plan.Rank, m doneMessage) error {
	a := &l.plan.Actions[m.Action]
	if !m.Cached {
		if err := l.executes(); err != nil {
			return err
		}
	}
	if m.GivenUp {
		return l.givenUp(on, m)
	}
	if m.Trouble != "" {
		return l.givenBack(on, m)
	}
	if m.Output != "" {
		l.lead.words = append(l.lead.words, words{a.ID, m.Output})
	}
	if m.Traced {
		if l.lead.reads == nil {
			l.lead.reads = map[plan.ActionID][]string{}
		}
		l.lead.reads[a.ID] = m.Reads
	}
	if len(m.Taken) > 0 {
		if l.lead.taken == nil {
			l.lead.taken = map[plan.ActionID][]int{}
		}
		l.lead.taken[a.ID] = m.Taken
	}
	record := l.lead.record(l.plan, on, m)
	if m.OK {
		for _, out := range a.Outputs {
			if err := l.exists(on, out); err != nil {
				return err
			}
		}
	}
	compared, err := l.agree(on, m)
	if err != nil {
		return err
	}
	l.relievedBy(on, a.ID)
	l.took(on, a, m, record.Took())
	if err := l.audit(on, m, compared); err != nil {
		return err
	}
	if err := l.orders(l.lead.state.Done(a.ID, on, m.OK)); err != nil {
		return err
	}
	l.sayWaiting()
	l.lead.progress.Done(int(on), a.Package, len(l.plan.Actions)-l.lead.state.Left(), len(l.plan.Actions), l.lead.state.Busy())
	return nil
}

func (d *leader) record(p *plan.Plan, on plan.Rank, m doneMessage) report.Action {
	a := &p.Actions[m.Action]
	r := report.Action{
		ID: int32(a.ID), Kind: a.Kind.String(), Package: a.Package, Node: a.Node, Group: int32(a.Group), Cost: a.Cost,
		Rank: int(on), Slot: m.Slot, Threads: m.Threads, Start: m.Start, Exported: m.Exported, End: m.End,
		Begun: m.Begun, Paused: m.Paused, BegunIn: m.BegunIn, Held: m.Held,
		CPU: m.CPU, RSS: m.RSS, Commands: m.Commands, Cached: m.Cached,
	}
	p.Dependencies(a.ID, func(dep plan.ActionID) {
		if !slices.Contains(r.Deps, int32(dep)) {
			r.Deps = append(r.Deps, int32(dep))
		}
	})
	for i, out := range a.Outputs {
		if i >= len(m.Sizes) {
			break
		}
		switch p.Artifacts[out].Kind {
		case plan.Export:
			r.Export = m.Sizes[i]
		case plan.Object:
			r.Object = m.Sizes[i]
		}
	}
	d.records = append(d.records, r)
	return r
}

// share is the record of a share that a rank compiled.
func (d *leader) share(p *plan.Plan, by plan.Rank, s shareRecord) report.Share {
	number, _ := p.Share(s.Action, by)
	return report.Share{
		Action: int32(s.Action), Rank: int(by), Slot: s.Slot, Start: s.Start, End: s.End, CPU: s.CPU, RSS: s.RSS, Bytes: s.Bytes,
		Held: s.Held, Taken: slices.Contains(d.taken[s.Action], number), Failed: s.Failed,
	}
}

// orders carries out what root's state machine wants done.
func (l *loop) orders(o superstep.Orders, err error) error {
	if err != nil {
		return err
	}
	for _, a := range o.Fail {
		if err := l.broadcast(kindFail, actionMessage{a}); err != nil {
			return err
		}
		l.later(func() error { return l.effects(l.rank.Failed(a), nil) })
	}
	for _, y := range o.Yield {
		if y.From == l.self {
			l.later(func() error { return l.yield(y.Action) })
		} else if err := l.send(y.From, kindYield, actionMessage{y.Action}); err != nil {
			return err
		}
	}
	for _, a := range o.Assign {
		l.lead.moved++
		action := l.plan.Actions[a.Action]
		action.Steps = l.lead.steps[a.Action]
		m := assignMessage{action, a.Holders}
		if a.To == l.self {
			l.later(func() error { return l.assigned(m) })
		} else if err := l.send(a.To, kindAssign, m); err != nil {
			return err
		}
	}
	if s := o.Survey; s != nil {
		if err := l.broadcast(kindSurvey, surveyMessage(*s)); err != nil {
			return err
		}
		l.later(func() error { return l.surveyed(*s) })
	}
	if o.Recover != nil {
		if err := l.reassign(*o.Recover); err != nil {
			return err
		}
	}
	for _, a := range o.Dismiss {
		if a.To == l.self {
			l.later(func() error { return l.dismissed(a.Action) })
		} else if err := l.send(a.To, kindDismiss, actionMessage{a.Action}); err != nil {
			return err
		}
	}
	for _, a := range o.Repeat {
		action := l.plan.Actions[a.Action]
		action.Steps = l.lead.steps[a.Action]
		m := repeatMessage{action, a.Holders, l.lead.state.Why(a.Action)}
		if m.Why != superstep.ForAudit {
			l.lead.reliefs.begun++
		}
		if a.To == l.self {
			l.later(func() error { return l.repeat(m) })
		} else if err := l.send(a.To, kindRepeat, m); err != nil {
			return err
		}
	}
	for _, y := range o.GiveUp {
		if y.From == l.self {
			l.later(func() error { return l.giveUp(y.Action) })
		} else if err := l.send(y.From, kindGiveUp, actionMessage{y.Action}); err != nil {
			return err
		}
	}
	for _, k := range o.Commit {
		if err := l.broadcast(kindCommit, stepMessage{k}); err != nil {
			return err
		}
		l.later(func() error { return l.commit(k) })
	}
	if o.Over {
		built := len(l.lead.state.Failed()) == 0
		if err := l.broadcast(kindOver, overMessage{built}); err != nil {
			return err
		}
		l.later(func() error { l.over, l.built = true, built; return nil })
	}
	return nil
}

// broadcast sends a message to every other rank that takes part.
func (l *loop) broadcast(kind transport.Kind, body any) error {
	if l.world == nil {
		return nil
	}
	for to := range l.world.Size() {
		if plan.Rank(to) == l.self || !l.lead.state.Alive(plan.Rank(to)) {
			continue // who is left out may live, and no longer follows
		}
		if err := l.send(plan.Rank(to), kind, body); err != nil {
			return err
		}
	}
	return nil
}

// output is what the tools said that go build would have run too, in the order
// of the plan.
func (d *leader) output(p *plan.Plan) string {
	hidden := p.Hidden(d.state.Failed())
	slices.SortStableFunc(d.words, func(a, b words) int { return int(a.action) - int(b.action) })
	var b strings.Builder
	for _, w := range d.words {
		if !hidden[w.action] {
			b.WriteString(w.text)
		}
	}
	return b.String()
}
