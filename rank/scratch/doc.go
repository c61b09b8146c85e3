// Package scratch is the private directory of one rank in one run, and the guardian that cleans up after a rank that
// could not do it itself.
package scratch
