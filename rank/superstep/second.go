package superstep

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// An action is executed a second time in relief of a rank that is late with it, see
// relief.go, or for an audit, on another rank than the one that made it where there is
// one, and what came of it is compared. An audit takes a slot that would idle, and
// gives it back, unfinished, when something else is ready for it; it begins anew when
// one is free again; only the end of the run waits for it. Second executions have no
// part in barriers and recovery: when a rank is lost, all are dropped, and root gives
// those for audits out again.
//
// In Blocking mode there are none: it is the textbook's. A build that fails is
// not audited any further.

// A Reason is why an action is executed a second time.
type Reason uint8

// The reasons.
const (
	ForAudit    Reason = iota
	Late               // in relief of who is late with it
	BackEndLate        // in relief of who is late with its back end: its export data exists
)

// A second is an action that is to be executed a second time here.
type second struct {
	action  plan.ActionID
	running bool
	ceasing bool // it runs, and is being ended
	wanted  bool // root has not dropped it
	why     Reason
}

// An audit is what root knows of a second execution.
type audit struct {
	action plan.ActionID
	on     plan.Rank // who has it; nobody while nobody does
	relief bool      // of an action that has not ended, see relief.go
	made   bool      // it is a relief, and what it made lies aside
}

// Repeat tells that root wants an action executed a second time here. Holders names,
// input by input, a rank that has it.
func (r *Rank) Repeat(a plan.ActionID, holders []plan.Rank, why Reason) (Effects, error) {
	inputs := r.plan.Actions[a].Inputs
	if len(holders) != len(inputs) {
		return Effects{}, violation("%s has %d inputs, %d holders were named", r.plan.Actions[a].Package, len(inputs), len(holders))
	}
	if r.mode == Blocking || r.plan.Actions[a].Kind == plan.Link {
		return Effects{}, violation("%s is not to be executed a second time", r.plan.Actions[a].Package)
	}
	i := slices.IndexFunc(r.seconds, func(s second) bool { return s.action == a })
	switch {
	case i < 0:
		r.seconds = append(r.seconds, second{action: a, wanted: true, why: why})
	case r.seconds[i].wanted:
		return Effects{}, violation("%s is being executed a second time already", r.plan.Actions[a].Package)
	default:
		r.seconds[i].wanted, r.seconds[i].why = true, why // it was dropped, and has not ended yet
	}
	for i, in := range inputs {
		// Asked for also where the plan has it put here: who was to put it may be lost, and the reader have been another rank.
		if !r.here[in] && !r.asked[in] {
			r.asked[in] = true
			r.out.Want = append(r.out.Want, Want{in, holders[i]})
		}
	}
	r.relieves(a, why == BackEndLate || r.exportIsHere(a))
	r.admitReliefs()
	r.advance()
	return r.take(), nil
}

// competes reports whether a second execution has a slot as an action so urgent has,
// which takes that it can be held: its front end, too.
func (r *Rank) competes(s *second) bool {
	return s.why != ForAudit && r.plan.Aside > 0 && r.plan.MayBegin(s.action)
}

// relieves says how urgent the relief of an action is: as its back end, if its export
// data exists.
func (r *Rank) relieves(a plan.ActionID, backEnd bool) {
	r.reliefs.priority[a] = r.queue.priority[a]
	if backEnd {
		r.reliefs.priority[a] = r.held.priority[a]
	}
	heap.Init(&r.reliefs)
}

// admitReliefs queues the reliefs that may start.
func (r *Rank) admitReliefs() {
	for i := range r.seconds {
		if s := &r.seconds[i]; r.competes(s) && s.wanted && !s.running && !r.reliefs.has(s.action) && r.hasInputs(s.action) {
			heap.Push(&r.reliefs, s.action)
		}
	}
}

func (r *Rank) hasInputs(a plan.ActionID) bool {
	return !slices.ContainsFunc(r.plan.Actions[a].Inputs, func(f plan.ArtifactID) bool { return !r.here[f] })
}

