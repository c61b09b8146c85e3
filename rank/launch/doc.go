// Package launch answers one question: who am I? It reads rank, size, hosts, run key and secret from whatever started
// this process, and starts ranks itself where nothing did.
//
// It is the first thing a run does: main calls [Detect], hands the [Place] to the transport, which meets the other
// ranks where [Place.RootAddrs], a [Rendezvous] file or PMI says that root is.
//
// The seam is [Launchers]: a table of values in the order in which they are asked. To support one more launcher, add
// one row and one detect function; nothing else knows their names.
//
// Invariant 1: rank and size come from the same launcher, never one from each.
// Invariant 2: a Place that Detect returns is consistent: 0 <= Rank < Size <= MaxSize, 0 <= LocalRank, LocalRank <
// LocalSize where LocalSize is known, and Hosts is empty or has Size entries.
// Invariant 3: Detect starts nothing, opens no socket and reads no variable but through its argument.
// Invariant 4: the secret is never part of a Place, of an error or of Place.From.
//
// All functions are safe for concurrent use. StartLocal and Rendezvous.Await block until they are done or their context
// is.
//
// Errors: *[Error] is of the usage family (a variable or a flag says something impossible; the text names it and its
// value). Everything else comes from the operating system.
package launch
