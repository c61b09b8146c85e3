// Package sample holds what an experiment measured: one line of JSON a sample, appended as it is measured, never
// rewritten. bench writes samples; bench/figures and bench/page read them and derive everything else.
//
//   - Invariant 1: a line is a whole sample, with the machine and the versions it was measured with; files may be
//     concatenated.
//   - Invariant 2: what was measured is kept as it was measured. Times are the clock's; Seconds divides by the dilation.
//   - Invariant 3: a sample that is not of a complete, right build carries the reason in Refused and no summary counts it.
//
// Values are immutable once written. A Writer may be used from one goroutine.
//
// Errors are the caller's configuration: a file of another schema, a line that is no sample. A last line that was cut
// off, as a killed experiment leaves it, is not an error: Read says that it is there.
package sample
