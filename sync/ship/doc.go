// Package ship brings files of root to ranks that do not see them: sources,
// headers, embedded files, the toolchain's programs. A Giver, at root, says
// what a list of paths is by digest, and packs what it is asked for; a Taker
// asks for what its node does not have, keeps it in the node's store, and lays
// it out below a directory of the run, under the paths that it has at root.
//
//	Taker                                   Giver
//	wants to know what some actions read →  List
//	Missing, which it asks for           →  Pack
//	Receive, Wait, Lay                   ←
//
// Who carries their words is the caller's business.
//
// Invariant 1: root reads and digests a file once in a run, for however many
// ranks.
// Invariant 2: what Lay puts in its place has the digest that root named.
// Invariant 3: what is in the node's store, or lies under the same path with
// the same content, is not asked for.
// Invariant 4: nothing is written but to the store and below the view.
// Invariant 5: a Giver gives only what it has listed.
//
// A Giver and a Taker may be used from any goroutine.
//
// Errors: *ProtocolError is a peer's fault; the rest comes from the store and
// the operating system.
package ship
