package transporttest

import (
	"sync/atomic"
	"time"

	"github.com/badbubble/distgo/transport"
)

// A Point is a byte of a frame on its way from one rank to another.
type Point struct {
	From, To transport.Rank
	Lane     transport.Lane // 0: whichever lane gets there first, and then the other one too
	Kind     transport.Kind // 0: any kind of the upper layers
	Nth      int            // how many such frames pass unharmed before
	Offset   int64          // 0 is the first byte of the header
}

// A Fault does something to the bytes that pass a point, once per connection. A connection has at most one fault at a time
// in a frame.
type Fault struct {
	at     Point
	strike func(*conn, []byte) // gets the connection's writing end and the frame's bytes from the point on
	repeat bool                // the whole frame passes twice
	fired  atomic.Int64
}

// Fired says how often the fault has struck.
func (f *Fault) Fired() int { return int(f.fired.Load()) }

// Cut resets the connection: both sides get errors, and what is on its way is lost.
func Cut(at Point) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.reset() }}
}

// Truncate ends the stream orderly before the point, as a process does that exits while it sends. The writer does not notice.
func Truncate(at Point) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.out.change(func() { c.out.eof, c.out.vanish = true, true }) }}
}

// Flip inverts the bits of mask in one byte.
func Flip(at Point, mask byte) *Fault {
	return &Fault{at: at, strike: func(_ *conn, b []byte) { b[0] ^= mask }}
}

// Duplicate lets the whole frame pass twice.
func Duplicate(at Point) *Fault {
	at.Offset = 0
	return &Fault{at: at, repeat: true, strike: func(*conn, []byte) {}}
}

// Delay lets the point and everything after it arrive later by d.
func Delay(at Point, d time.Duration) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.out.change(func() { c.out.delay += d }) }}
}

// Stall keeps the point and everything after it, and everything that the reader has not read yet, from arriving. The
// writer waits when the buffers are full.
func Stall(at Point) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.out.change(func() { c.out.frozen = true }) }}
}

// HalfOpen makes the point and everything after it vanish; the writer does not notice, and the other direction works.
func HalfOpen(at Point) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.out.change(func() { c.out.vanish = true }) }}
}

// SlowReader lets no more than so many bytes per second arrive from the point on.
func SlowReader(at Point, bytesPerSecond int) *Fault {
	return &Fault{at: at, strike: func(c *conn, _ []byte) { c.out.change(func() { c.out.rate = int64(bytesPerSecond) }) }}
}
