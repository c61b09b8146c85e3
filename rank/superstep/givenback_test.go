package superstep

import (
	"fmt"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// returned is an action that a rank gave back.
type returned struct {
	action plan.ActionID
	by     plan.Rank
}

// Actions that ranks give back are executed by others, once, and the barriers stay in order; with ranks that are lost too.
func TestGivenBack(t *testing.T) {
	elsewhere, lost := 0, 0
	for _, size := range []int{1, 2, 3, 5, 8} {
		for _, mode := range []Mode{Split, Blocking} {
			for _, early := range []bool{false, true} {
				for seed := range seeds(t, 40) {
					w := newWorld(t, seed, 60, size, mode)
					w.early = early
					w.flaky = map[plan.ActionID]int{}
					for range 1 + w.rng.IntN(5) {
						w.flaky[plan.ActionID(w.rng.IntN(61))] = 1 // the link is number 60
					}
					kill := size > 1 && seed%2 == 1
					if kill {
						w.kills = map[plan.Rank]int{plan.Rank(1 + w.rng.IntN(size-1)): w.rng.IntN(600)}
						lost++
					}
					w.run()
					name := fmt.Sprintf("size %d, %s, early %v, seed %d, losses %v", size, mode, early, seed, w.kills)
					if !w.over {
						t.Fatalf("%s: stuck with %d actions left, barriers closed %d of %d", name, w.root.Left(), w.root.Closed(), len(w.plan.Groups()))
					}
					for i := range w.plan.Actions {
						if n := w.runs[plan.ActionID(i)]; n != 1 && !kill || n == 0 {
							t.Fatalf("%s: action %d was executed %d times", name, i, n)
						}
					}
					if seen := w.order[0]; len(seen) != len(w.plan.Groups()) || !slices.IsSorted(seen) {
						t.Fatalf("%s: root saw commits %v", name, seen)
					}
					for _, g := range w.returns {
						link := w.plan.Actions[g.action].Kind == plan.Link
						if !kill && (w.last[g.action] == g.by) != (link || size == 1) {
							t.Fatalf("%s: action %d, given back by rank %d, was executed by rank %d", name, g.action, g.by, w.last[g.action])
						}
						if w.last[g.action] != g.by {
							elsewhere++
						}
					}
				}
			}
		}
	}
	if elsewhere == 0 || lost == 0 {
		t.Errorf("%d actions were executed elsewhere, %d ranks were lost", elsewhere, lost)
	}
}
