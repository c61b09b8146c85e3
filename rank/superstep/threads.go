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
// slots, but for second executions, which have one each and go when asked.

// A Threads gives an action that runs here, or a share of one, so many threads
// from now on. It is a hint: a tool that cannot follow keeps those it began with.
type Threads struct {
	Action  plan.ActionID
	Share   bool
	Threads int
}

// begin notes that an action, or a share of one, takes a slot. How many threads
// it gets is said when all has begun that can.
func (r *Rank) begin(a plan.ActionID, share bool) {
	r.active++
	i, _ := r.find(a, share)
	r.occupied = slices.Insert(r.occupied, i, Threads{Action: a, Share: share})
}

// end notes that it has left it.
func (r *Rank) end(a plan.ActionID, share bool) {
	r.active--
	if i, ok := r.find(a, share); ok {
		r.occupied = slices.Delete(r.occupied, i, i+1)
	}
}

func (r *Rank) find(a plan.ActionID, share bool) (int, bool) {
	order := func(t Threads) int {
		if t.Share {
			return 2*int(t.Action) + 1
		}
		return 2 * int(t.Action)
	}
	want := order(Threads{Action: a, Share: share})
	return slices.BinarySearchFunc(r.occupied, want, func(t Threads, want int) int { return cmp.Compare(order(t), want) })
}

// divide divides the slots evenly, and says so to whom it concerns. What is left
// over goes to those whose export data is out, since a front end has no use for
// it, and of them to the most urgent.
func (r *Rank) divide() {
	if len(r.occupied) == 0 {
		return
	}
	each, over := r.slots/len(r.occupied), r.slots%len(r.occupied)
	first := slices.Clone(r.occupied)
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
		if slices.Contains(first[:over], *t) {
			n++
		}
		begins := t.Threads == 0
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
		default:
			s := slices.IndexFunc(r.out.Start, func(s Start) bool { return s.Action == t.Action })
			r.out.Start[s].Threads = n
		}
	}
}

// backEnd reports whether an action has given out its export data.
func (r *Rank) backEnd(t Threads) bool {
	return !t.Share && slices.ContainsFunc(r.plan.Actions[t.Action].Outputs, func(f plan.ArtifactID) bool {
		return r.made[f] && r.plan.Artifacts[f].Kind == plan.Export
	})
}

func (r *Rank) urgency(t Threads) int64 {
	if t.Share {
		return r.shares.priority[t.Action]
	}
	return r.queue.priority[t.Action]
}
