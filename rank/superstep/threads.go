package superstep

import (
	"cmp"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// The slots of a rank are divided among the actions and shares that run there:
// in a crowd each has one, what is alone has them all. The division follows what
// starts and ends, so what began in a crowd gets the slots of those that have
// gone, and gives them up to those that come. There are never more threads than
// slots, but for audits, which have one each and go when asked. What is held has none.

// An Execution is what a rank executes: an action, a share of one, an action a
// second time, or the beginning of one.
type Execution struct {
	Action plan.ActionID
	Share  bool
	Second bool
	Ahead  bool // only its beginning
}

// A Threads gives an execution so many threads from now on. It is a hint: a tool
// that cannot follow keeps those that it began with.
type Threads struct {
	Execution
	Threads int
}

// begin notes that something takes a slot. How many threads it gets is said when
// all has begun that can.
func (r *Rank) begin(x Execution) {
	r.active++
	i, _ := r.find(x)
	r.occupied = slices.Insert(r.occupied, i, Threads{x, fresh})
}

// fresh is what has not been given any threads yet.
const fresh = -1

// end notes that it has left it.
func (r *Rank) end(x Execution) {
	if r.isHeld(x) { // its end was on its way, or it was given up
		r.waits(x).remove(x.Action)
	} else {
		r.active--
	}
	if i, ok := r.find(x); ok {
		r.occupied = slices.Delete(r.occupied, i, i+1)
	}
}

func (r *Rank) find(x Execution) (int, bool) {
	kind := func(x Execution) int {
		switch {
		case x.Share:
			return 1
		case x.Second:
			return 2
		case x.Ahead:
			return 3
		}
		return 0
	}
	return slices.BinarySearchFunc(r.occupied, x, func(t Threads, x Execution) int {
		return cmp.Or(cmp.Compare(t.Action, x.Action), cmp.Compare(kind(t.Execution), kind(x)))
	})
}

// divide divides the slots evenly, and says so to whom it concerns. What is left
// over goes to those whose export data is out, since a front end has less use for
// it, and of them to the most urgent.
func (r *Rank) divide() {
	first := slices.DeleteFunc(slices.Clone(r.occupied), func(t Threads) bool { return r.isHeld(t.Execution) })
	if len(first) == 0 {
		return
	}
	each, over := r.slots/len(first), r.slots%len(first)
	slices.SortStableFunc(first, func(a, b Threads) int {
		if back := r.backEnd(a); back != r.backEnd(b) {
			if back {
				return -1
			}
			return 1
		}
		return cmp.Compare(r.urgency(b), r.urgency(a))
	})
	for i := range r.occupied {
		t, n := &r.occupied[i], each
		switch {
		case r.isHeld(t.Execution):
			n = 0
		case slices.Contains(first[:over], *t):
			n++
		}
		begins := t.Threads == fresh
		if t.Threads == n {
			continue
		}
		t.Threads = n
		switch {
		case !begins:
			r.out.Threads = append(r.out.Threads, *t)
		case t.Share:
			h := slices.IndexFunc(r.out.Help, func(h Help) bool { return h.Action == t.Action })
			r.out.Help[h].Threads = n
		case t.Second:
			h := slices.IndexFunc(r.out.Repeat, func(h Help) bool { return h.Action == t.Action })
			r.out.Repeat[h].Threads = n
		case t.Ahead:
			h := slices.IndexFunc(r.out.Ahead, func(h Help) bool { return h.Action == t.Action })
			r.out.Ahead[h].Threads = n
		default:
			s := slices.IndexFunc(r.out.Start, func(s Start) bool { return s.Action == t.Action })
			r.out.Start[s].Threads = n
		}
	}
	// Who gets fewer comes first: a slot is free before it is taken.
	slices.SortStableFunc(r.out.Threads, func(a, b Threads) int { return cmp.Compare(a.Threads, b.Threads) })
}

// backEnd reports whether an action has given out its export data. What is executed in
// relief counts as a front end.
func (r *Rank) backEnd(t Threads) bool {
	return !t.Share && !t.Second && !t.Ahead && slices.ContainsFunc(r.plan.Actions[t.Action].Outputs, func(f plan.ArtifactID) bool {
		return r.made[f] && r.plan.Artifacts[f].Kind == plan.Export
	})
}

func (r *Rank) urgency(t Threads) int64 {
	if t.Share {
		return r.shares.priority[t.Action]
	}
	return r.queue.priority[t.Action]
}
