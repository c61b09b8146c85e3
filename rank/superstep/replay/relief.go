package replay

import (
	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/superstep"
)

// execution is one of an action by a rank; its number tells it from those that were given up.
type execution struct {
	number, begun int64
	*clock
}

// look has root look for slow ranks now and then, as long as anything is to happen.
func (w *world) look() {
	w.orders(w.root.Look(superstep.LookEvery), nil)
	if len(w.coming) > 0 {
		w.after(superstep.LookEvery, w.look)
	}
}

// takes is how long an action takes on a rank, which may be slow, or have made it in relief of another.
func (w *world) takes(r plan.Rank, a plan.ActionID) Duration {
	if _, ok := w.made[helper{a, r}]; ok {
		return Duration{}
	}
	took := w.took[a]
	if w.times != nil {
		took = took.Each(func(part int64) int64 { return int64(w.times[r] * float64(part)) })
	}
	return took
}

// repeat executes an action a second time.
func (w *world) repeat(r plan.Rank, a plan.ActionID) {
	w.number++
	key, took, this := helper{a, r}, w.takes(r, a), execution{w.number, w.now, &clock{}}
	w.seconds[key] = this
	then := func(delay int64, do func()) {
		w.at(this.clock, w.now+delay, func() {
			if w.seconds[key] == this {
				do()
			}
		})
	}
	if took.Lead < took.Cost {
		then(took.Lead, func() { w.giveOut(r, a, took.Lead) })
	}
	then(took.Cost, func() { w.repeated(key, true, took.Cost) })
}

// giveOut gives out the export data that was made in relief, if nobody has.
func (w *world) giveOut(r plan.Rank, a plan.ActionID, led int64) {
	for _, f := range w.plan.Actions[a].Outputs {
		if w.plan.Artifacts[f].Kind == plan.Export && w.ranks[r].GivesOut(f) {
			w.tell(r, 0, func() {
				w.root.Led(a, r, led)
				w.orders(w.root.Exists(f, r), nil)
			})
			e, err := w.ranks[r].GaveOut(f)
			w.effects(r, e, err)
		}
	}
}

// repeated ends a second execution. All are in relief here.
func (w *world) repeated(k helper, ended bool, cost int64) {
	delete(w.seconds, k)
	tell, e, err := w.ranks[k.rank].Repeated(k.action, ended)
	if tell {
		w.made[k] = cost
		w.tell(k.rank, 0, func() {
			_, o := w.root.Repeated(k.action, k.rank, true)
			w.orders(o, nil)
		})
	}
	w.effects(k.rank, e, err)
}

// giveUp ends an action that another rank has made.
func (w *world) giveUp(r plan.Rank, a plan.ActionID) {
	runs, gaveUp, e := w.ranks[r].GiveUp(a)
	if runs || gaveUp {
		w.tell(r, 0, func() { w.orders(w.root.GaveUp(a, r)) })
	}
	w.effects(r, e, nil)
	if runs {
		delete(w.executions, helper{a, r})
		w.dismiss(r, a)
		e, err := w.ranks[r].GaveBack(a)
		w.effects(r, e, err)
		for _, f := range w.meanwhile[helper{a, r}] {
			w.effects(r, w.ranks[r].Arrived(f), nil)
		}
	}
}
