package transporttest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/badbubble/distgo/transport"
)

// What passes before the first frame, and where in it the lane is; see PROTOCOL.md, "Handshake".
const (
	diallerHandshake  = 84 + 33
	acceptorHandshake = 76 + 1
	laneOffset        = 11
	magicByte         = 0x89
)

// sharedLane is the lane of a connection, 0 until its dialler has said it.
type sharedLane struct{ atomic.Uint32 }

// An injector follows the frames in one direction of one connection and lets faults strike. It is a second reader of the
// protocol, written from PROTOCOL.md, and knows no more than lengths and kinds.
type injector struct {
	conn     *conn
	lane     *sharedLane
	faults   []*Fault
	matches  []int // by fault: frames seen that match its point
	from, to transport.Rank

	mu        sync.Mutex // one writer at a time; guards the rest
	opaque    bool       // the stream does not begin as ours do: it passes as it is
	handshake int        // bytes of it that are still to come
	total     int        // bytes of it altogether
	head      []byte     // of a header that is not complete
	offset    int64      // in the frame
	left      int64      // of the frame, after the header
	active    *Fault     // the fault that will strike in this frame
	copied    []byte     // of a frame that will be repeated
}

func newInjector(c *conn, lane *sharedLane, faults []*Fault, from, to transport.Rank, handshake int) *injector {
	return &injector{conn: c, lane: lane, faults: faults, matches: make([]int, len(faults)), from: from, to: to, handshake: handshake, total: handshake}
}

// write passes b on. Headers are held until they are complete.
func (i *injector) write(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(b)
	if n > 0 && i.handshake == i.total {
		i.opaque = b[0] != magicByte
	}
	if i.opaque {
		return i.conn.out.write(b)
	}
	for len(b) > 0 {
		var piece []byte
		switch {
		case i.handshake > 0:
			piece, b = cut(b, i.handshake)
			if at := laneOffset - (i.total - i.handshake); i.total == diallerHandshake && at >= 0 && at < len(piece) {
				i.lane.Store(uint32(piece[at]))
			}
			i.handshake -= len(piece)
			if _, err := i.conn.out.write(piece); err != nil {
				return 0, err
			}
			continue
		case i.left == 0:
			piece, b = cut(b, transport.HeaderSize-len(i.head))
			i.head = append(i.head, piece...)
			if len(i.head) < transport.HeaderSize {
				continue
			}
			piece = i.head
			i.begin()
		default:
			piece, b = cut(b, int(min(i.left, int64(len(b)))))
			i.left -= int64(len(piece))
		}
		if err := i.pass(piece); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func cut(b []byte, n int) (head, rest []byte) {
	n = min(n, len(b))
	return b[:n], b[n:]
}

// begin looks at a complete header.
func (i *injector) begin() {
	kind := transport.Kind(i.head[5])
	i.left = int64(binary.BigEndian.Uint32(i.head[16:])) + int64(binary.BigEndian.Uint64(i.head[20:]))
	i.offset, i.active, i.copied = 0, nil, nil
	lane := transport.Lane(i.lane.Load())
	for f, fault := range i.faults {
		at := fault.at
		if at.From != i.from || at.To != i.to || at.Lane != 0 && at.Lane != lane ||
			at.Kind != kind && (at.Kind != 0 || kind < transport.FirstKind) {
			continue
		}
		if i.matches[f]++; i.matches[f] == at.Nth+1 {
			i.active = fault
		}
	}
}

// pass sends a piece of the current frame, and lets the active fault strike if its point is in there.
func (i *injector) pass(piece []byte) error {
	i.head = nil
	piece = append([]byte(nil), piece...) // faults alter it, and the writer's memory is not ours
	if i.active != nil && i.active.repeat {
		i.copied = append(i.copied, piece...)
	}
	if at := i.activeOffset(); at >= i.offset && at < i.offset+int64(len(piece)) {
		before, after := cut(piece, int(at-i.offset))
		if _, err := i.conn.out.write(before); err != nil {
			return err
		}
		i.active.fired.Add(1)
		i.active.strike(i.conn, after)
		i.offset += int64(len(before))
		piece = after
	}
	i.offset += int64(len(piece))
	if _, err := i.conn.out.write(piece); err != nil {
		return err
	}
	if i.left == 0 && i.active != nil && i.active.repeat {
		_, err := i.conn.out.write(i.copied)
		return err
	}
	return nil
}

func (i *injector) activeOffset() int64 {
	if i.active == nil {
		return -1
	}
	return i.active.at.Offset
}
