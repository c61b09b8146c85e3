// Package rank is what one process does from start to exit: it meets the
// others, gets the plan (at root: makes it), executes its part in supersteps,
// and leaves. Run is all of it.
//
// Rank 0, root, has duties beside: it captures and places the plan, hears of
// every action that ended, closes barriers, moves actions, links, reports.
//
// What earlier runs made is not made again. The plan comes out of the store
// while nothing that the go command looked at has changed (plan_cache.go,
// plan_seen.go), and if the tools' files and the programs have not either,
// nothing is done at all. An action comes out of the store of its rank, or of
// another rank that has it (cache*.go, peers.go). When in doubt, the go command
// is asked, the tool is run. explain.go remembers why.
//
// Where the end of a build would wait for one package's back end, other ranks
// compile a share of its functions (share.go).
//
// Where the user asks for an audit, actions are executed a second time where
// slots idle, and what comes of it is compared (audit.go, second.go). Those of a
// slow rank are executed a second time in its relief, and the first result counts
// (relief.go).
//
// One goroutine, the loop, owns the state of package rank/superstep. Whatever
// happens elsewhere (a frame arrives, a tool ends) is posted to it as a
// function; it never waits for the network or a process.
//
// Errors are *Error, which carries one of the exit codes that README lists and
// whether this rank is the one to speak of it.
package rank
