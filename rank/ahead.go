package rank

import (
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
)

// A slot that has nothing to do starts the compiler of what it will execute
// next. It parses, which with its start takes a small package as long as the
// rest of its front end, and waits for its imports; the build's longest chain
// is that much shorter.
//
// After each event the loop compares what it has started ahead with what the
// state machine says, and lets go what was moved, dropped or given up. Nothing
// is started while the store answers: what it last said is what it will say
// next.

const (
	// aheadPerSlot bounds the compilers that wait. Each has 2 to 12 MB of its own, 30 for runtime; a tenth of what the
	// largest compile of a slot takes.
	aheadPerSlot = 8
	// aheadPace is how long an idle slot waits before it starts one, and another: about what most need to parse. What
	// becomes ready just then has the core for itself, or shares it with one.
	aheadPace = 10 * time.Millisecond
)

// early is a compile that was started ahead. While it is being started, or let
// go, it writes files that a Run of the action would write too.
type early struct {
	begun   int64          // microseconds since the plan was here
	ready   chan struct{}  // closed when started is set
	started *execute.Ahead // nil where it could not be started
	gone    bool           // it is being let go; set by the loop
}

// lookAhead starts compiles ahead and lets others go. The loop calls it when
// all effects are carried out, and again when the channel that it returns says
// so, nil if there is nothing to wait for.
func (l *loop) lookAhead() <-chan time.Time {
	for a, e := range l.early {
		if !e.gone && !l.rank.Awaits(a) {
			l.letGo(a, e)
		}
	}
	if l.runner.Pipelined == nil || !l.missed.Load() {
		return nil
	}
	if left := aheadPace - time.Since(l.quiet); left > 0 {
		return time.After(left)
	}
	next := l.rank.Ahead(aheadPerSlot*l.slots-len(l.early), l.canStartAhead)
	if len(next) == 0 {
		return nil
	}
	for _, a := range next {
		l.startAhead(l.plan.Actions[a])
	}
	l.quiet = time.Now()
	return time.After(aheadPace)
}

func (l *loop) canStartAhead(a plan.ActionID) bool {
	if l.early[a] != nil || !l.runner.CanStartAhead(&l.plan.Actions[a]) {
		return false
	}
	for _, in := range l.plan.Actions[a].Inputs {
		if l.plan.Artifacts[in].Kind != plan.Export {
			return false // the compiler may read it before it waits
		}
	}
	return true
}

// startAhead starts a compile. Where that fails it counts as one that waits:
// it is not tried again, and when its turn has come the trouble shows.
func (l *loop) startAhead(a plan.Action) {
	e := &early{begun: l.now(), ready: make(chan struct{})}
	l.early[a.ID] = e
	l.tools.Go(func() {
		defer close(e.ready)
		here, err := l.prepare(l.shared(&a))
		if err == nil {
			e.started, _ = l.runner.Ahead(l.ctx, here)
		}
	})
}

// letGo ends a compile that is not needed. It is forgotten when it has ended:
// its action may come back.
func (l *loop) letGo(a plan.ActionID, e *early) {
	e.gone = true
	l.tools.Go(func() {
		e.end()
		l.post(func() error {
			if l.early[a] == e {
				delete(l.early, a)
			}
			return nil
		})
	})
}

// letAllGo is for the end of the loop.
func (l *loop) letAllGo() {
	for a, e := range l.early {
		if !e.gone {
			l.letGo(a, e)
		}
	}
}

// takeEarly takes what was started ahead of an action that begins, nil if
// nothing was.
func (l *loop) takeEarly(a plan.ActionID) *early {
	e := l.early[a]
	delete(l.early, a)
	return e
}

// handOver returns what was started ahead, nil if nothing was.
func (e *early) handOver() *execute.Ahead {
	if e == nil {
		return nil
	}
	<-e.ready
	if e.gone {
		return nil
	}
	return e.started
}

// end returns when a compile that was not handed over has ended.
func (e *early) end() {
	<-e.ready
	if e.started != nil {
		e.started.LetGo()
	}
}
