package superstep

import (
	"math"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// What a slow rank has not begun, and what the build would wait for, is withdrawn
// from it: the rank yields it, inputs or not, and Root assigns it once they all
// exist, to whom ends it first. Until then it is the slow rank's still, where the
// plan has its inputs put.

// withdrawAll withdraws from slow ranks what does not suit them.
func (r *Root) withdrawAll() {
	for rank := range plan.Rank(len(r.slots)) {
		if !r.slow(rank) {
			continue
		}
		remaining := r.remaining()
		for i := range r.plan.Actions {
			if a := plan.ActionID(i); r.owner[a] == rank && r.withdrawable(a) && !r.suits(a, rank, remaining) {
				r.withdraw(a)
			}
		}
	}
}

// withdrawable reports whether an action has probably not begun, and may be another's.
func (r *Root) withdrawable(a plan.ActionID) bool {
	return !r.ended[a] && !r.withdrawn[a] && !r.settled[a] && !r.homeless[a] && r.moving[a] < 0 && r.alive[r.owner[a]] &&
		r.plan.Actions[a].Kind != plan.Link && !r.inBackEnd(a) && !slices.Contains(r.running(r.owner[a]), a)
}

func (r *Root) withdraw(a plan.ActionID) {
	r.withdrawn[a], r.moving[a] = true, r.owner[a]
	r.noRelief(a) // it has not been begun
	r.dequeue(r.owner[a], a)
	r.out.Yield = append(r.out.Yield, Yield{a, r.owner[a]})
}

// place assigns an action that was withdrawn, if its inputs exist: to the rank
// that would end it first, after what is ready there.
func (r *Root) place(a plan.ActionID) {
	if r.missing[a] > 0 || r.ended[a] {
		return
	}
	best, soonest, remaining := r.owner[a], math.Inf(1), r.remaining()
	for rank := range r.slots {
		to := plan.Rank(rank)
		if !r.alive[to] || !r.may(a, to) || !r.suits(a, to, remaining) {
			continue
		}
		work := r.plan.Actions[a].Cost * int64(r.slots[to])
		for _, c := range r.load[to] {
			work += r.plan.Actions[c].Cost
		}
		if ends := r.Times(to) * float64(work) / float64(r.slots[to]); ends < soonest {
			best, soonest = to, ends
		}
	}
	r.withdrawn[a], r.owner[a] = false, best
	r.enqueue(best, a)
	r.out.Assign = append(r.out.Assign, Assign{a, best, r.holders(a)})
}
