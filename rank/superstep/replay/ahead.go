package replay

import (
	"github.com/badbubble/distgo/plan"
)

// A headStart is the first part of an action, up to its types, begun at some time.
type headStart struct {
	number, at int64
	paused     bool
}

// types is how long it takes on a rank until an action's types are known, 0 if it hands out none.
func (w *world) types(r plan.Rank, a plan.ActionID) int64 {
	if took := w.takes(r, a); took.Lead < took.Cost {
		return took.Types
	}
	return 0
}

// ahead begins an action on its imports' types.
func (w *world) ahead(r plan.Rank, a plan.ActionID) {
	w.number++
	key, this := helper{a, r}, headStart{number: w.number, at: w.now}
	w.begun[key] = this
	w.after(w.types(r, a), func() {
		if now, kept := w.begun[key]; kept && now.number == this.number {
			this.paused = true
			w.begun[key] = this
			w.pause(r, a)
		}
	})
}

func (w *world) pause(r plan.Rank, a plan.ActionID) {
	if w.types(r, a) > 0 {
		w.typed(r, a)
	}
	e, err := w.ranks[r].Paused(a)
	w.effects(r, e, err)
}

// join is how much has been done of an action that starts now, and whether its types
// are handed out by what did that.
func (w *world) join(r plan.Rank, a plan.ActionID) (done int64, typed bool) {
	key := helper{a, r}
	head, begun := w.begun[key]
	if !begun {
		return 0, false
	}
	delete(w.begun, key)
	if head.paused {
		return w.types(r, a), true
	}
	done = w.now - head.at
	w.after(w.types(r, a)-done, func() { w.pause(r, a) })
	return done, true
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

// putTypes sends the types of an artifact, which are small beside it.
func (w *world) putTypes(to plan.Rank, f plan.ArtifactID) {
	w.after(w.network.Latency, func() { w.effects(to, w.ranks[to].TypesArrived(f), nil) })
}
