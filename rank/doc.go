// Package rank is what one process does from start to exit: it meets the
// others, gets the plan (at root: makes it), executes its part in supersteps,
// and leaves. Run is all of it.
//
// Rank 0, root, has duties beside: it captures and places the plan, hears of
// every action that ended, closes barriers, moves actions, links, reports.
//
// One goroutine, the loop, owns the state of package rank/superstep. Whatever
// happens elsewhere (a frame arrives, a tool ends) is posted to it as a
// function; it never waits for the network or a process.
//
// Errors are *Error, which carries the exit code of DESIGN.md's promises and
// whether this rank is the one to speak of it.
package rank
