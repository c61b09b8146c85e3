package superstep

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// What importers wait for, a compile hands out long before its end; what it does then
// is seldom urgent. So a compile whose export data is out is held when something more
// urgent is ready and no slot is free: it gets no threads until one is, and loses
// nothing. One that others help goes on, as what they make would wait for it. Root
// does not hear of it, and expects it; see Root.enqueue.
//
// In Blocking mode nothing is held: it is the textbook's; nor where memory is short.

// mostHeld bounds how many are held, for each slot: they keep their memory.
const mostHeld = 16

// makeRoom frees a slot for what is first in q by holding the least urgent compile
// that can be, if it is less urgent. For a share nothing is held: whoever it is for can
// do without. Nor is what has been begun just now.
func (r *Rank) makeRoom(q *queue) bool {
	if q == &r.shares || r.mode == Blocking || r.plan.Tight || len(r.held.ids) >= mostHeld*r.slots {
		return false
	}
	least := plan.ActionID(-1)
	for _, t := range r.occupied {
		if t.Threads != fresh && r.backEnd(t) && !r.isHeld(t.Execution) && len(r.plan.HelpersOf(t.Action)) == 0 &&
			(least < 0 || r.held.priority[t.Action] < r.held.priority[least]) {
			least = t.Action
		}
	}
	if least < 0 || r.held.priority[least] >= q.urgency() {
		return false
	}
	heap.Push(&r.held, least)
	r.active--
	return true
}

// isHeld reports whether an execution has no slot now.
func (r *Rank) isHeld(x Execution) bool {
	return x == Execution{Action: x.Action} && r.held.has(x.Action)
}
