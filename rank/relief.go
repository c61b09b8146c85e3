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
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
)

// Relief of a slow rank, see package superstep: here is the clock. Root counts the
// ticks that it gets to, not the time between them: while root itself does not get
// on, nobody becomes slow.

// reliefs is what root knows of what was executed in relief. It belongs to the loop.
type reliefs struct {
	begun int                      // second executions that were asked for
	made  map[plan.ActionID]made   // by whom
	given map[plan.ArtifactID]made // export data that was given out in relief
	taken int                      // what was made was used
}

// lookForSlow has root look for slow ranks now and then.
func (l *loop) lookForSlow() {
	tick := time.NewTicker(superstep.LookEvery * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.post(func() error { return l.orders(l.lead.state.Look(superstep.LookEvery), nil) })
		case <-l.ctx.Done():
			return
		}
	}
}

// took tells how long an action was executed, as if in one thread: a rank is not
// faster than others for having less to do, nor slower for what it held.
func (l *loop) took(on plan.Rank, a *plan.Action, m doneMessage, inSlot int64) {
	if m.OK && !m.Cached && a.Kind != plan.Link {
		l.lead.state.Took(a.ID, on, max(inSlot, m.CPU))
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
	if ok {
		l.lead.reliefs.made[a.ID] = made{by, m.Digests}
		for _, y := range orders.GiveUp {
			if l.lead.state.Waits(a.ID) {
				continue // it was stuck behind others: nobody is slow
			}
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
	for i, out := range a.Outputs {
		if len(m.Digests) == len(a.Outputs) && len(m.Digests[i]) > 0 {
			if err := l.agreeOn(out, made{on, m.Digests[i : i+1]}); err != nil {
				return false, err
			}
		}
	}
	r, ok := l.lead.reliefs.made[a.ID]
	if !ok || r.by == on || m.Cached || !m.OK && !m.GivenUp && m.Output == "" {
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

// agreeOn compares export data with what was given out of it in relief, if it was.
func (l *loop) agreeOn(f plan.ArtifactID, m made) error {
	g, ok := l.lead.reliefs.given[f]
	if !ok || slices.Equal(m.digests[0], g.digests[0]) {
		return nil
	}
	out := &l.plan.Artifacts[f]
	a := &l.plan.Actions[out.Producer]
	return l.unequal("relief", a, g.by, m.by, fmt.Sprintf("%s and %s made different files of the same inputs: its %s (%s) is %.12x and %.12x",
		l.who(g.by), l.who(m.by), out.Kind, out.Path, g.digests[0], m.digests[0]))
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
	m.Start, m.End, m.Slot, m.Threads = s.record.Start, s.record.End, s.record.Slot, s.threads.Most()
	m.Held = s.record.Held
	m.CPU, m.RSS, m.Commands, m.Output = s.record.CPU, s.record.RSS, s.result.Commands, s.result.Output
	if err := l.fill(a, aside(a, secondSuffix).Node, m); err != nil {
		return nil, err
	}
	m.Exported = s.record.Exported
	if !s.kept {
		return nil, nil
	}
	l.cache.note(a, s.hit, true)
	return func() { l.cache.keep(a, s.hit, s.result.Output, l.runner.Work) }, nil
}

// fill moves what an action made aside to where it is missing. What is here, and read,
// has to be the same.
func (l *loop) fill(a *plan.Action, node string, m *doneMessage) (err error) {
	for _, out := range a.Outputs {
		f := &l.plan.Artifacts[out]
		place := filepath.Join(l.runner.Work, f.Path)
		if known, here := l.exchange.Digest(l.file(out)); here {
			d, _, err := exchange.DigestFile(l.asideFile(a, filepath.Join(l.runner.Work, node), out))
			if err != nil {
				return err
			}
			if d != known {
				return &nodeError{fmt.Sprintf("the %s (%s) that was made of %s differs from what another rank made of the same inputs and gave out", f.Kind, f.Path, a.Package)}
			}
		}
		if _, err := os.Stat(place); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return err
		}
		if err := os.Rename(l.asideFile(a, filepath.Join(l.runner.Work, node), out), place); err != nil {
			return err
		}
	}
	m.Sizes, err = l.offer(a)
	m.Digests = l.digests(a)
	return err
}

// secondMade is what is known where a second execution was made.
type secondMade struct {
	threads *execute.Threads
	aside   bool // what it makes lies aside
	result  execute.Result
	record  repeatedMessage
	hit     hit
	kept    bool // the store is given it, when it is taken over; not where C compilers would have to tell what they read
}
