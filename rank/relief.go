package rank

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/report"
)

// Relief of a slow rank, see package superstep: here is the clock. Root sees for
// how long a rank has had an action, and how long what has ended took against
// what it was expected to take; whom it takes to be slow, an idle rank relieves.
// It counts the ticks that it gets to, not the time between them: while root itself
// does not get on, nobody becomes slow.

const (
	reliefEvery = 200 * time.Millisecond // a tick; reliefAfter is five
	reliefAfter = 1_000_000              // microseconds that any action may take longer than expected: inputs may be on their way
	reliefMuch  = 3                      // times what it would take elsewhere is too long
	slowTimes   = 2                      // times the others' time for the same makes a rank slow
	evidence    = 1_000_000              // microseconds that the actions were expected to take by which a rank is judged
)

// pace is what actions were expected to take, and what they took, in microseconds.
type pace struct{ expected, took int64 }

func (p pace) known() bool    { return p.expected >= evidence && p.took > 0 }
func (p pace) times() float64 { return float64(p.took) / float64(p.expected) }

// tooSlow reports whether an action that a rank has had for so long, and that
// costs so much, would be done sooner if another rank began it now: if it takes
// much longer than it should, or if the rank is slow with everything.
func tooSlow(own, others pace, elapsed, cost int64) bool {
	if !others.known() {
		return false
	}
	elsewhere := float64(cost) * others.times()
	after := reliefAfter * max(1, others.times()) // where all are slowed down, what is on its way is, too
	if float64(elapsed) > reliefMuch*elsewhere+after {
		return true
	}
	left := float64(cost)*own.times() - float64(elapsed)
	return own.known() && own.times() > slowTimes*others.times() && left > slowTimes*elsewhere+after
}

// reliefs is what root knows of slow ranks. It belongs to the loop.
type reliefs struct {
	paces []pace                                                 // by rank
	all   pace                                                   // their sum
	seen  map[plan.ActionID]had                                  // what ran when root last looked
	begun int                                                    // second executions that were asked for
	made  map[plan.ActionID]made                                 // in relief, by whom
	slow  func(on plan.Rank, a *plan.Action, elapsed int64) bool // if set, decides in place of tooSlow
	vain  map[plan.ActionID]bool                                 // it could not be executed in relief, and is not tried again
	taken int                                                    // what was made in relief was used
}

type had struct {
	on      plan.Rank
	elapsed int64 // microseconds, as far as root has looked
}

// watchPace has root look for slow ranks now and then.
func (l *loop) watchPace() {
	tick := time.NewTicker(reliefEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.post(func() error { return l.relieve(reliefEvery.Microseconds()) })
		case <-l.ctx.Done():
			return
		}
	}
}

