// Package plan says what is built and who does what: the actions of one
// build, the artifacts that pass between them, the groups they are executed
// in, and the rank that executes each.
//
// A Plan is made by root from the transcript of the go command (New), is
// placed on ranks (package plan/schedule), and is sent to every rank. It is a
// value: nothing here reads a file, opens a socket or starts a goroutine.
//
// Invariant 1: every action appears in exactly one group.
// Invariant 2: an action's inputs are produced in earlier groups, by exactly
// one action each.
// Invariant 3: a path outside the scratch directory is written by nothing but
// the commands that put a program in its place, and those belong to links.
//
// Validate checks all three. A Plan is immutable once it is broadcast; it may
// be read from any goroutine.
package plan
