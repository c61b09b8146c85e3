package superstep

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// What importers wait for, a compile hands out long before its end; what it does then
// is seldom urgent. So a compile whose export data is out is held when something more
// urgent is ready and no slot is free: it gets no threads until one is, and loses
// nothing. One that others help goes on, as what they make would wait for it. Root
// does not hear of it, and expects it; see Root.enqueue. What competes in relief of
// another rank is held alike, its front end too.
//
// In Blocking mode nothing is held: it is the textbook's; nor where memory is short.

// mostHeld bounds how many are held, for each slot: they keep their memory.
const mostHeld = 24

// makeRoom frees a slot for what is first in q by holding the least urgent execution
// that can be, if it is less urgent. For a share only reliefs are held: whoever it is
// for can do without. Nor is what has been begun just now.
func (r *Rank) makeRoom(q *queue) bool {
	if r.mode == Blocking || r.plan.Tight {
		return false
	}
	held := 0
	var least plan.ActionID
	var among *queue // where that is to wait
	for _, t := range r.occupied {
		of := r.holds(t)
		switch {
		case r.isHeld(t.Execution):
			held++
		case of == nil || t.Threads == fresh || q == &r.shares && of != &r.reliefs:
		case among == nil || of.priority[t.Action] < among.priority[least]:
			least, among = t.Action, of
		}
	}
	if among == nil || held >= mostHeld*r.slots || among.priority[least] >= q.urgency() {
		return false
	}
	heap.Push(among, least)
	r.active--
	return true
}

// holds is where an execution waits when it is held, nil if it cannot be.
func (r *Rank) holds(t Threads) *queue {
	switch {
	case t.Second:
		if s := r.second(t.Action); r.competes(s) && !s.ceasing {
			return &r.reliefs
		}
	case r.backEnd(t) && len(r.plan.HelpersOf(t.Action)) == 0:
		return &r.held
	}
	return nil
}

// isHeld reports whether an execution has no slot now.
func (r *Rank) isHeld(x Execution) bool {
	if x.Second {
		return r.reliefs.has(x.Action)
	}
	return x == Execution{Action: x.Action} && r.held.has(x.Action)
}