func (r *Rank) exportIsHere(a plan.ActionID) bool {
	return slices.ContainsFunc(r.plan.Actions[a].Outputs, func(f plan.ArtifactID) bool {
		return r.here[f] && r.plan.Artifacts[f].Kind == plan.Export
	})
}

// advanceRelief starts a relief in a slot, or has it go on there.
func (r *Rank) advanceRelief(a plan.ActionID) {
	if s := r.second(a); s.running {
		r.active++
	} else {
		s.running = true
		r.begin(Execution{Action: a, Second: true})
		r.out.Repeat = append(r.out.Repeat, Help{Action: a})
	}
}

// GivesOut reports whether this rank is to put an export artifact in its place and
// give it out that a second execution has come to: in relief, if it did not exist when
// that began, and is not here yet.
func (r *Rank) GivesOut(f plan.ArtifactID) bool {
	a := r.plan.Artifacts[f].Producer
	s := r.second(a)
	return s != nil && s.running && !s.ceasing && s.wanted && s.why == Late && !r.here[f] && r.state[a] == foreign
}

// GaveOut tells that this rank did what GivesOut asked for.
func (r *Rank) GaveOut(f plan.ArtifactID) (Effects, error) {
	if !r.GivesOut(f) {
		return Effects{}, violation("%s was given out, which nobody makes in relief here", r.plan.Artifacts[f].Path)
	}
	r.produce(f)
	r.advance()
	return r.take(), nil
}

// Repeated tells that a second execution ended here, or was ended. It answers
// whether root is to hear what came of it.
func (r *Rank) Repeated(a plan.ActionID, ended bool) (tell bool, e Effects, err error) {
	i := slices.IndexFunc(r.seconds, func(s second) bool { return s.action == a })
	if i < 0 || !r.seconds[i].running || !ended && !r.seconds[i].ceasing {
		return false, Effects{}, violation("a second execution of %s ended without running here", r.plan.Actions[a].Package)
	}
	r.end(Execution{Action: a, Second: true})
	tell = ended && r.seconds[i].wanted
	if tell || !r.seconds[i].wanted {
		r.seconds = slices.Delete(r.seconds, i, i+1)
	} else {
		r.seconds[i].running, r.seconds[i].ceasing = false, false
	}
	r.admitReliefs()
	r.advance()
	return tell, r.take(), nil
}

// second is the second execution of an action here, nil where there is none.
func (r *Rank) second(a plan.ActionID) *second {
	if i := slices.IndexFunc(r.seconds, func(s second) bool { return s.action == a }); i >= 0 {
		return &r.seconds[i]
	}
	return nil
}

// dropSeconds ends all second executions here.
func (r *Rank) dropSeconds() {
	r.seconds = slices.DeleteFunc(r.seconds, func(s second) bool {
		if !s.running {
			r.reliefs.remove(s.action)
		}
		return !s.running
	})
	for i := range r.seconds {
		r.seconds[i].wanted = false
		r.cease(&r.seconds[i])
	}
}

func (r *Rank) cease(s *second) {
	if !s.ceasing {
		s.ceasing = true
		r.out.Cease = append(r.out.Cease, s.action)
	}
}

// advanceSeconds starts second executions that do not compete where nothing else can
// start, and ends as many as something else is ready for.
func (r *Rank) advanceSeconds() {
	waiting := len(r.queue.ids) + len(r.shares.ids) + len(r.held.ids) + len(r.reliefs.ids)
	for i := range r.seconds {
		if r.seconds[i].ceasing {
			waiting--
		}
	}
	for i := range r.seconds {
		switch s := &r.seconds[i]; {
		case r.competes(s):
		case s.running && waiting > 0:
			if !s.ceasing {
				r.cease(s)
				waiting--
			}
		case !s.running && r.active < r.slots && r.hasInputs(s.action):
			s.running = true
			r.out.Repeat = append(r.out.Repeat, Help{s.action, 1})
			if s.why != ForAudit {
				r.begin(Execution{Action: s.action, Second: true})
			} else {
				r.active++
			}
		}
	}
}

