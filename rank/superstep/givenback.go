package superstep

import "github.com/badbubble/distgo/plan"

// A rank whose node cannot execute an action gives it back: the action is
// neither made nor refused, and another rank tries. How often is for the
// caller to bound.

// GaveBack tells that an action running here ended without a statement about
// the code.
func (r *Rank) GaveBack(a plan.ActionID) (Effects, error) {
	if r.state[a] != running {
		return Effects{}, violation("%s was given back without running here", r.plan.Actions[a].Package)
	}
	r.state[a] = foreign
	r.end(Execution{Action: a})
	r.open[r.plan.Actions[a].Group]-- // Root holds the barrier until it is executed
	r.advance()
	return r.take(), nil
}

// GaveBack tells that a rank gave an action back. It goes to a rank that has
// not had it, if there is one; a link stays.
func (r *Root) GaveBack(a plan.ActionID, by plan.Rank) (Orders, error) {
	if r.owner[a] != by {
		return Orders{}, violation("rank %d gave back %s, which is rank %d's", by, r.plan.Actions[a].Package, r.owner[a])
	}
	r.dequeue(by, a)
	if r.dropped[a] { // it ran already when what it depends on failed
		return r.take(), nil
	}
	if r.ended[a] {
		return Orders{}, violation("%s was given back after its end", r.plan.Actions[a].Package)
	}
	r.homeless[a] = true
	r.tried[a] = append(r.tried[a], by)
	if u := r.relief(a); u != nil && u.on == by {
		r.noRelief(a) // it could not even take what lies there
	}
	if r.moving[a] < 0 {
		r.rehouse()
	}
	return r.take(), nil
}

// Tried lists the ranks that gave an action back, in that order.
func (r *Root) Tried(a plan.ActionID) []plan.Rank { return r.tried[a] }

// rehouse places what was given back, now or when the answers that may change
// the decision are here: to a survey, and to a Yield that crossed.
func (r *Root) rehouse() {
	if r.asked > 0 {
		return
	}
	r.recover()
	r.balance()
	r.close()
}
