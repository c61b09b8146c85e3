package transport

import (
	"fmt"
	"sync"
)

// outgoing is a frame that is to be sent.
type outgoing struct {
	head header
	body []byte
	blob *Blob
}

// A queue holds what waits for one lane of one peer. Anyone puts; one writer takes.
type queue struct {
	wake chan struct{} // one pending wake-up is enough, as the writer takes everything

	mu     sync.Mutex // guards the rest
	items  []outgoing
	bytes  int
	closed error // why nothing more is taken
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(o outgoing) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return q.closed
	case len(q.items) >= maxQueuedFrames || q.bytes+len(o.body) > maxQueuedBytes:
		return fmt.Errorf("%d frames of %d bytes wait already: the peer does not read", len(q.items), q.bytes)
	}
	q.add(o)
	return nil
}

func (q *queue) add(o outgoing) {
	q.items = append(q.items, o)
	q.bytes += len(o.body)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// last puts o and refuses everything after it with err. If drop is set, what waited is forgotten.
func (q *queue) last(o outgoing, drop bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil && !drop {
		return
	}
	if drop {
		q.items, q.bytes = nil, 0
	}
	q.closed = err
	q.add(o)
}

// close forgets what waits and refuses everything with err, which loses to an earlier reason.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = err
	}
	q.items, q.bytes = nil, 0
}

// take empties the queue. The writer gives back what it was given before, cleared, to be used again.
func (q *queue) take(used []outgoing) []outgoing {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.bytes = used[:0], 0
	return items
}
