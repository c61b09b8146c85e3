// Package emulate makes one Linux machine behave like a cluster of N nodes with C cores each, so that a run of
// distgo, or of go build, can be measured as if it had them. It knows processes and kernel counters, nothing of Go
// builds but how the go command is told to run its tools in the cage. bench starts it; it imports nothing of ours.
//
// A node is a network namespace with an address of its own (10.141.0.x) on a private switch, a host name (nodeNNN),
// a disk in memory (/local) that no other node can read, and control groups (cgroup v1 or v2).
//
// Time is dilated: with factor F everything a node does takes F times as long as on real cores, and whoever reports
// divides by F. That is how eight nodes fit on two cores.
//
//   - Invariant 1: a node of C cores uses at most C/F of the machine's, whatever runs in it.
//   - Invariant 2: a thread uses at most 1/F of one: where nodes have several cores, every thread runs in a group of its
//     own below the node's (keeper). The node's quota alone would let a lone thread use the share of all C cores and run
//     C times too fast; a quota for each command would let the serial part of a compile at -c=4 run four times too fast.
//     The F of a node that is slower than others ([Spec].Slow) is so many times the cluster's, here and in invariant 1.
//   - Invariant 3: a node sends and receives at most Net/F bits a second, both ways measured at its own port.
//   - Invariant 4: the nodes of a cluster never ask for more cores than the machine has ([Spec.Validate]).
//   - Invariant 5: nothing outlives a cluster but by a killed owner, and what that leaves the next [Up] removes.
//
// Not dilated, and for the report to say: disk, fork and exec, the latency of the network, the time-outs of programs. The
// kernel stops a thread at a tick of its scheduler, and a group may use what it had no chance to use in the period before:
// so a thread gets some milliseconds of a core ahead at its start, once: 4 on a node of one core, 12 on one of several, both
// dilated four times (TestHonestStart), go build's threads as well as distgo's. Caches are cold at the beginning of each
// slice, which slows large compiles beyond their dilation: go/types by 6 % at 2, by 20 % at 4 on one core; on two cores it
// is between 11 % too fast and 1 % too slow (TestHonestCompile). A cluster that leaves a core's tenth to the machine is
// steadier than one that asks for all of it.
//
// For C > 1 a thread that just started shares the core of the thread that made it, for the moment until the keeper has
// heard of it: a tenth of a millisecond, a few when the machine is busy.
//
// A Cluster's methods may be called from any goroutine; Down waits for nobody but the processes it kills and the keeper's
// goroutine. Enter replaces the calling process and is for a process that was started for nothing else.
//
// Errors: a machine that cannot emulate (Check) and a Spec that is not for this machine (Validate) are the caller's
// configuration; everything else is the machine's refusal, named with the command or file that failed.
package emulate
