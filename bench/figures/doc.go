// Package figures draws an experiment: from samples to pictures, with nothing measured or decided in between but medians.
// bench/page puts the pictures into a report.
//
//   - Invariant 1: every axis of a quantity begins at zero and names its unit; times are undilated seconds.
//   - Invariant 2: a point is the median of the samples that count; whiskers are the least and the greatest of them.
//   - Invariant 3: a picture of the same samples is the same picture, byte for byte in SVG.
//
// What stands in a picture is computed in pure functions (Campaigns, Speedup, and those beside each picture); drawing is
// in the types with a Plot method, and in sheet.go. Values may be used from any goroutine, a Campaign from one.
//
// Errors: only of reading a run's report and of writing a picture. What there are no samples for is not drawn.
package figures
