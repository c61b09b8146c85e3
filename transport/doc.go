// Package transport connects the ranks of one run and moves messages and blobs between them.
//
// It is the bottom of distgo: Meet turns a rank, a size and root's address into a World, in which every rank can send to
// every other; the exchange of artifacts, barriers and the plan are built on top. It knows ranks and bytes, nothing of Go
// builds. PROTOCOL.md describes every byte it puts on the wire.
//
// A message travels as one frame: a fixed header, a msgpack body, and perhaps a blob, whose bytes follow raw. Each pair
// of ranks has two connections, one per Lane, so that a large blob never delays a small message.
//
// Invariant 1: nothing of a connection is interpreted before its peer has proved knowledge of the run's secret, but the
// fixed-size handshake itself.
// Invariant 2: every length is checked against a bound before anything of that length is allocated or read.
// Invariant 3: the frames sent on one lane to one peer arrive complete, once, unaltered and in order, or the peer is lost.
// Invariant 4: a peer is lost at most once; nothing is received from it afterwards; other peers are not affected.
// Invariant 5: Send never waits for the network.
// Invariant 6: the first cause of a loss, or of the world's end, is the one that is kept; consequences do not replace it.
// Invariant 7: when Meet has failed or Close has returned, no goroutine and no socket of the world is left.
//
// A blob's bytes have no checksum here: whoever sends a blob sends its digest in the message.
//
// All methods of World are safe from any goroutine. Close, Abort and Send may be called while Receive runs; Close
// must not be called from inside Receive or Lost, for it waits for them.
//
// Errors come in three families. Meeting: RefusedError (another rank said why not) and MissingError (who never came).
// Running: LostError, one per peer, and ErrClosed. Programming: everything that Send says about its arguments.
package transport
