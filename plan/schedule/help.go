package schedule

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// division is how an action's functions are shared in a simulation.
type division struct {
	of      int   // shares, its own included
	urgency int64 // of each, its front end being through
	each    int64 // cost of the functions of one
	object  plan.Artifact
	helpers []plan.Rank
	arrive  []int64 // by helper: when its share is there
	over    bool    // the action wants no share any more
}

func (s *simulation) divide(a plan.ActionID, shares int) *division {
	action := &s.plan.Actions[a]
	d := &division{of: shares, urgency: s.plan.BackEndUrgency(a), each: (action.Cost - action.Lead) / int64(shares)}
	if object := s.object(a); object != nil {
		d.object = *object
		d.object.Size /= int64(shares)
	}
	return d
}

// handling is which part of what it takes to compile functions it takes to write
// down what came of them, and to take that over: net/http on one core took 2.0 s
// alone and 1.1 s where three others made a quarter each, of which 0.4 are the
// front end.
const handling = 5

// Handling is what it takes to write down, or to take over, what came of compiling
// for so long.
func Handling(compiling int64) int64 { return compiling / handling }

// Spared is what helpers spared an action by compiling for so long: without what
// it takes to write down what came of that, and to take that over.
func Spared(compiling int64) int64 { return compiling * (handling - 1) / (handling + 1) }

// startShare gives one more helper to an action that runs. A helper repeats the
// front end. It returns false when no slot is free that could be used.
func (s *simulation) startShare(a plan.ActionID, now int64) bool {
	d, action := s.divided[a], &s.plan.Actions[a]
	if d.over {
		return true
	}
	cost := action.Lead + d.each + Handling(d.each)
	r, delay := s.soonest(action, cost, 0, now, append(d.helpers[:len(d.helpers):len(d.helpers)], s.plan.Owner[a]))
	if r < 0 {
		return false
	}
	s.free[r]--
	done := now + delay + s.on(r, cost)
	d.helpers = append(d.helpers, r)
	d.arrive = append(d.arrive, done+s.network.Cost(&d.object))
	heap.Push(&s.running, moment{done, a, shareEnds, r})
	return true
}

// gather ends an action whose own share is done. It takes what is there, and
// compiles itself what is not, beginning with the last, until that comes.
func (s *simulation) gather(a plan.ActionID, now int64) {
	d, owner := s.divided[a], s.plan.Owner[a]
	d.over = true
	for i := d.of - 2; i >= 0; i-- {
		compiled := now + s.on(owner, d.each)
		if i < len(d.arrive) { // else nobody was free
			there := min(compiled, max(now, d.arrive[i]))
			compiled = there + Handling(compiled-there)
		}
		now = compiled
	}
	heap.Push(&s.running, moment{now, a, ends, owner})
}

const (
	// effort bounds the simulations of Help, in actions times ranks: 0.1 s.
	effort = 4_000_000
	// mostTrials bounds them where that is little. A build has a few long back ends at its end, not dozens.
	mostTrials = 48
	// worthwhile is which part of the makespan each helper has to save. The simulation knows the future no better, and
	// nothing of head starts and holds, which leave less to be saved.
	worthwhile = 300
	// setback is which part of it they may cost, with others yet to come: where the end waits for two back ends side by
	// side, to divide one of them delays the rest a little, and to divide both saves much.
	setback = 50
)

// divisions are into how many shares an action may be divided.
var divisions = [...]int{2, 3, 4, 6, plan.MaxShares}

// Help sets p.Owner and p.Helpers, and returns the finish time it expects. It
// begins with what Place does. While the end waits for the back end of one action,
// it looks into how many shares that is best divided, and goes on with what the end
// waits for then, unless it is much later; it keeps what saves most, beyond what each
// helper has to save.
func Help(p *plan.Plan, ranks []Rank, network Network) (makespan int64) {
	p.Helpers = nil // what is urgent follows from them, too
	shares := map[plan.ActionID]int{}
	kept := simulate(p, ranks, network, nil)
	each := kept.end / worthwhile
	price := func(o *outcome) int64 { return o.end + each*int64(o.helping()) }
	trials := min(mostTrials, effort/max(1, len(p.Actions)*len(ranks)))
	for now := kept; p.Pipelined; {
		a, ok := now.bound()
		if !ok {
			break
		}
		before := shares[a]
		var best *outcome
		for _, of := range divisions {
			if of <= before || of > len(ranks) || trials == 0 {
				continue
			}
			trials--
			shares[a] = of
			if o := simulate(p, ranks, network, shares); best == nil || price(o) < price(best) {
				best = o
			}
		}
		if best == nil || best.end > kept.end+kept.end/setback {
			break
		}
		now, shares[a] = best, best.divided[a].of
		if price(now) < price(kept) {
			kept = now
		}
	}
	p.Owner, p.Helpers = kept.owner, kept.helpers()
	return kept.end
}

// outcome is a simulation that has come to its end, with the placement it led to.
type outcome struct {
	*simulation
	owner []plan.Rank
}

func simulate(p *plan.Plan, ranks []Rank, network Network, shares map[plan.ActionID]int) *outcome {
	s := newSimulation(p, ranks, network, shares)
	s.run()
	return &outcome{s, slices.Clone(p.Owner)}
}

// bound is the action whose back end the end of the build waits for, if it is
// one that can be shared: the last, or the one that the last waited for.
func (o *outcome) bound() (plan.ActionID, bool) {
	p := o.plan
	if len(p.Actions) == 0 {
		return 0, false
	}
	a := o.last
	if action := &p.Actions[a]; action.Kind == plan.Link && len(action.Inputs) > 0 {
		latest := slices.MaxFunc(action.Inputs, func(x, y plan.ArtifactID) int { return int(o.made[x] - o.made[y]) })
		a = p.Artifacts[latest].Producer
	}
	return a, p.MayBeShared(a) && p.Actions[a].Lead < p.Actions[a].Cost
}

// helping is how many help, each time that one does.
func (o *outcome) helping() (n int) {
	for _, d := range o.divided {
		n += len(d.helpers)
	}
	return n
}

// helpers are those of the plan, nil where nobody helps.
func (o *outcome) helpers() [][]plan.Rank {
	if len(o.divided) == 0 {
		return nil
	}
	all := make([][]plan.Rank, len(o.plan.Actions))
	for a, d := range o.divided {
		all[a] = d.helpers
	}
	return all
}
