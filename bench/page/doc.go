// Package page writes the report of an experiment: one HTML file that needs nothing else, and the same in Markdown with
// its pictures beside it. The numbers are computed in one place (Contents), so that both say the same.
//
//   - Invariant 1: a world that distgo lost stands in the same table, and in the same size, as one that it won.
//   - Invariant 2: refused samples are counted and their reasons given; no number is of them.
//
// Pure but for the writers. Errors: only the writers'.
package page
