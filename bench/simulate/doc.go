// Package simulate replays a recorded run on worlds that nobody has at hand: its measured durations go through the very
// scheduler that plans builds, on 1 to 1024 ranks of 1 to 64 slots, over a network of a given rate. bench calls it for a
// report's file, bench/page for the section "beyond DAS-5", bench/figures draws it.
//
//   - Invariant 1: nothing is fitted. A prediction is what preceded execution in the recorded run, and the schedule of its
//     durations; the world that was recorded is predicted like any other, and its error is shown.
//   - Invariant 2: the bound of a world is that of rank/report on its slots, so no prediction is below it.
//
// What is not simulated: more slots do not shorten one compile here, ranks are equally fast, and planning takes as long as
// it took. Values are immutable; everything may be used from any goroutine.
//
// Errors are the caller's: a report of a run that built nothing, or from a store.
package simulate
