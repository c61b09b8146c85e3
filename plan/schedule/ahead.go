package schedule

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// heads are the head starts of a simulation: a compile is begun as soon as the types of
// its imports are known, goes as far as its own types, and waits where it was begun for
// its imports' export data.
type heads struct {
	ready byPriority // what may be begun
	lacks []int      // by action: inputs of which not even types are there
	state []head     // by action
	on    []plan.Rank
	at    []int64 // when they were begun
	many  []int   // by rank: how many were begun there, and not started
	work  []int64 // by rank: the cost of what was begun or started there, and has not ended
}

// head is how far an action is before it is started.
type head uint8

const (
	none head = iota
	begun
	paused
)

func newHeads(p *plan.Plan, ranks int) heads {
	h := heads{
		lacks: make([]int, len(p.Actions)),
		state: make([]head, len(p.Actions)),
		on:    make([]plan.Rank, len(p.Actions)),
		at:    make([]int64, len(p.Actions)),
		many:  make([]int, ranks),
		work:  make([]int64, ranks),
	}
	for i := range p.Actions {
		h.lacks[i] = len(p.Actions[i].Inputs)
	}
	return h
}

// typesFirst reports whether the types of an artifact are known before it is made.
func (s *simulation) typesFirst(f *plan.Artifact) bool {
	return f.Kind == plan.Export && s.plan.Types(f.Producer) > 0
}

// typed has who waits for the types of an action begin.
func (s *simulation) typed(a plan.ActionID) {
	for _, out := range s.plan.Actions[a].Outputs {
		if f := &s.plan.Artifacts[out]; s.typesFirst(f) {
			for _, c := range f.Consumers {
				s.lacksLess(c)
			}
		}
	}
}

// lacksLess notes that there is one more of an action's inputs, or its types.
func (s *simulation) lacksLess(a plan.ActionID) {
	h := &s.heads
	if h.lacks[a]--; h.lacks[a] == 0 && s.missing[a] > 0 && s.plan.Types(a) > 0 && s.plan.MayBegin(a) {
		heap.Push(&h.ready, turn{a, false, s.plan.Priority[a]})
	}
}

// begin begins an action on the rank that has least to do, of those that have a slot
// for it, and room in memory.
func (s *simulation) begin(a plan.ActionID, now int64) bool {
	h := &s.heads
	best := s.room(s.plan.Priority[a], now, func(r plan.Rank) bool { return h.many[r] < plan.MostBegun*max(1, s.ranks[r].Slots) })
	if best < 0 {
		return false
	}
	s.free[best]--
	h.state[a], h.on[a], h.at[a] = begun, best, now
	h.many[best]++
	h.work[best] += s.plan.Actions[a].Cost
	heap.Push(&s.running, moment{now + s.on(best, s.plan.Types(a)), a, pauses, best})
	return true
}

// busy is how long a rank will be, with what it has begun.
func (s *simulation) busy(r plan.Rank) int64 {
	return s.on(r, s.heads.work[r]) / int64(max(1, s.ranks[r].Slots))
}

// pause ends a head start, unless the action was started meanwhile.
func (s *simulation) pause(a plan.ActionID, r plan.Rank) {
	if s.heads.state[a] == begun {
		s.heads.state[a] = paused
		s.free[r]++
	}
	s.typed(a)
}

// join starts an action from its head start, and returns how much is done of it.
func (s *simulation) join(a plan.ActionID, now int64) (done int64) {
	h, r := &s.heads, s.heads.on[a]
	done = s.plan.Types(a)
	if h.state[a] == begun { // it has a slot, and the action takes that
		s.free[r]++
		if speed := s.ranks[r].Speed; speed > 0 {
			done = min(done, int64(float64(now-h.at[a])*speed))
		} else {
			done = min(done, now-h.at[a])
		}
	}
	h.state[a] = none
	h.many[r]--
	h.work[r] -= s.plan.Actions[a].Cost // until it is counted as started
	return done
}
