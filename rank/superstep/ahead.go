package superstep

import (
	"container/heap"

	"github.com/badbubble/distgo/plan"
)

// A compile that lacks export data of its imports, and has their types, can be
// given a head start: it is begun where nothing more urgent is ready for the slot,
// hands out its own types, goes as far as it can without that export data, and
// pauses. When the action is started, that is gone on with; all its inputs being here
// while it is being begun, it is started at once. Like a share, a head start is a
// hint: it has no part in barriers and recovery, root does not know of it, and
// whatever is in doubt quits it, since the action can be executed without.
//
// In Blocking mode there is none: it is the textbook's. Paused compilers keep their
// memory, so the plan says how many there may be.

// headStart is how far an action of mine is before it is started.
type headStart uint8

const (
	notBegun headStart = iota
	inQueue
	begun    // holds a slot
	quitting // still does
	paused
	joined // has not paused; the action was started, and has its slot, or has left that
)

// Typed tells that an action that runs here, or was begun, has left the types of
// its export artifact f in place.
func (r *Rank) Typed(f plan.ArtifactID) Effects {
	sent := map[plan.Rank]bool{r.self: true}
	send := func(to plan.Rank) {
		if !sent[to] {
			sent[to] = true
			r.out.Types = append(r.out.Types, Put{f, to})
		}
	}
	for _, c := range r.plan.Artifacts[f].Consumers {
		if r.mode == Blocking {
			break
		}
		send(r.owner[c])
	}
	return r.TypesArrived(f)
}

// TypesArrived tells that the types of an export artifact are here.
func (r *Rank) TypesArrived(f plan.ArtifactID) Effects {
	r.typed[f] = true
	for _, c := range r.plan.Artifacts[f].Consumers {
		r.admitAhead(c)
	}
	r.advance()
	return r.take()
}

// Paused tells that what was begun waits for export data, or has come to an early end, which
// shows when the action goes on.
func (r *Rank) Paused(a plan.ActionID) (Effects, error) {
	switch r.ahead[a] {
	case begun:
		r.ahead[a] = paused
		r.end(Execution{Action: a, Ahead: true})
	case quitting:
		r.ahead[a] = notBegun
		r.begun--
		r.end(Execution{Action: a, Ahead: true})
	case joined:
		r.ahead[a] = notBegun
	default:
		return Effects{}, violation("%s pauses without having been begun here", r.plan.Actions[a].Package)
	}
	r.admit(a)
	r.advance()
	return r.take(), nil
}

// admitAhead queues an action of mine that may be begun, though not started.
func (r *Rank) admitAhead(a plan.ActionID) {
	if r.state[a] != waiting || r.missing[a] == 0 || r.ahead[a] != notBegun || r.mode == Blocking || r.plan.Aside == 0 || !r.plan.MayBegin(a) {
		return
	}
	for _, in := range r.plan.Actions[a].Inputs {
		if !r.here[in] && !(r.typed[in] && r.plan.Artifacts[in].Kind == plan.Export) {
			return
		}
	}
	r.ahead[a] = inQueue
	heap.Push(&r.aheads, a)
}

// mayBegin reports whether one more action may be begun.
func (r *Rank) mayBegin() bool { return r.begun < r.plan.Aside*r.slots }

func (r *Rank) beginAhead(a plan.ActionID) {
	r.ahead[a] = begun
	r.begun++
	r.begin(Execution{Action: a, Ahead: true})
	r.out.Ahead = append(r.out.Ahead, Help{Action: a})
}

// mayQueue answers whether an action all of whose inputs are here is to be queued.
// One that is being begun is started at once instead, in the slot that it has.
func (r *Rank) mayQueue(a plan.ActionID) bool {
	switch r.ahead[a] {
	case inQueue:
		r.aheads.remove(a)
		r.ahead[a] = notBegun
	case begun:
		r.end(Execution{Action: a, Ahead: true})
		r.start(a)
		return false
	case quitting, joined: // from when the action was here before: when it has paused
		return false
	}
	return true
}

// continued notes that an action is started, and with it what was begun of it.
func (r *Rank) continued(a plan.ActionID) {
	switch r.ahead[a] {
	case begun:
		r.ahead[a] = joined
	case paused:
		r.ahead[a] = notBegun
	default:
		return
	}
	r.begun--
}

// quit gives up what was begun of an action that is this rank's no more.
func (r *Rank) quit(a plan.ActionID) {
	switch r.ahead[a] {
	case inQueue:
		r.aheads.remove(a)
		r.ahead[a] = notBegun
	case begun:
		r.ahead[a] = quitting
		r.out.Quit = append(r.out.Quit, a)
	case paused:
		r.ahead[a] = notBegun
		r.begun--
		r.out.Quit = append(r.out.Quit, a)
	}
}
