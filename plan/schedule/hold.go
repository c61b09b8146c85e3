package schedule

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// backs are the back ends of a simulation that can be held: when something more urgent
// needs their slots, they wait until there is one again.
type backs struct {
	urgency []int64           // by action
	ends    []int64           // by action that goes on: when it ends
	running [][]plan.ActionID // by rank
	held    [][]held          // by rank
	on      []plan.Rank       // by action that goes on: where
	shares  []int64           // by rank: until when it compiles shares
}

type held struct {
	action plan.ActionID
	left   int64
}

func newBacks(p *plan.Plan, ranks int) backs {
	b := backs{urgency: make([]int64, len(p.Actions)), ends: make([]int64, len(p.Actions)), running: make([][]plan.ActionID, ranks), held: make([][]held, ranks), on: make([]plan.Rank, len(p.Actions)), shares: make([]int64, ranks)}
	for i := range p.Actions {
		b.urgency[i] = p.ShareUrgency(plan.ActionID(i))
	}
	return b
}

// exported notes that an action is in its back end.
func (s *simulation) exported(a plan.ActionID) {
	if r := s.plan.Owner[a]; s.divided[a] == nil {
		s.backs.running[r] = append(s.backs.running[r], a)
	}
}

// ended answers whether an action has come to its end, or was held since that was said.
func (s *simulation) ended(a plan.ActionID, now int64) bool {
	if s.backs.ends[a] != now {
		return false
	}
	r := s.backs.on[a]
	s.free[r]++
	s.heads.work[r] -= s.plan.Actions[a].Cost
	s.backs.running[r] = slices.DeleteFunc(s.backs.running[r], func(b plan.ActionID) bool { return b == a })
	return true
}

// holdable is the least urgent back end on a rank that can be held for something more
// urgent, -1 where there is none.
func (s *simulation) holdable(r plan.Rank, urgency int64) plan.ActionID {
	b, least := &s.backs, plan.ActionID(-1)
	if len(b.held[r]) >= plan.MostHeld*max(1, s.ranks[r].Slots) {
		return least
	}
	for _, a := range b.running[r] {
		if b.urgency[a] < urgency && (least < 0 || b.urgency[a] < b.urgency[least]) {
			least = a
		}
	}
	return least
}

// room frees a slot for something urgent on the rank that has least to do, of those that
// have one or can hold a back end; -1 where none can.
func (s *simulation) room(urgency, now int64, on func(plan.Rank) bool) plan.Rank {
	best := plan.Rank(-1)
	for i := range s.ranks {
		r := plan.Rank(i)
		if (best < 0 || s.busy(r) < s.busy(best)) && on(r) && (s.free[r] > 0 || s.holdable(r, urgency) >= 0) {
			best = r
		}
	}
	if best >= 0 && s.free[best] == 0 {
		s.hold(s.holdable(best, urgency), now)
	}
	return best
}

func (s *simulation) hold(a plan.ActionID, now int64) {
	b, r := &s.backs, s.plan.Owner[a]
	b.running[r] = slices.DeleteFunc(b.running[r], func(o plan.ActionID) bool { return o == a })
	b.held[r] = append(b.held[r], held{a, b.ends[a] - now})
	b.ends[a] = -1
	s.free[r]++
}

// resume goes on with what is held where there is a slot, and nothing more urgent than
// that is ready.
func (s *simulation) resume(urgency, now int64) {
	b := &s.backs
	for i := range s.ranks {
		r := plan.Rank(i)
		for s.free[r] > 0 && len(b.held[r]) > 0 {
			most := 0
			for j, h := range b.held[r] {
				if b.urgency[h.action] > b.urgency[b.held[r][most].action] {
					most = j
				}
			}
			h := b.held[r][most]
			if b.urgency[h.action] < urgency {
				break
			}
			b.held[r] = slices.Delete(b.held[r], most, most+1)
			b.running[r] = append(b.running[r], h.action)
			s.free[r]--
			s.finish(h.action, now+h.left, r)
		}
	}
}

// finish has an action end at some time.
func (s *simulation) finish(a plan.ActionID, at int64, r plan.Rank) {
	s.backs.ends[a], s.backs.on[a] = at, r
	heap.Push(&s.running, moment{at, a, ends, r})
}

// relieve has ranks with nothing to do execute what others hold, all of it, where that is
// much sooner.
func (s *simulation) relieve(now int64) {
	b := &s.backs
	for i := range s.ranks {
		to := plan.Rank(i)
		for s.free[to] > 0 && len(b.held[to]) == 0 {
			from, j := s.stuck(now)
			if from < 0 {
				return
			}
			a := b.held[from][j].action
			b.held[from] = slices.Delete(b.held[from], j, j+1)
			cost := s.plan.Actions[a].Cost
			s.heads.work[from] -= cost
			s.heads.work[to] += cost
			s.free[to]--
			s.finish(a, now+s.on(to, cost), to)
		}
	}
}

// stuck finds what a rank holds that will be resumed latest.
func (s *simulation) stuck(now int64) (of plan.Rank, which int) {
	b := &s.backs
	of = -1
	var longest int64
	for i := range s.ranks {
		r := plan.Rank(i)
		if len(b.held[r]) == 0 {
			continue
		}
		left := max(0, b.shares[r]-now)
		for _, a := range b.running[r] {
			left += b.ends[a] - now
		}
		for _, h := range b.held[r] {
			left += h.left
		}
		left /= int64(max(1, s.ranks[r].Slots))
		if left <= longest {
			continue
		}
		for j, h := range b.held[r] {
			if stuckTimes*s.plan.Actions[h.action].Cost < left && (of != r || b.urgency[h.action] < b.urgency[b.held[r][which].action]) {
				of, which, longest = r, j, left
			}
		}
	}
	return of, which
}

const stuckTimes = 2
