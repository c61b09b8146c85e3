// Package simulate puts a recorded run on worlds that nobody has at hand: 1 to 1024 ranks of 1 to 64 slots, over a network
// of a given rate. For each it is planned as it was planned, and executed in virtual time (rank/report, Predict). bench
// calls it for a report's file, bench/page for the section "beyond DAS-5", bench/figures draws it.
//
//   - Invariant 1: nothing is fitted. A prediction is what preceded execution in the recorded run, and its durations as they
//     would have been without helpers; the world that was recorded is predicted like any other, and its error is shown.
//   - Invariant 2: the bound of a world is that of rank/report on its ranks and slots, so no prediction is below it.
//
// What is simulated: placement and helpers as the scheduler chooses them by what it took actions to cost; all that ranks
// and root decide while a build runs, such as to move an action; what messages and artifacts take, and that root
// receives one object after the other; what helpers repeat, and shares that come too late.
//
// What is not: compiles have the threads that they had, however many slots a rank has, planning takes as long as it took,
// and all ranks are as fast as those that were recorded. Those of the emulated cluster are not under another dilation: the
// tools took 1.1 times the CPU of dilation 1 under 2, 1.2 times under 4, 1.2 to 1.3 times under 8 (wego and gg, ranks of
// one core on two).
//
// Values are immutable; everything may be used from any goroutine.
//
// Errors are the caller's: a report of a run that built nothing, or from a store.
package simulate
