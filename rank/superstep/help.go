package superstep

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// A helper compiles a share of another rank's action. It is called by who
// executes the action, once that has begun and did not come out of a store; it
// then takes a slot when all inputs are here and nothing more urgent waits, and
// is held when something more urgent comes, or ended where it cannot be. A share is
// a hint: it has no part in barriers and recovery, and whoever waits for it is wrong.
// So whatever is in doubt, such as an input that a lost rank was to put, leaves a
// share undone.
//
// In Blocking mode nobody helps: it is the textbook's.

// A Help compiles a share of an action, with so many threads.
type Help struct {
	Action  plan.ActionID
	Threads int
}

// nobody is who calls for a share that is no longer wanted.
const nobody plan.Rank = -1

// helps reports whether this rank is a helper of an action.
func (r *Rank) helps(a plan.ActionID) bool {
	share, _ := r.plan.Share(a, r.self)
	return share > 0 && r.mode == Split
}

// Called tells that a rank has begun to execute an action that this one helps.
func (r *Rank) Called(a plan.ActionID, by plan.Rank) (Effects, error) {
	if share, _ := r.plan.Share(a, r.self); share == 0 {
		return Effects{}, violation("rank %d calls for help with %s, which this rank does not help", by, r.plan.Actions[a].Package)
	}
	if !r.helps(a) || r.doomed[a] || r.state[a] == running || r.state[a] == done {
		return Effects{}, nil
	}
	r.caller[a] = by // the last counts: the action has changed hands
	if r.sharing[a] == foreign {
		r.sharing[a] = waiting
		r.admitShare(a)
	}
	r.advance()
	return r.take(), nil
}

// Dismissed tells that the rank that called for a share has done without it, or
// with it.
func (r *Rank) Dismissed(a plan.ActionID, by plan.Rank) Effects {
	if r.caller[a] == by {
		r.dismiss(a)
	}
	r.advance()
	return r.take()
}

// dismiss gives up a share that nobody wants any more.
func (r *Rank) dismiss(a plan.ActionID) {
	r.caller[a] = nobody
	switch r.sharing[a] {
	case running:
		r.out.Stop = append(r.out.Stop, a)
	case ready:
		r.shares.remove(a)
		r.sharing[a] = foreign
	case waiting:
		r.sharing[a] = foreign
	}
}

// Helped tells that a share ended here, and answers whom it is for; ok is false
// when nobody wants it any more.
func (r *Rank) Helped(a plan.ActionID) (to plan.Rank, ok bool, e Effects, err error) {
	if r.sharing[a] != running {
		return nobody, false, Effects{}, violation("a share of %s ended without running here", r.plan.Actions[a].Package)
	}
	to = r.caller[a]
	r.end(Execution{Action: a, Share: true})
	r.caller[a], r.sharing[a] = nobody, foreign
	r.advance()
	return to, to != nobody, r.take(), nil
}

// admitShare queues a share that may start.
func (r *Rank) admitShare(a plan.ActionID) {
	if r.sharing[a] != waiting || !r.hasInputs(a) {
		return
	}
	r.sharing[a] = ready
	heap.Push(&r.shares, a)
}

// advanceShare begins a share in a slot, or has it go on there.
func (r *Rank) advanceShare(a plan.ActionID) {
	if r.sharing[a] == running {
		r.active++
		return
	}
	r.sharing[a] = running
	r.begin(Execution{Action: a, Share: true})
	r.out.Help = append(r.out.Help, Help{Action: a})
}

// giveWay ends the least urgent share that holds the slot of a more urgent action or
// share, as it could not be held, if none is being ended already.
func (r *Rank) giveWay() {
	next := mostUrgent(&r.queue, &r.shares)
	if next == nil {
		return
	}
	least := plan.ActionID(-1)
	for _, t := range r.occupied {
		switch {
		case !t.Share || t.Threads == fresh || r.isHeld(t.Execution):
		case r.caller[t.Action] == nobody:
			return // a slot will be free
		case least < 0 || r.shares.priority[t.Action] < r.shares.priority[least]:
			least = t.Action
		}
	}
	if least >= 0 && r.shares.priority[least] < next.urgency() {
		r.dismiss(least)
	}
}

// helping counts the slots of a rank that shares have probably taken: those of
// actions that are taken to be running, or to be held.
func (r *Root) helping(rank plan.Rank) (n int) {
	for _, a := range r.helped {
		on := r.owner[a]
		if share, _ := r.plan.Share(a, rank); share > 0 && on != rank && (r.inBackEnd(a) && !r.ended[a] || slices.Contains(r.running(on), a)) {
			n++
		}
	}
	return n
}
