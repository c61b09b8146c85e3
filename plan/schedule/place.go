package schedule

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// A Rank is what the scheduler knows of one process.
type Rank struct {
	Slots int     // actions it executes side by side, at least 1
	Speed float64 // relative to the rank the costs were measured on; 0 means 1
}

// A Network is what it costs to move an artifact from one rank to another.
type Network struct {
	Latency   int64   // microseconds a message
	Bandwidth float64 // bytes a microsecond; 0 means that bytes cost nothing
}

// Gigabit is Ethernet at 1 Gbit/s, the slowest network that clusters have: 94 %
// of it carries data, and a message with its handling takes some 200 µs.
var Gigabit = Network{Latency: 200, Bandwidth: 118}

// typicalSize is taken for an artifact of unknown size: the mean export data of
// the programs in GO_BUILD_FACTS, section 2, is 30 to 200 KB.
const typicalSize = 60 << 10

func (n Network) cost(f *plan.Artifact) int64 {
	if n.Bandwidth <= 0 {
		return n.Latency
	}
	size := f.Size
	if size == 0 {
		size = typicalSize
	}
	return n.Latency + int64(float64(size)/n.Bandwidth)
}

// Place sets p.Owner and returns the finish time it expects, in the plan's
// unit of cost, microseconds. Links, and what else writes outside the scratch directories,
// go to root, where the program's place is.
func Place(p *plan.Plan, ranks []Rank, network Network) (makespan int64) {
	s := simulation{
		plan:    p,
		ranks:   ranks,
		network: network,
		free:    make([]int, len(ranks)),
		missing: make([]int, len(p.Actions)),
		made:    make([]int64, len(p.Artifacts)),
	}
	for r := range ranks {
		s.free[r] = max(ranks[r].Slots, 1)
	}
	s.ready.priority = p.Priority
	for i := range p.Actions {
		s.missing[i] = len(p.Actions[i].Inputs)
		if s.missing[i] == 0 {
			heap.Push(&s.ready, plan.ActionID(i))
		}
	}
	return s.run()
}

// simulation is a build on the ranks, as the scheduler expects it.
type simulation struct {
	plan    *plan.Plan
	ranks   []Rank
	network Network
	free    []int   // by rank: slots without an action
	missing []int   // by action: inputs that do not exist yet
	made    []int64 // by artifact: when it was made
	inbound int64   // when the objects made so far will have reached root, which takes them one after the other
	ready   byPriority
	running byTime
}

func (s *simulation) run() (now int64) {
	for s.ready.Len() > 0 || len(s.running) > 0 {
		s.start(now)
		if len(s.running) == 0 {
			return now // a cycle; Validate refuses such plans
		}
		next := heap.Pop(&s.running).(moment)
		now = next.at
		if next.end {
			s.free[s.plan.Owner[next.action]]++
		}
		for _, out := range s.plan.Actions[next.action].Outputs {
			f := &s.plan.Artifacts[out]
			if early := s.early(f); early == next.end {
				continue // was there before, or comes at the end
			}
			s.made[out] = now
			if f.Kind == plan.Object && s.plan.Owner[next.action] != 0 {
				s.inbound = max(s.inbound, now) + s.network.cost(f)
			}
			for _, c := range f.Consumers {
				if s.missing[c]--; s.missing[c] == 0 {
					heap.Push(&s.ready, c)
				}
			}
		}
	}
	return now
}

// early reports whether an artifact is there before its action ends.
func (s *simulation) early(f *plan.Artifact) bool {
	return s.plan.After(f) < s.plan.Actions[f.Producer].Cost
}

// start gives free slots to ready actions until one of the two runs out.
func (s *simulation) start(now int64) {
	var wait []plan.ActionID // pinned to a rank that is busy
	for s.ready.Len() > 0 {
		a := heap.Pop(&s.ready).(plan.ActionID)
		r, delay := s.choose(a, now)
		if r < 0 {
			wait = append(wait, a)
			if s.plan.Actions[a].Kind != plan.Link {
				break // no slot anywhere
			}
			continue
		}
		s.free[r]--
		s.plan.Owner[a] = r
		action := &s.plan.Actions[a]
		if action.Lead < action.Cost {
			heap.Push(&s.running, moment{now + delay + s.on(r, action.Lead), a, false})
		}
		heap.Push(&s.running, moment{now + delay + s.on(r, action.Cost), a, true})
	}
	for _, a := range wait {
		heap.Push(&s.ready, a)
	}
}

// on is how long a rank takes for a cost.
func (s *simulation) on(r plan.Rank, cost int64) int64 {
	if speed := s.ranks[r].Speed; speed > 0 {
		return int64(float64(cost) / speed)
	}
	return cost
}

// choose finds the rank with a free slot on which a would finish first; among
// equals the one with most free slots, then the lowest.
func (s *simulation) choose(a plan.ActionID, now int64) (best plan.Rank, delay int64) {
	action := &s.plan.Actions[a]
	if action.Kind == plan.Link {
		if s.free[0] == 0 {
			return -1, 0
		}
		return 0, max(0, s.inbound-now)
	}
	best = -1
	var bestEnd int64
	for r := range s.ranks {
		if s.free[r] == 0 {
			continue
		}
		// Artifacts are put when they are made; only the latest are still on their way.
		var d int64
		for _, in := range action.Inputs {
			if f := &s.plan.Artifacts[in]; s.plan.Owner[f.Producer] != plan.Rank(r) {
				d = max(d, s.made[in]+s.network.cost(f)-now)
			}
		}
		end := d + s.on(plan.Rank(r), action.Cost)
		if best < 0 || end < bestEnd || end == bestEnd && s.free[r] > s.free[best] {
			best, bestEnd, delay = plan.Rank(r), end, d
		}
	}
	return best, delay
}

// byPriority is a heap of ready actions, highest priority first, then lowest ID.
type byPriority struct {
	priority []int64
	ids      []plan.ActionID
}

func (h *byPriority) Len() int { return len(h.ids) }
func (h *byPriority) Less(i, j int) bool {
	a, b := h.ids[i], h.ids[j]
	if h.priority[a] != h.priority[b] {
		return h.priority[a] > h.priority[b]
	}
	return a < b
}
func (h *byPriority) Swap(i, j int) { h.ids[i], h.ids[j] = h.ids[j], h.ids[i] }
func (h *byPriority) Push(x any)    { h.ids = append(h.ids, x.(plan.ActionID)) }
func (h *byPriority) Pop() any {
	last := h.ids[len(h.ids)-1]
	h.ids = h.ids[:len(h.ids)-1]
	return last
}

// A moment of a running action: its end, or before that its export data's
// being ready.
type moment struct {
	at     int64
	action plan.ActionID
	end    bool
}

// byTime is a heap of what is to come, first things first, then lowest ID.
type byTime []moment

func (h byTime) Len() int { return len(h) }
func (h byTime) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].action < h[j].action
}
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)   { *h = append(*h, x.(moment)) }
func (h *byTime) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
