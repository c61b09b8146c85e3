package replay

import (
	"github.com/badbubble/distgo/plan"
)

// A headStart is the first part of an action, until it waits, begun at some time.
type headStart struct {
	number, at int64
	typed      bool // its types were handed out
	paused     bool
}

// headStart is how long it takes on a rank until an action's types are known, and until
// it waits if it was begun ahead, 0 if it hands out none.
func (w *world) headStart(r plan.Rank, a plan.ActionID) (types, waits int64) {
	if took := w.takes(r, a); took.Lead < took.Cost {
		return took.Types, took.Waits
	}
	return 0, 0
}

// ahead begins an action on its imports' types.
func (w *world) ahead(r plan.Rank, a plan.ActionID) {
	w.number++
	key, this := helper{a, r}, headStart{number: w.number, at: w.now}
	w.begun[key] = this
	then := func(delay int64, do func()) {
		w.after(delay, func() {
			if now, kept := w.begun[key]; kept && now.number == this.number {
				this = now
				do()
			}
		})
	}
	types, waits := w.headStart(r, a)
	if types > 0 {
		then(types, func() {
			this.typed = true
			w.begun[key] = this
			w.typed(r, a)
		})
	}
	then(waits, func() {
		this.paused = true
		w.begun[key] = this
		w.pause(r, a)
	})
}

func (w *world) pause(r plan.Rank, a plan.ActionID) {
	e, err := w.ranks[r].Paused(a)
	w.effects(r, e, err)
}

// join is how much has been done of an action that starts now, and whether its types
// have been handed out.
func (w *world) join(r plan.Rank, a plan.ActionID) (done int64, typed bool) {
	key := helper{a, r}
	head, begun := w.begun[key]
	if !begun {
		return 0, false
	}
	delete(w.begun, key)
	_, waits := w.headStart(r, a)
	if head.paused {
		return waits, true
	}
	done = w.now - head.at
	w.after(waits-done, func() { w.pause(r, a) })
	return done, head.typed
}

// quit ends what was begun.
func (w *world) quit(r plan.Rank, a plan.ActionID) {
	key := helper{a, r}
	if head, begun := w.begun[key]; begun && !head.paused {
		w.after(0, func() {
			e, err := w.ranks[r].Paused(a)
			w.effects(r, e, err)
		})
	}
	delete(w.begun, key)
}

// typed tells of an action's types.
func (w *world) typed(r plan.Rank, a plan.ActionID) {
	for _, f := range w.plan.Actions[a].Outputs {
		if w.plan.Artifacts[f].Kind == plan.Export {
			w.effects(r, w.ranks[r].Typed(f), nil)
		}
	}
}

// putTypes sends the types of an artifact: 30 kB in the mean of gg, a quarter of a
// millisecond at 1 Gbit/s, which is left out.
func (w *world) putTypes(to plan.Rank, f plan.ArtifactID) {
	w.after(w.network.Latency, func() { w.effects(to, w.ranks[to].TypesArrived(f), nil) })
}
