// Package superstep is the state of a build while it runs: what each rank may
// start, where its artifacts go, which barriers have closed, and which actions
// root moves. It does no I/O, knows no clock and starts no goroutine; package
// rank drives it with what happened and carries out the effects it answers.
//
// A Rank is one process's view, a Root what rank 0 knows beside its own. The
// caller must
//
//  1. tell a Rank of every artifact that exists locally (Produced, Arrived),
//     every action that ended (Finished), every share that did (Helped), every
//     call for a share (Called, Dismissed), every second execution that did
//     (Repeated) or came to export data (GivesOut, GaveOut), types that exist
//     (Typed, TypesArrived), every head start that paused (Paused) and every
//     message of root;
//  2. carry out all effects it got before it waits for the next event: what is given
//     no threads stands still until it is given some;
//  3. tell Root of every Done and Notify, its own included, in the order in
//     which each rank sent them;
//  4. tell Root how long each action took, until its export data was out (Led),
//     before that exists, in relief too, and until its end (Took), before its Done;
//     and that time passes (Look, every LookEvery). Root judges by that whose ranks
//     are slow, and by nothing else.
//
// Invariant 1: every action is executed, or satisfied from a store, exactly
// once in a run without failures. Both types refuse a second end of an action.
// Invariant 2: an action starts only when every input is here.
// Invariant 3: commits are totally ordered and identical on every rank: a Rank
// accepts barrier k only after barrier k-1, Root closes them in that order.
// Invariant 4: only an action whose inputs all exist is assigned. So the placement
// in the plan, which says where artifacts are put, is never stale for an
// artifact that does not exist yet, and needs no update when an action moves.
// What is withdrawn from a slow rank before is nobody's until then.
// Invariant 5: nothing waits for a share, and a share for nothing but its inputs
// and a slot.
// Invariant 6: a second execution for an audit holds no slot that anything else is
// ready for, and only the end of the run waits for it. One in relief of a slow rank
// has a slot as an action of its urgency does, if it can be held. Its export data
// is given out when nobody else's is here; all else that it makes counts when its
// rank owns the action.
// Invariant 7: what runs on a rank, audits aside, has all its slots as
// threads, at least one each; what is held has none.
// Invariant 8: nothing waits for types or for a head start to begin. One that runs
// has a slot, begins only where nothing more urgent is ready for it, and has left
// that when it has paused. An action that is started meanwhile has its slot at
// once, and goes on when it has paused.
// Invariant 9: only a compile whose export data is out, a share, or what is executed
// in relief, is held, for something more urgent and while no slot is free. It may end,
// or be given up or back, all the same. In Blocking mode nothing is held.
//
// A violation is an *Error: a defect of distgo or a peer that lies. The types
// are not safe for concurrent use.
package superstep

import "fmt"

// An Error says which invariant an event would have broken.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func violation(format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...)}
}
