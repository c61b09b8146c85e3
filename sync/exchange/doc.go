// Package exchange moves artifacts between the ranks of a world. An artifact
// goes straight from the rank that made it to each rank that needs it, as the
// raw bytes behind a put message: export data on the express lane, link objects
// on the bulk lane, nothing through root.
//
// Invariant 1: a file appears under its final name only when it is whole and
// its SHA-256 is the one its sender named.
// Invariant 2: no name from the wire leaves the directory: receivers look the
// path up in their own copy of the plan, a message names a number.
//
// Offer, Put and Receive may be called from any goroutine. Put queues and
// returns; Receive blocks until the bytes are on disk.
package exchange
