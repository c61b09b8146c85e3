// Package launch answers one question: who am I? It reads rank, size, hosts, run key and secret from whatever started
// this process, and starts ranks itself where nothing did.
//
// It is the first thing a run does: main calls [Detect] and hands the [Place] to rank, which finds root through
// [OpenMeeting], be it by the launcher's variables, a [Rendezvous] file or [PMI], and gives its address to the transport.
//
// Where nothing starts the ranks, [StartLocal] and [StartRemote] do, here or through ssh; both hand signals on, label the
// output and return the code of the first rank that failed and was not merely lost.
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
// All functions are safe for concurrent use; a PMI and a Meeting belong to one goroutine. What takes a context blocks
// until it is done or its context is.
//
// Errors: *[Error] is of the usage family (a variable or a flag says something impossible; the text names it and its
// value). Everything else comes from the operating system.
package launch
