package superstep

import (
	"cmp"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// While a slot idles, what it will probably execute next can be got ready as
// far as that is possible without the inputs. What is got ready is the
// caller's affair and changes nothing here.

// Ahead lists up to n actions that wait here for inputs, most urgent first, but
// no more than there are slots with nothing to do, and none that the caller
// does not want. In Blocking mode there are none: it is the textbook's.
func (r *Rank) Ahead(n int, wanted func(plan.ActionID) bool) []plan.ActionID {
	n = min(n, r.slots-r.active)
	if n <= 0 || r.mode == Blocking {
		return nil
	}
	var ahead []plan.ActionID
	for i, s := range r.state {
		if a := plan.ActionID(i); s == waiting && wanted(a) {
			ahead = append(ahead, a)
		}
	}
	slices.SortFunc(ahead, func(a, b plan.ActionID) int {
		return cmp.Or(cmp.Compare(r.plan.Priority[b], r.plan.Priority[a]), cmp.Compare(a, b))
	})
	return ahead[:min(n, len(ahead))]
}

// Awaits reports whether an action is to be executed here and has not begun.
func (r *Rank) Awaits(a plan.ActionID) bool { return r.state[a] == waiting || r.state[a] == ready }
