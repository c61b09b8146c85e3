package replay

import (
	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/superstep"
)

// A clock is the time of an execution. It stands still while that is held.
type clock struct {
	held    bool
	since   int64
	stopped int64 // for so long, until it last went on
	waiting []func()
}

// reads is what a clock says at a time.
func (c *clock) reads(now int64) int64 {
	if c.held {
		now = c.since
	}
	return now - c.stopped
}

// hold has the clocks of actions stand still, and go on, as their threads are taken and
// given back.
func (w *world) hold(r plan.Rank, t superstep.Threads) {
	of := w.executions
	switch {
	case t.Second:
		of = w.seconds
	case t.Share:
		of = w.shares
	}
	e, runs := of[helper{t.Action, r}]
	switch {
	case !runs || t.Ahead || e.held == (t.Threads == 0):
	case !e.held:
		e.held, e.since = true, w.now
	default:
		e.held = false
		e.stopped += w.now - e.since
		waiting := e.waiting
		e.waiting = nil
		for _, do := range waiting {
			do()
		}
	}
}

// at does something at a time on a clock, given as what it would be if that went on as it
// does now.
func (w *world) at(c *clock, due int64, do func()) {
	stopped := c.stopped
	w.after(due-w.now, func() {
		again := func() { w.at(c, due+c.stopped-stopped, do) }
		switch {
		case c.held:
			c.waiting = append(c.waiting, again)
		case c.stopped > stopped:
			again()
		default:
			do()
		}
	})
}
