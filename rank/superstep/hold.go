package superstep

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// What importers wait for, a compile hands out long before its end; what it does then
// is seldom urgent. So a compile whose export data is out is held when something more
// urgent is ready and no slot is free: it gets no threads until one is, and loses
// nothing. Root does not hear of it, and expects it; see Root.enqueue. Shares, and what
// competes in relief of another rank, are held alike, their front ends too.
//
// In Blocking mode nothing is held: it is the textbook's. What is held keeps its memory,
// so the plan says how much may be.

// makeRoom frees a slot for what is first in q by holding the least urgent execution
// that can be, if it is less urgent, but nothing that has been begun just now.
func (r *Rank) makeRoom(q *queue) bool {
	if r.mode == Blocking {
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
		case of == nil || t.Threads == fresh:
		case among == nil || of.priority[t.Action] < among.priority[least]:
			least, among = t.Action, of
		}
	}
	if among == nil || held >= r.plan.Aside*r.slots || among.priority[least] >= q.urgency() {
		return false
	}
	heap.Push(among, least)
	r.active--
	return true
}

// holds is where an execution waits when it is held, nil if it cannot be.
func (r *Rank) holds(t Threads) *queue {
	may := r.backEnd(t)
	switch {
	case t.Second:
		s := r.second(t.Action)
		may = r.competes(s) && !s.ceasing
	case t.Share:
		may = r.plan.MayBegin(t.Action) && r.caller[t.Action] != nobody // else it is being ended
	}
	if !may {
		return nil
	}
	return r.waits(t.Execution)
}

// waits is where what is held, of such executions, waits for a slot; nil for head starts.
func (r *Rank) waits(x Execution) *queue {
	switch {
	case x.Ahead:
		return nil
	case x.Second:
		return &r.reliefs
	case x.Share:
		return &r.shares
	default:
		return &r.held
	}
}

// isHeld reports whether an execution has no slot now.
func (r *Rank) isHeld(x Execution) bool {
	switch q := r.waits(x); {
	case q == nil:
		return false
	case x.Share && r.sharing[x.Action] != running: // it has not begun
		return false
	default:
		return q.has(x.Action)
	}
}