// relieve looks for actions of slow ranks, so long after it last did.
func (l *loop) relieve(passed int64) error {
	d := &l.lead.reliefs
	seen := map[plan.ActionID]had{}
	slow := d.slow
	if slow == nil {
		slow = d.isSlow
	}
	var late []plan.ActionID
	for on := range plan.Rank(l.size()) {
		for _, a := range l.lead.state.Running(on) {
			h := had{on: on}
			if before, ok := d.seen[a]; ok && before.on == on {
				h.elapsed = before.elapsed + passed
			}
			seen[a] = h
			if !d.vain[a] && slow(on, &l.plan.Actions[a], h.elapsed) {
				late = append(late, a)
			}
		}
	}
	d.seen = seen
	for _, a := range late {
		o := l.lead.state.Relieve(a)
		d.begun += len(o.Repeat)
		if err := l.orders(o, nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *reliefs) isSlow(on plan.Rank, a *plan.Action, elapsed int64) bool {
	own := d.paces[on]
	return tooSlow(own, pace{d.all.expected - own.expected, d.all.took - own.took}, elapsed, a.Cost)
}

// paced notes how long an action took.
func (d *reliefs) paced(on plan.Rank, a *plan.Action, m doneMessage) {
	if m.OK && !m.Cached && a.Kind != plan.Link {
		for _, p := range []*pace{&d.paces[on], &d.all} {
			p.expected += a.Cost
			p.took += m.End - m.Start
		}
	}
}

// inRelief is what root does when a rank has executed an action in relief of
// another, or could not: then it is as if it had not been asked.
func (l *loop) inRelief(by plan.Rank, m repeatedMessage) error {
	a := &l.plan.Actions[m.Action]
	ok := m.Trouble == "" && !m.Refused
	awaited, orders := l.lead.state.Repeated(m.Action, by, ok)
	if !awaited {
		return l.orders(orders, nil)
	}
	if ok && len(m.Digests) != len(a.Outputs) {
		return fmt.Errorf("rank %d made %d files of %s, which has %d", by, len(m.Digests), a.Package, len(a.Outputs))
	}
	if !ok {
		l.lead.reliefs.vain[a.ID] = true
	} else {
		l.lead.reliefs.made[a.ID] = made{by, m.Digests}
		for _, y := range orders.GiveUp {
			l.lead.progress.Say("distgo: %s is slow with %s, which %s has made meanwhile", l.who(y.From), a.Package, l.who(by))
		}
	}
	l.lead.seconds = append(l.lead.seconds, l.secondRecord(by, m, true))
	return l.orders(orders, nil)
}

// agree compares what a rank made, or gave out of what it gave up, with what was
// made in its relief, and returns whether all of it was compared.
func (l *loop) agree(on plan.Rank, m doneMessage) (all bool, err error) {
	a := &l.plan.Actions[m.Action]
	r, ok := l.lead.reliefs.made[a.ID]
	if !ok || r.by == on || !m.OK && !m.GivenUp && m.Output == "" {
		return false, nil
	}
	if !m.OK && !m.GivenUp {
		return false, l.unequal("relief", a, r.by, on, fmt.Sprintf("%s made it, and %s says: %s", l.who(r.by), l.who(on), strings.TrimSpace(m.Output)))
	}
	all = len(m.Digests) == len(a.Outputs)
	known := made{r.by, slices.Clone(r.digests)}
	for i := range min(len(m.Digests), len(known.digests)) {
		if len(m.Digests[i]) == 0 { // not digested, or not given out
			all, known.digests[i] = false, nil
		}
	}
	if len(m.Digests) == len(known.digests) && !slices.EqualFunc(m.Digests, known.digests, slices.Equal) {
		return false, l.unequal("relief", a, on, r.by, l.difference(a, made{on, m.Digests}, known))
	}
	return all, nil
}

// givenUp is what root does when a rank has given up an action because it was
// asked to.
func (l *loop) givenUp(on plan.Rank, m doneMessage) error {
	if _, err := l.agree(on, m); err != nil {
		return err
	}
	return l.orders(l.lead.state.GaveUp(m.Action, on))
}

// relievedBy notes that a rank has taken over what it made in relief: the record
// of the action is that of its second execution.
func (l *loop) relievedBy(on plan.Rank, a plan.ActionID) {
	if r, ok := l.lead.reliefs.made[a]; ok && r.by == on {
		l.lead.reliefs.taken++
		l.lead.seconds = slices.DeleteFunc(l.lead.seconds, func(s report.Second) bool { return s.Relief && s.Action == int32(a) && s.Rank == int(on) })
	}
	delete(l.lead.reliefs.made, a)
}

// giveUp is what a rank does that root takes to be slow with an action.
func (l *loop) giveUp(a plan.ActionID) error {
	runs, gaveUp, effects := l.rank.GiveUp(a)
	if runs {
		if run := l.running[a]; run != nil {
			run.givenUp = true
			run.stop()
		}
	}
	if gaveUp {
		if err := l.tell(kindDone, doneMessage{Action: a, GivenUp: true}); err != nil {
			return err
		}
	}
	return l.effects(effects, nil)
}

// exported are the digests of what an action gave out that is given up.
func (l *loop) exported(a *plan.Action, m doneMessage) [][]byte {
	all := make([][]byte, len(a.Outputs))
	for i, out := range a.Outputs {
		if d, ok := l.exchange.Digest(l.file(out)); ok && m.Exported != 0 && l.plan.Artifacts[out].Kind == plan.Export {
			all[i] = d[:]
		}
	}
	return all
}

// dismissed is what a rank does about a second execution of no use.
func (l *loop) dismissed(a plan.ActionID) error {
	if run := l.seconds.of[a]; run != nil && run.made != nil {
		delete(l.seconds.of, a) // its directory goes with the run's
	}
	return l.effects(l.rank.Dismiss(a), nil)
}

// takeSecond puts what was made in relief in its place, as this rank executes the
// action now, and says of it what was measured then. Keep is as make returns it.
func (l *loop) takeSecond(a *plan.Action, s *secondMade, m *doneMessage) (keep func(), err error) {
	m.Start, m.End, m.Slot, m.Threads = s.record.Start, s.record.End, s.record.Slot, s.threads
	m.CPU, m.RSS, m.Commands, m.Output = s.record.CPU, s.record.RSS, s.result.Commands, s.result.Output
	for i, out := range a.Outputs {
		if d, ok := l.exchange.Digest(l.file(out)); ok && !slices.Equal(d[:], s.record.Digests[i]) {
			f := &l.plan.Artifacts[out]
			return nil, &nodeError{fmt.Sprintf("the %s (%s) that was made of %s differs from what another rank gave out of the same inputs before it was lost", f.Kind, f.Path, a.Package)}
		}
	}
	if err := l.fill(a, aside(a, secondSuffix).Node, m); err != nil || !s.kept {
		return nil, err
	}
	l.cache.note(a, s.hit, true)
	return func() { l.cache.keep(a, s.hit, s.result.Output, l.runner.Work) }, nil
}

// fill moves what an action made aside to where it is missing.
func (l *loop) fill(a *plan.Action, node string, m *doneMessage) (err error) {
	for _, out := range a.Outputs {
		path := l.plan.Artifacts[out].Path
		place := filepath.Join(l.runner.Work, path)
		if _, err := os.Stat(place); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(l.runner.Work, node, strings.TrimPrefix(path, a.Node+"/")), place); err != nil {
			return err
		}
	}
	m.Sizes, err = l.offer(a)
	m.Digests = l.digests(a)
	return err
}

// secondMade is what is known where a second execution was made.
type secondMade struct {
	threads int
	aside   bool // what it makes lies aside
	result  execute.Result
	record  repeatedMessage
	hit     hit
	kept    bool // the store is given it, when it is taken over; not where C compilers would have to tell what they read
}
