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
		for _, part := range []*int64{&took.Cost, &took.Lead, &took.Types} {
			*part = int64(w.times[r] * float64(*part))
		}
	}
	return took
}

// repeat executes an action a second time.
func (w *world) repeat(r plan.Rank, a plan.ActionID) {
	w.number++
	key, number, cost := helper{a, r}, w.number, w.takes(r, a).Cost
	w.seconds[key] = number
	w.after(cost, func() {
		if w.seconds[key] == number {
			w.repeated(key, true, cost)
		}
	})
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
	}
}
