package rank

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
)

// A second execution makes all of an action once more, aside, in a directory of
// its own, see package superstep. Its digests are told, and for an audit that is all:
// nothing reads what it makes and no store gets it. What is made in relief of a slow
// rank lies aside until root decides, but for export data, which goes to who waits for
// it if nobody else has given it out.

// seconds is what a rank knows of second executions. It belongs to the loop. Its
// zero value is ready.
type seconds struct {
	of   map[plan.ActionID]*secondRun // those that root wants, run, or lie aside
	keep bool                         // --keep-work: what was made stays
}

type secondRun struct {
	inSlot
	action plan.Action        // with the commands that root sent
	stop   context.CancelFunc // nil while it does not run
	gave   bool               // it gave out export data
	spent  int64              // CPU of those that were ended before their end, microseconds
	relief bool               // what it makes is to lie aside
	made   *secondMade        // does so
}

// repeat is what a rank does when root wants an action executed a second time.
func (l *loop) repeat(m repeatMessage) error {
	id := m.Action.ID
	if id < 0 || int(id) >= len(l.plan.Actions) {
		return fmt.Errorf("action %d of %d is to be executed a second time", id, len(l.plan.Actions))
	}
	if m.Why > superstep.BackEndLate {
		return fmt.Errorf("%s is to be executed a second time for reason %d, which is none", l.plan.Actions[id].Package, m.Why)
	}
	a := l.plan.Actions[id] // a copy: the rank may execute the action itself
	if err := a.ValidateSteps(m.Action.Steps); err != nil {
		return err
	}
	a.Steps = m.Action.Steps
	if l.seconds.of == nil {
		l.seconds.of = map[plan.ActionID]*secondRun{}
	}
	run := l.seconds.of[id]
	if run == nil || run.made != nil {
		run = &secondRun{}
		l.seconds.of[id] = run
	}
	run.action, run.relief = a, m.Why != superstep.ForAudit
	return l.effects(l.rank.Repeat(id, m.Holders, m.Why))
}

// startSecond executes an action a second time in a goroutine of its own.
func (l *loop) startSecond(h superstep.Help) {
	run := l.seconds.of[h.Action]
	a, m := run.action, repeatedMessage{Action: h.Action, Slot: l.free[0]}
	run.inSlot, run.gave, l.free = inSlot{slot: m.Slot}, false, l.free[1:]
	ctx, stop := context.WithCancel(l.ctx)
	run.stop = stop
	made := &secondMade{threads: l.divided(superstep.Execution{Action: h.Action, Second: true}, h.Threads), aside: run.relief}
	l.tools.Go(func() {
		defer stop()
		m.Start = l.now()
		err := l.makeSecond(ctx, &a, made, &m)
		m.End = l.now()
		ended := err == nil || ctx.Err() == nil
		l.post(func() error { return l.repeated(m, made, ended, err) })
	})
}

// secondSuffix ends the names of second executions' directories.
const secondSuffix = "-second"

// makeSecond executes an action aside, and digests what it makes.
func (l *loop) makeSecond(ctx context.Context, a *plan.Action, made *secondMade, m *repeatedMessage) (err error) {
	if err := l.makeScratch(); err != nil {
		return err
	}
	if l.take != nil {
		if err := l.take.learn(ctx, a.ID); err != nil {
			return err
		}
	}
	b := aside(a, secondSuffix)
	dir := filepath.Join(l.runner.Work, b.Node)
	if err := os.RemoveAll(dir); err != nil { // of one that was ended
		return err
	}
	if !made.aside && !l.seconds.keep {
		defer os.RemoveAll(dir) // the run's end removes what is left
	}
	if err := l.prepareAside(a, &b); err != nil {
		return err
	}
	changed := func() string { return "" }
	if made.aside && l.cache != nil {
		if made.hit, made.kept, err = l.cache.lookup(ctx, a); err != nil {
			return err
		}
		if made.kept {
			changed = l.cache.watch(made.hit.keyed)
		}
	}
	made.result, err = l.execute(ctx, &b, made.threads, execute.Moments{Exported: func() {
		m.Exported = max(1, l.now())
		if made.aside {
			l.giveOut(a, dir, m.Start, m.Exported)
		}
	}})
	m.CPU, m.RSS = made.result.CPU.Microseconds(), made.result.MaxRSS
	said := doneMessage{Exported: m.Exported}
	if altered := l.unaltered(a, &said); altered != nil {
		m.Tainted = said.Tainted
		return altered // whatever the tools made or said of it
	}
	if err != nil {
		return err
	}
	made.kept = made.kept && !made.hit.keyed.traced && changed() == ""
	for _, out := range a.Outputs {
		d, _, err := exchange.DigestFile(l.asideFile(a, dir, out))
		if err != nil {
			return err
		}
		m.Digests = append(m.Digests, d[:])
	}
	return nil
}

// asideFile is where an output of an action is that is executed in another directory.
func (l *loop) asideFile(a *plan.Action, dir string, out plan.ArtifactID) string {
	return filepath.Join(dir, strings.TrimPrefix(l.plan.Artifacts[out].Path, a.Node+"/"))
}

// giveOut puts the export data in its place that was made in dir, in relief, and gives
// it out, if nobody has done so before. Where that cannot be done, who has the action
// does it.
func (l *loop) giveOut(a *plan.Action, dir string, start, exported int64) {
	if l.unaltered(a, &doneMessage{}) != nil {
		return
	}
	for _, out := range a.Outputs {
		if l.plan.Artifacts[out].Kind != plan.Export {
			continue
		}
		path := l.asideFile(a, dir, out)
		d, size, err := exchange.DigestFile(path)
		if err != nil {
			continue
		}
		l.post(func() error {
			if !l.rank.GivesOut(out) || l.exchange.Adopt(l.file(out), path, d, size) != nil {
				return nil
			}
			l.seconds.of[a.ID].gave = true
			took := exported - start
			for _, h := range l.seconds.of[a.ID].holds(start, exported) {
				took -= h.To - h.From
			}
			if err := l.tell(kindExists, existsMessage{out, took, d[:]}); err != nil {
				return err
			}
			return l.effects(l.rank.GaveOut(out))
		})
	}
}

// repeated tells of a second execution that ended here. Nothing that befalls it
// is the build's, but for what it says of the code.
func (l *loop) repeated(m repeatedMessage, made *secondMade, ended bool, err error) error {
	delete(l.threads, superstep.Execution{Action: m.Action, Second: true})
	run := l.seconds.of[m.Action]
	if run.slot >= 0 {
		l.free = append(l.free, run.slot)
	}
	m.Held = run.holds(m.Start, m.End)
	m.Tainted = m.Tainted && run.gave
	run.spent += m.CPU
	m.CPU = run.spent
	if err != nil {
		m.Trouble, _ = l.nodeTrouble(&run.action, err)
		if failed, ok := errors.AsType[*execute.Failure](err); ok && m.Trouble == "" {
			m.Refused, m.Output = true, failed.Output
		} else if m.Trouble == "" {
			m.Trouble = err.Error()
		}
	}
	failed := err != nil
	tell, effects, err := l.rank.Repeated(m.Action, ended)
	if err == nil && tell {
		if delete(l.seconds.of, m.Action); run.relief && !failed {
			made.record = m
			run.made = made
			l.seconds.of[m.Action] = run
		}
	}
	if err == nil && (tell || m.Tainted) {
		err = l.tell(kindRepeated, m)
	}
	return l.effects(effects, err)
}
