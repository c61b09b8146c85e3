// Package trace turns the report of a run into the trace event format that Chrome (chrome://tracing) and Perfetto
// (ui.perfetto.dev) show: a process for each rank, a thread for each slot, an arrow for each artifact that an action
// read from another.
//
//   - Invariant 1: every time in which an action of the report had a slot is one slice, on the rank and slot that executed
//     it; inside are its head start, and its front end, until its export data was there. What is held meanwhile is none.
//   - Invariant 2: an arrow begins where the artifact was there (at the export data, and for a link at the end) and ends
//     at the start of the action that read it; none goes backwards within a rank's clock.
//
// Pure but for the writer. Ranks share no clock: their zero is the arrival of the plan, so an arrow between ranks is
// right only to about a round trip of the network.
package trace
