package replay

import (
	"github.com/badbubble/distgo/plan"
)

// A head start is the first part of an action, up to its types.
type headStart struct{ number, took int64 } // took is 0 as long as it runs

// types is how long it takes on a rank until an action's types are known, 0 if it hands out none.
func (w *world) types(r plan.Rank, a plan.ActionID) int64 {
	if took := w.takes(r, a); w.plan.Pipelined && took.Lead < took.Cost && w.plan.Actions[a].Kind == plan.Compile {
		return plan.TypesAfter(took.Lead)
	}
	return 0
}

// ahead begins an action on its imports' types.
func (w *world) ahead(r plan.Rank, a plan.ActionID) {
	dbg("%7.3f r%d begin %s", float64(w.now)/1e6, r, w.plan.Actions[a].Package)
	w.number++
	key, this, took := helper{a, r}, headStart{number: w.number}, w.types(r, a)
	w.begun[key] = this
	w.after(took, func() {
		if w.begun[key] != this {
			return
		}
		w.begun[key] = headStart{this.number, took}
		w.typed(r, a)
		e, err := w.ranks[r].Paused(a)
		w.effects(r, e, err)
	})
}

// quit ends what was begun.
func (w *world) quit(r plan.Rank, a plan.ActionID) {
	key := helper{a, r}
	dbg("%7.3f r%d quit %s", float64(w.now)/1e6, r, w.plan.Actions[a].Package)
	if begun, ok := w.begun[key]; ok && begun.took == 0 {
		w.after(0, func() {
			e, err := w.ranks[r].Paused(a)
			w.effects(r, e, err)
		})
	}
	delete(w.begun, key)
}

// typed tells of an action's types.
func (w *world) typed(r plan.Rank, a plan.ActionID) {
	dbg("%7.3f r%d typed %s", float64(w.now)/1e6, r, w.plan.Actions[a].Package)
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
