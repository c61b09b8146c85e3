package superstep

import (
	"cmp"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// Relief of a rank that is slow, or holds what it will come to late: an action that
// it has begun is executed on an idle rank as well, a second execution. That competes
// for slots as an action of its urgency does, and is held as a back end is when
// something more urgent is ready. Who comes to the export data first gives it out,
// and as both make the same of the same, nobody minds who. All else stays aside. When
// the second execution ends first, the first rank is asked to give its own up. It
// does, as if its node could not execute the action, and the other takes over the
// action and what lies aside; or it has just ended, and what lies aside is
// dismissed. So all that root decides goes the ways of what is given back, moved
// and lost.

const (
	lateAfter    = 1_000_000 // by how much longer any action may take: its inputs may be on their way
	sooner       = 100_000   // by how much sooner who relieves a rank has to be expected to be done
	suspectTimes = 1.35      // times as long as the others makes a rank worth relieving, by who has nothing else to do
)

// relieveAll relieves ranks of what is late, the most urgent first.
func (r *Root) relieveAll() {
	var late []plan.ActionID
	for on := range plan.Rank(len(r.slots)) {
		for _, a := range r.running(on) {
			if r.late(a, on) {
				late = append(late, a)
			}
		}
		late = append(late, r.stuck(on)...)
	}
	slices.SortFunc(late, func(a, b plan.ActionID) int {
		return cmp.Or(cmp.Compare(r.plan.Priority[b], r.plan.Priority[a]), cmp.Compare(a, b))
	})
	for _, a := range late {
		if to := r.reliever(a); to != nobody {
			r.relieve(a, to)
		}
	}
}

// stuckTimes is by how much sooner another has to be through with what is stuck: what
// it takes for that is lost, and root does not know how far who holds it has come.
const stuckTimes = 2

// stuck lists the back ends that a rank holds, and will come to so late that another
// would be through much sooner with all of the action.
func (r *Root) stuck(on plan.Rank) (stuck []plan.ActionID) {
	load := r.load[on]
	slots := max(0, r.ownSlots(on)-r.helping(on))
	if len(load) <= slots {
		return nil
	}
	var left int64 // until it is through with an action
	of := func(a plan.ActionID) int64 {
		if action := &r.plan.Actions[a]; r.inBackEnd(a) {
			return action.Cost - action.Lead
		}
		return r.plan.Actions[a].Cost
	}
	for _, a := range load {
		left += of(a)
	}
	for _, a := range slices.Backward(load[slots:]) {
		if r.inBackEnd(a) && (slots == 0 || stuckTimes*float64(r.plan.Actions[a].Cost*int64(slots)) < r.Times(on)*float64(left)) {
			stuck = append(stuck, a)
		}
		left -= of(a)
	}
	return stuck
}

// Waits reports whether an action waits for others where it is, so that who has it is
// not slow with it.
func (r *Root) Waits(a plan.ActionID) bool { return !slices.Contains(r.running(r.owner[a]), a) }

// late reports whether an action would be done sooner if another rank began it
// now: if it takes much longer than it should, or who has it takes longer with
// everything.
func (r *Root) late(a plan.ActionID, on plan.Rank) bool {
	if r.judge != nil {
		return r.judge(a, on)
	}
	others := r.paces.others(on)
	if others.expected < evidence {
		return false
	}
	should, elapsed := others.times()*float64(r.plan.Actions[a].Cost), float64(r.paces.of[on].executed[a])
	all := max(1, others.times()) // where all are slowed down, what is on its way is, too
	times := r.Times(on)
	return elapsed > slowTimes*should+lateAfter*all || times > suspectTimes && times*should-elapsed > should+sooner*all
}

// Judge has somebody else say with what a rank is late.
func (r *Root) Judge(late func(a plan.ActionID, on plan.Rank) bool) { r.judge = late }

// ownSlots counts the slots of a rank that reliefs of others leave it: those that are
// more urgent than what is its own.
func (r *Root) ownSlots(rank plan.Rank) int {
	n := r.slots[rank]
	for i := range r.audits {
		u := &r.audits[i]
		if !u.relief || u.on != rank || u.made {
			continue
		}
		urgency := r.plan.Priority[u.action]
		if r.Why(u.action) == BackEndLate {
			urgency = r.plan.BackEndUrgency(u.action)
		}
		before := 0
		for _, a := range r.load[rank] {
			if r.urgency(a) >= urgency {
				before++
			}
		}
		if before < n {
			n--
		}
	}
	return n
}

func (r *Root) relieve(a plan.ActionID, to plan.Rank) {
	r.audits = append(r.audits, audit{action: a, on: to, relief: true})
	r.out.Repeat = append(r.out.Repeat, Assign{a, to, r.holders(a)})
}

// reliever finds the rank that idles most, and is neither slow nor as slow, for an action that
// another is taken to be executing.
func (r *Root) reliever(a plan.ActionID) plan.Rank {
	own := r.owner[a]
	if !r.moves() || r.ended[a] || r.vain[a] || r.homeless[a] || r.moving[a] >= 0 || !r.readable(a) ||
		r.plan.Actions[a].Kind == plan.Link || len(r.failed) > 0 || !slices.Contains(r.load[own], a) ||
		slices.ContainsFunc(r.audits, func(u audit) bool { return u.action == a }) { // also one for an audit, of what a loss has it make again
		return nobody
	}
	to, _ := r.idlest(a, append([]plan.Rank{own}, r.tried[a]...))
	if to == nobody || r.slow(to) || r.Times(to) > suspectTimes && r.Times(to)*suspectTimes > r.Times(own) {
		return nobody
	}
	return to
}

// idlest finds the rank that idles most, of slow ranks so much less, and that may
// execute an action and is none of those; others says whether there is another.
func (r *Root) idlest(a plan.ActionID, but []plan.Rank) (best plan.Rank, others bool) {
	best = nobody
	most := 0.0
	for rank := range r.slots {
		to := plan.Rank(rank)
		if !r.alive[to] || !r.may(a, to) || slices.Contains(but, to) {
			continue
		}
		others = true
		spare := r.spare(to)
		if spare <= 0 {
			continue // most often, and it need not be judged
		}
		if idles := float64(spare) / r.Times(to); idles > most {
			best, most = to, idles
		}
	}
	return best, others
}

// relief is what is known of the relief of an action, nil where there is none.
func (r *Root) relief(a plan.ActionID) *audit {
	if i := slices.IndexFunc(r.audits, func(u audit) bool { return u.action == a && u.relief }); i >= 0 {
		return &r.audits[i]
	}
	return nil
}

// Relieving reports whether an action is being executed in relief of who has it.
func (r *Root) Relieving(a plan.ActionID) bool {
	u := r.relief(a)
	return u != nil && !u.made
}

// Why says why an action is being executed a second time.
func (r *Root) Why(a plan.ActionID) Reason {
	switch {
	case !r.Relieving(a):
		return ForAudit
	case r.exporter[a] != nobody:
		return BackEndLate
	default:
		return Late
	}
}

// noRelief does without.
func (r *Root) noRelief(a plan.ActionID) {
	if u := r.relief(a); u != nil {
		if r.alive[u.on] {
			r.out.Dismiss = append(r.out.Dismiss, Assign{Action: a, To: u.on})
		}
		r.audits = slices.DeleteFunc(r.audits, func(u audit) bool { return u.action == a && u.relief })
	}
}

// dropAudits follows a loss, which all ranks answer by dropping their second
// executions. What lies aside stays.
func (r *Root) dropAudits() {
	r.audits = slices.DeleteFunc(r.audits, func(u audit) bool { return u.relief && (!u.made || !r.alive[u.on]) })
	for i := range r.audits {
		if !r.audits[i].relief {
			r.audits[i].on = nobody
		}
	}
}

// GaveUp tells that a rank gave up an action because root asked it to.
func (r *Root) GaveUp(a plan.ActionID, by plan.Rank) (Orders, error) {
	if r.owner[a] != by {
		return Orders{}, violation("rank %d gave up %s, which is rank %d's", by, r.plan.Actions[a].Package, r.owner[a])
	}
	if expected, took, long := r.tooLong(a, by); long {
		r.judged(by, expected, took) // and would have taken longer
	}
	r.dequeue(by, a)
	if r.dropped[a] {
		return r.take(), nil
	}
	if r.ended[a] {
		return Orders{}, violation("%s was given up after its end", r.plan.Actions[a].Package)
	}
	r.homeless[a] = true
	if r.moving[a] < 0 {
		r.rehouse()
	}
	return r.take(), nil
}

// Dismiss tells that a second execution here is of no use any more.
func (r *Rank) Dismiss(a plan.ActionID) Effects {
	if i := slices.IndexFunc(r.seconds, func(s second) bool { return s.action == a }); i >= 0 && r.seconds[i].running {
		r.seconds[i].wanted = false
		r.cease(&r.seconds[i])
	} else if i >= 0 {
		r.reliefs.remove(a)
		r.seconds = slices.Delete(r.seconds, i, i+1)
	}
	r.advance()
	return r.take()
}

// GiveUp asks this rank to give an action up, whether it has started or not. If
// it runs, it is to be ended, and GaveBack follows unless it ends by itself.
func (r *Rank) GiveUp(a plan.ActionID) (runs, gaveUp bool, e Effects) {
	if r.state[a] == running {
		return true, false, Effects{}
	}
	e, gaveUp = r.Yield(a)
	return false, gaveUp, e
}