// Audit has an action that is about to end well executed a second time.
func (r *Root) Audit(a plan.ActionID) {
	known := slices.ContainsFunc(r.audits, func(u audit) bool { return u.action == a && !u.relief })
	if r.mode == Split && r.plan.Actions[a].Kind != plan.Link && len(r.failed) == 0 && !known {
		if u := r.relief(a); u != nil && u.on != r.owner[a] {
			u.relief = u.made // one that goes on is for the audit; what lies aside can be compared at once
			return
		}
		r.audits = append(r.audits, audit{action: a, on: nobody})
	}
}

// Audits counts those that have not come to their end.
func (r *Root) Audits() int { return len(r.audits) }

// Repeated tells that a rank executed an action a second time, or, if not ok,
// could not. It answers whether anybody waits for that.
func (r *Root) Repeated(a plan.ActionID, by plan.Rank, ok bool) (awaited bool, o Orders) {
	i := slices.IndexFunc(r.audits, func(u audit) bool { return u.action == a && !u.made })
	if i < 0 {
		return false, Orders{}
	}
	if u := &r.audits[i]; u.relief && u.on != by {
		return false, Orders{}
	} else if u.relief && ok {
		u.made, r.settled[a] = true, true // it is given up, or ends
		r.out.GiveUp = append(r.out.GiveUp, Yield{a, r.owner[a]})
		return true, r.take()
	}
	r.vain[a] = r.audits[i].relief
	r.audits = slices.Delete(r.audits, i, i+1) // whoever has it now, for whatever reason another had it before
	r.balance()
	r.close()
	return true, r.take()
}

// audit gives second executions to ranks that idle.
func (r *Root) audit() {
	r.audits = slices.DeleteFunc(r.audits, func(u audit) bool { return r.left == 0 && !r.readable(u.action) }) // lost, and nobody makes it again
	for i := range r.audits {
		u := &r.audits[i]
		if u.on != nobody || u.relief || !r.ended[u.action] || !r.readable(u.action) {
			continue
		}
		if to := r.auditor(u.action); to != nobody {
			u.on = to
			r.out.Repeat = append(r.out.Repeat, Assign{u.action, to, r.holders(u.action)})
		}
	}
}

// auditor finds the rank that idles most and has not made an action; who has
// made it audits it where no other can.
func (r *Root) auditor(a plan.ActionID) plan.Rank {
	own := r.owner[a]
	to, others := r.idlest(a, []plan.Rank{own})
	if !others && r.spare(own) > 0 {
		return own
	}
	return to
}

// spare counts the slots of a rank that nothing is ready for. A link takes all.
func (r *Root) spare(rank plan.Rank) int {
	n := r.slots[rank] - len(r.load[rank])
	if n <= 0 {
		return 0
	}
	n -= r.helping(rank)
	for _, a := range r.load[rank] {
		if r.plan.Actions[a].Kind == plan.Link {
			return 0
		}
	}
	for i := range r.audits {
		if r.audits[i].on == rank && !r.audits[i].made {
			n--
		}
	}
	return n
}

// readable reports whether all inputs of an action exist.
func (r *Root) readable(a plan.ActionID) bool {
	return !slices.ContainsFunc(r.plan.Actions[a].Inputs, func(f plan.ArtifactID) bool { return !r.exists[f] })
}

// holders names, input by input, who has it.
func (r *Root) holders(a plan.ActionID) []plan.Rank {
	holders := make([]plan.Rank, len(r.plan.Actions[a].Inputs))
	for i, in := range r.plan.Actions[a].Inputs {
		holders[i] = r.holder[in]
	}
	return holders
}
