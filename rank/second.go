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
	"github.com/badbubble/distgo/sync/exchange"
)

// A second execution makes all of an action once more, aside, in a directory of
// its own and in slots that would idle, see package superstep. Nothing reads what
// it makes and no store gets it: its digests are told, and that is all.

// seconds is what a rank knows of second executions. It belongs to the loop. Its
// zero value is ready.
type seconds struct {
	of   map[plan.ActionID]*secondRun
	keep bool // --keep-work: what was made stays
}

type secondRun struct {
	action plan.Action        // with the commands that root sent
	stop   context.CancelFunc // nil while it does not run
	spent  int64              // CPU of those that were ended before their end, microseconds
}

// repeat is what a rank does when root wants an action executed a second time.
func (l *loop) repeat(m assignMessage) error {
	id := m.Action.ID
	if id < 0 || int(id) >= len(l.plan.Actions) {
		return fmt.Errorf("action %d of %d is to be executed a second time", id, len(l.plan.Actions))
	}
	a := l.plan.Actions[id] // a copy: the rank may execute the action itself
	if err := a.ValidateSteps(m.Action.Steps); err != nil {
		return err
	}
	a.Steps = m.Action.Steps
	if l.seconds.of == nil {
		l.seconds.of = map[plan.ActionID]*secondRun{}
	}
	if run := l.seconds.of[id]; run != nil {
		run.action = a
	} else {
		l.seconds.of[id] = &secondRun{action: a}
	}
	return l.effects(l.rank.Repeat(id, m.Holders))
}

// startSecond executes an action a second time in a goroutine of its own.
func (l *loop) startSecond(id plan.ActionID) {
	run := l.seconds.of[id]
	a, m := run.action, repeatedMessage{Action: id, Slot: l.free[0]}
	l.free = l.free[1:]
	ctx, stop := context.WithCancel(l.ctx)
	run.stop = stop
	l.tools.Go(func() {
		defer stop()
		m.Start = l.now()
		err := l.makeSecond(ctx, &a, &m)
		m.End = l.now()
		ended := err == nil || ctx.Err() == nil
		l.post(func() error { return l.repeated(m, ended, err) })
	})
}

// makeSecond executes an action aside, and digests what it makes.
func (l *loop) makeSecond(ctx context.Context, a *plan.Action, m *repeatedMessage) error {
	if err := l.makeScratch(); err != nil {
		return err
	}
	if l.take != nil {
		if err := l.take.learn(ctx, a.ID); err != nil {
			return err
		}
	}
	b := aside(a, "-second")
	dir := filepath.Join(l.runner.Work, b.Node)
	if err := os.RemoveAll(dir); err != nil { // of one that was ended
		return err
	}
	if !l.seconds.keep {
		defer os.RemoveAll(dir) // the run's end removes what is left
	}
	if err := l.prepareAside(a, &b); err != nil {
		return err
	}
	result, err := l.execute(ctx, &b, execute.NewThreads(1), func() {})
	m.CPU, m.RSS = result.CPU.Microseconds(), result.MaxRSS
	if altered := l.unaltered(a, &doneMessage{}); altered != nil {
		return altered // whatever the tools made or said of it
	}
	if err != nil {
		return err
	}
	for _, out := range a.Outputs {
		d, _, err := exchange.DigestFile(filepath.Join(dir, strings.TrimPrefix(l.plan.Artifacts[out].Path, a.Node+"/")))
		if err != nil {
			return err
		}
		m.Digests = append(m.Digests, d[:])
	}
	return nil
}

// repeated tells of a second execution that ended here. Nothing that befalls it
// is the build's, but for what it says of the code.
func (l *loop) repeated(m repeatedMessage, ended bool, err error) error {
	l.free = append(l.free, m.Slot)
	run := l.seconds.of[m.Action]
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
	tell, effects, err := l.rank.Repeated(m.Action, ended)
	if err == nil && tell {
		delete(l.seconds.of, m.Action)
		err = l.tell(kindRepeated, m)
	}
	return l.effects(effects, err)
}
