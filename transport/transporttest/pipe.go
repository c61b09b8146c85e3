package transporttest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeSize is how much a direction holds before its writer waits: what a socket's two buffers hold on a small machine.
const pipeSize = 256 << 10

// chunk is some bytes and when they arrive.
type chunk struct {
	data []byte
	at   time.Time
}

// A pipe is one direction of a connection.
type pipe struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at every change
	chunks   []chunk
	size     int
	writer   end // what the writer has done
	reader   end
	reset    bool // both sides see an error, and what was on its way is lost
	frozen   bool // nothing arrives any more, not even the end
	vanish   bool // nothing that is sent from now on arrives, not even the end, and the writer does not notice
	eof      bool // the stream ends here, whatever the writer does
	delay    time.Duration
	rate     int64 // bytes per second, 0 for no limit
	lastByte time.Time
}

// end is the state of one end of a pipe.
type end struct {
	closed   bool
	deadline time.Time
}

func newPipe() *pipe { return &pipe{changed: make(chan struct{})} }

// change runs f under the lock and wakes everyone.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// await calls ready under the lock, after every change, at its deadline, and when bytes arrive, until it reports true.
// ready returns the next moment at which time alone may change its mind.
func (p *pipe) await(e *end, ready func(now time.Time) (done bool, next time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		done, next := ready(time.Now())
		if done {
			return
		}
		changed := p.changed
		if d := e.deadline; !d.IsZero() && (next.IsZero() || d.Before(next)) {
			next = d
		}
		p.mu.Unlock()
		wait(changed, next)
		p.mu.Lock()
	}
}

func wait(changed <-chan struct{}, next time.Time) {
	if next.IsZero() {
		<-changed
		return
	}
	t := time.NewTimer(time.Until(next))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	}
}

func (p *pipe) read(b []byte) (n int, err error) {
	p.await(&p.reader, func(now time.Time) (bool, time.Time) {
		switch {
		case p.reader.closed:
			err = net.ErrClosed
		case !p.reader.deadline.IsZero() && !now.Before(p.reader.deadline):
			err = os.ErrDeadlineExceeded
		case len(b) == 0:
		case p.frozen:
			return false, time.Time{}
		case p.reset:
			err = syscall.ECONNRESET
		case len(p.chunks) > 0 && p.chunks[0].at.After(now):
			return false, p.chunks[0].at
		case len(p.chunks) > 0:
			c := &p.chunks[0]
			n = copy(b, c.data)
			if c.data = c.data[n:]; len(c.data) == 0 {
				p.chunks = p.chunks[1:]
			}
			p.size -= n
			close(p.changed)
			p.changed = make(chan struct{})
		case p.eof || p.writer.closed && !p.vanish:
			err = io.EOF
		default:
			return false, time.Time{}
		}
		return true, time.Time{}
	})
	return n, err
}

// write puts b on its way, piece by piece as there is room.
func (p *pipe) write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		p.await(&p.writer, func(now time.Time) (bool, time.Time) {
			switch {
			case p.writer.closed:
				err = net.ErrClosed
			case p.vanish:
				n = len(b)
			case p.reset:
				err = syscall.ECONNRESET
			case p.reader.closed:
				err = syscall.EPIPE
			case !p.writer.deadline.IsZero() && !now.Before(p.writer.deadline):
				err = os.ErrDeadlineExceeded
			case p.size >= pipeSize:
				return false, time.Time{}
			default:
				n += p.add(b[n:], now)
			}
			return true, time.Time{}
		})
	}
	return n, err
}

// add takes what there is room for. Bytes arrive no sooner than those before them.
func (p *pipe) add(b []byte, now time.Time) int {
	room := pipeSize - p.size
	if p.rate > 0 {
		room = min(room, 4<<10) // small pieces, so that a rate is felt
	}
	b = b[:min(len(b), room)]
	at := now.Add(p.delay)
	if p.lastByte.After(at) {
		at = p.lastByte
	}
	if p.rate > 0 {
		at = at.Add(time.Duration(int64(len(b)) * int64(time.Second) / p.rate))
	}
	p.lastByte = at
	p.chunks = append(p.chunks, chunk{append([]byte(nil), b...), at})
	p.size += len(b)
	close(p.changed)
	p.changed = make(chan struct{})
	return len(b)
}

// closeReader reports whether unread bytes were lost by it.
func (p *pipe) closeReader() (unread bool) {
	p.change(func() {
		unread = p.size > 0 && !p.reader.closed
		p.reader.closed = true
	})
	return unread
}
