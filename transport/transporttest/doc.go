// Package transporttest gives tests whole worlds in one process, and faults between their ranks.
//
// NewWorld returns ranks that are connected over an in-memory Network. It fakes the wire and not the interface: every
// byte is encoded, authenticated, sent, and decoded, through buffers that fill up and deadlines that pass. There are no
// sockets and no real waiting, so that worlds work in a testing/synctest bubble, where time is the bubble's.
//
// A Fault is a value: where it strikes, what it does, and how often it did. A test asserts that it fired and what surfaced.
//
// Invariant 1: without a fault, bytes arrive complete, unaltered and in order, as over TCP.
// Invariant 2: closing a connection with unread input resets it, and what was on its way is lost, as over TCP.
//
// Everything here is safe from any goroutine.
package transporttest
