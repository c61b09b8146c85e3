package superstep

import "github.com/badbubble/distgo/plan"

// Root is told how long actions took, and judges ranks by what those were
// expected to take. All times are microseconds; what passes is told, too.

// LookEvery is how often Root is to look, in microseconds: several times while
// what any action may take longer than expected passes.
const LookEvery = 200_000

const (
	slowTimes = 2       // times as long as the others makes a rank slow, or an action late: what is expected is often wrong by half
	evidence  = 150_000 // expected of the actions by which ranks are judged: that much a rank is taken to have done as fast as the others
)

// pace is what actions were expected to take, and what they took.
type pace struct{ expected, took int64 }

// times is by how much that is wrong: 1 while too little is known.
func (p pace) times() float64 {
	if p.expected < evidence {
		return 1
	}
	return float64(p.took) / float64(p.expected)
}

// paces is what Root knows of time.
type paces struct {
	of  []observed // by rank
	all pace       // their sum
}

// observed is what Root knows of one rank.
type observed struct {
	pace
	executed map[plan.ActionID]int64 // for how long what ran when Root looked, and has not ended, has
	led      map[plan.ActionID]int64 // how long it took until export data was out
}

// others is the pace of all ranks but one.
func (p *paces) others(rank plan.Rank) pace {
	own := p.of[rank].pace
	return pace{p.all.expected - own.expected, p.all.took - own.took}
}

// Led tells how long an action took on a rank until its export data was out. That
// speaks of the rank long before the end does, which what is held comes to late.
func (r *Root) Led(a plan.ActionID, on plan.Rank, took int64) {
	if r.paces.of[on].led == nil {
		r.paces.of[on].led = map[plan.ActionID]int64{}
	}
	r.paces.of[on].led[a] = took
	r.judged(on, r.plan.Actions[a].Lead, took)
}

// Took tells how long an action that ends took on a rank that executed it.
func (r *Root) Took(a plan.ActionID, on plan.Rank, took int64) {
	expected := r.plan.Actions[a].Cost
	if led, ok := r.paces.of[on].led[a]; ok { // that much has been told
		expected -= r.plan.Actions[a].Lead
		took = max(0, took-led)
	}
	r.judged(on, expected, took)
}

// tooLong reports whether the front end of an action that a rank has been seen to
// execute, or its back end if export data is out, has taken much longer than expected
// already: that need not end to tell.
func (r *Root) tooLong(a plan.ActionID, on plan.Rank) (expected, took int64, long bool) {
	elapsed, seen := r.paces.of[on].executed[a]
	action := &r.plan.Actions[a]
	if !seen || action.Kind == plan.Link {
		return 0, 0, false
	}
	expected, took = action.Lead, elapsed
	if led, ok := r.paces.of[on].led[a]; ok {
		expected, took = action.Cost-action.Lead, max(0, elapsed-led)
	}
	others := r.paces.others(on).times()
	return expected, took, float64(took) > others*slowTimes*float64(expected)+max(1, others)*lateAfter
}

func (r *Root) judged(on plan.Rank, expected, took int64) {
	for _, p := range []*pace{&r.paces.of[on].pace, &r.paces.all} {
		p.expected += expected
		p.took += took
	}
}

// Times says how many times as long as the others a rank takes.
func (r *Root) Times(rank plan.Rank) float64 {
	own, others := r.paces.of[rank].pace, r.paces.others(rank)
	if others.expected < evidence || others.took == 0 {
		return 1
	}
	for a := range r.paces.of[rank].executed {
		if expected, took, long := r.tooLong(a, rank); long {
			own.expected += expected
			own.took += took
		}
	}
	return (float64(own.took)/others.times() + evidence) / float64(own.expected+evidence)
}

// Look tells that Root got on for so long since it last looked. What it does not
// get on itself, as where its machine is stopped, is nobody's slowness.
func (r *Root) Look(passed int64) Orders {
	for on := range plan.Rank(len(r.slots)) {
		rank := &r.paces.of[on]
		before := rank.executed
		rank.executed = map[plan.ActionID]int64{}
		running := len(r.running(on))
		for i, a := range r.load[on] {
			elapsed, seen := before[a]
			if seen && i < running {
				elapsed += passed
			}
			if seen || i < running { // else it has not begun; what was seen is held
				rank.executed[a] = elapsed
			}
		}
	}
	if r.moves() {
		r.withdrawAll()
	}
	r.balance()
	return r.take()
}

// running lists the actions that a rank is taken to be executing.
func (r *Root) running(on plan.Rank) []plan.ActionID {
	return r.load[on][:min(len(r.load[on]), r.ownSlots(on))]
}

// slow reports whether a rank takes much longer than the others.
func (r *Root) slow(rank plan.Rank) bool { return r.Times(rank) > slowTimes }

// suits reports whether a build of which so much remains is not expected to end
// later where a rank, which may be slow, executes an action.
func (r *Root) suits(a plan.ActionID, rank plan.Rank, remaining float64) bool {
	return !r.slow(rank) || float64(r.plan.Priority[a])+(r.Times(rank)-1)*float64(r.plan.Actions[a].Cost) <= remaining
}

// remaining is how long the rest of the build takes at least: its longest chain,
// or all of it on the slots that there are.
func (r *Root) remaining() float64 {
	var chain int64
	var work, slots float64
	for i := range r.plan.Actions {
		if !r.ended[i] {
			chain = max(chain, r.plan.Priority[i])
			work += float64(r.plan.Actions[i].Cost)
		}
	}
	for rank := range r.slots {
		slots += float64(r.slots[rank]) / r.Times(plan.Rank(rank))
	}
	return max(float64(chain), work/slots)
}
