package schedule

import (
	"cmp"
	"container/heap"
	"slices"

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

// typicalSize is taken for an artifact of unknown size: the packages of wego, gg,
// go-gin-example and alist have 48 to 150 kB of export data in the mean.
const typicalSize = 60 << 10

// Cost is how long an artifact is on its way.
func (n Network) Cost(f *plan.Artifact) int64 {
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
// go to root, where the program's place is. Nobody helps.
func Place(p *plan.Plan, ranks []Rank, network Network) (makespan int64) {
	s := newSimulation(p, ranks, network, nil)
	p.Helpers = nil
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
	last    plan.ActionID // that has ended, at
	end     int64
	divided map[plan.ActionID]*division // what is shared, see help.go
}

func newSimulation(p *plan.Plan, ranks []Rank, network Network, shares map[plan.ActionID]int) *simulation {
	s := &simulation{
		plan:    p,
		ranks:   ranks,
		network: network,
		free:    make([]int, len(ranks)),
		missing: make([]int, len(p.Actions)),
		made:    make([]int64, len(p.Artifacts)),
		divided: make(map[plan.ActionID]*division, len(shares)),
	}
	for r := range ranks {
		s.free[r] = max(ranks[r].Slots, 1)
	}
	for a, n := range shares {
		s.divided[a] = s.divide(a, n)
	}
	for i := range p.Actions {
		s.missing[i] = len(p.Actions[i].Inputs)
		if s.missing[i] == 0 {
			s.admit(plan.ActionID(i))
		}
	}
	return s
}

func (s *simulation) run() (makespan int64) {
	now := int64(0)
	for s.ready.Len() > 0 || len(s.running) > 0 {
		s.start(now)
		if len(s.running) == 0 {
			break // a cycle; Validate refuses such plans
		}
		next := heap.Pop(&s.running).(moment)
		now = next.at
		switch next.what {
		case shareEnds:
			s.free[next.rank]++
			continue
		case ownShareEnds:
			s.gather(next.action, now)
			continue
		case ends:
			s.free[s.plan.Owner[next.action]]++
			s.last, s.end = next.action, now
		}
		for _, out := range s.plan.Actions[next.action].Outputs {
			f := &s.plan.Artifacts[out]
			if early := s.early(f); early == (next.what == ends) {
				continue // was there before, or comes at the end
			}
			s.made[out] = now
			if f.Kind == plan.Object && s.plan.Owner[next.action] != 0 {
				s.inbound = max(s.inbound, now) + s.network.Cost(s.object(next.action))
			}
			for _, c := range f.Consumers {
				if s.missing[c]--; s.missing[c] == 0 {
					s.admit(c)
				}
			}
		}
	}
	return s.end
}

// early reports whether an artifact is there before its action ends.
func (s *simulation) early(f *plan.Artifact) bool {
	return s.plan.After(f) < s.plan.Actions[f.Producer].Cost
}

func (s *simulation) admit(a plan.ActionID) {
	heap.Push(&s.ready, turn{a, false, s.plan.Priority[a]})
}

// start gives free slots to what is ready until one of the two runs out.
func (s *simulation) start(now int64) {
	var wait []turn // for a slot, of certain ranks or any
	for s.ready.Len() > 0 {
		t := heap.Pop(&s.ready).(turn)
		if t.share {
			if !s.startShare(t.action, now) {
				wait = append(wait, t)
			}
			continue
		}
		r, delay := s.choose(t.action, now)
		if r < 0 {
			wait = append(wait, t)
			if s.plan.Actions[t.action].Kind != plan.Link {
				break // no slot anywhere
			}
			continue
		}
		s.free[r]--
		s.plan.Owner[t.action] = r
		action := &s.plan.Actions[t.action]
		if action.Lead < action.Cost {
			heap.Push(&s.running, moment{now + delay + s.on(r, action.Lead), t.action, exports, r})
		}
		if d := s.divided[t.action]; d != nil {
			heap.Push(&s.running, moment{now + delay + s.on(r, action.Lead+d.each), t.action, ownShareEnds, r})
			for range d.of - 1 {
				heap.Push(&s.ready, turn{t.action, true, d.urgency})
			}
			continue
		}
		heap.Push(&s.running, moment{now + delay + s.on(r, action.Cost), t.action, ends, r})
	}
	for _, t := range wait {
		heap.Push(&s.ready, t)
	}
}

// on is how long a rank takes for a cost.
func (s *simulation) on(r plan.Rank, cost int64) int64 {
	if speed := s.ranks[r].Speed; speed > 0 {
		return int64(float64(cost) / speed)
	}
	return cost
}

// object is what the link reads of an action, as large as it is expected to be;
// nil where there is nothing.
func (s *simulation) object(a plan.ActionID) *plan.Artifact {
	action := &s.plan.Actions[a]
	for _, out := range action.Outputs {
		if object := s.plan.Artifacts[out]; object.Kind == plan.Object {
			object.Size = cmp.Or(object.Size, action.ObjectSize())
			return &object
		}
	}
	return nil
}

// choose finds the rank with a free slot from which what the link reads of a would
// be at root first, as far as the link would wait for it; among equals the one with
// most free slots, then the lowest, root last.
func (s *simulation) choose(a plan.ActionID, now int64) (best plan.Rank, delay int64) {
	action := &s.plan.Actions[a]
	if action.Kind == plan.Link {
		if s.free[0] == 0 {
			return -1, 0
		}
		return 0, max(0, s.inbound-now)
	}
	way := int64(0)
	if object := s.object(a); object != nil {
		way = max(0, s.network.Cost(object)-s.plan.Slack(a))
	}
	return s.soonest(action, action.Cost, way, now, nil)
}

// soonest finds the rank, of those with a free slot that are not left out, on
// which so much of an action would be done first. What comes of it is so long on
// its way, unless that is root. Root is the last to be asked: it has the messages of
// all to answer, and the end of the build waits for it.
func (s *simulation) soonest(action *plan.Action, cost, way, now int64, out []plan.Rank) (best plan.Rank, delay int64) {
	best = -1
	var bestEnd int64
	inputs := s.arrivals(action)
	for i := range s.ranks {
		r := (i + 1) % len(s.ranks)
		if s.free[r] == 0 || slices.Contains(out, plan.Rank(r)) {
			continue
		}
		d := max(0, inputs.at(plan.Rank(r))-now)
		end := d + s.on(plan.Rank(r), cost)
		if r != 0 {
			end += way
		}
		if best < 0 || end < bestEnd || end == bestEnd && s.free[r] > s.free[best] {
			best, bestEnd, delay = plan.Rank(r), end, d
		}
	}
	return best, delay
}

// arrivals are when the last of an action's inputs is there: with the rank that
// made it, the last but for those, and with all others, the last.
type arrivals struct {
	last, rest int64
	from       plan.Rank // who made the last
}

func (t arrivals) at(r plan.Rank) int64 {
	if r == t.from {
		return t.rest
	}
	return t.last
}

// arrivals reckons with the latest inputs being on their way: artifacts are put
// when they are made.
func (s *simulation) arrivals(action *plan.Action) arrivals {
	t := arrivals{from: -1}
	for _, in := range action.Inputs {
		f := &s.plan.Artifacts[in]
		from, at := s.plan.Owner[f.Producer], s.made[in]+s.network.Cost(f)
		switch {
		case from == t.from:
			t.last = max(t.last, at)
		case at > t.last:
			t = arrivals{last: at, rest: t.last, from: from}
		default:
			t.rest = max(t.rest, at)
		}
	}
	return t
}

// A turn is what waits for a slot: an action, or a share of one that has started.
type turn struct {
	action  plan.ActionID
	share   bool
	urgency int64
}

// byPriority is a heap of what is ready, highest priority first, then lowest ID,
// actions before shares.
type byPriority struct{ turns []turn }

func (h *byPriority) Len() int { return len(h.turns) }
func (h *byPriority) Less(i, j int) bool {
	a, b := h.turns[i], h.turns[j]
	if a.urgency != b.urgency {
		return a.urgency > b.urgency
	}
	return a.action < b.action || a.action == b.action && !a.share && b.share
}
func (h *byPriority) Swap(i, j int) { h.turns[i], h.turns[j] = h.turns[j], h.turns[i] }
func (h *byPriority) Push(x any)    { h.turns = append(h.turns, x.(turn)) }
func (h *byPriority) Pop() any {
	last := h.turns[len(h.turns)-1]
	h.turns = h.turns[:len(h.turns)-1]
	return last
}

// event is what happens to a running action.
type event uint8

const (
	exports      event = iota // its export data is there
	ownShareEnds              // it has done what no helper was to do
	shareEnds                 // a helper has done its part
	ends
)

// A moment is when something happens to a running action, and on which rank.
type moment struct {
	at     int64
	action plan.ActionID
	what   event
	rank   plan.Rank
}

// byTime is a heap of what is to come, first things first, then lowest ID.
type byTime []moment

func (h byTime) Len() int { return len(h) }
func (h byTime) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	if h[i].action != h[j].action {
		return h[i].action < h[j].action
	}
	return h[i].what < h[j].what
}
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)   { *h = append(*h, x.(moment)) }
func (h *byTime) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
