package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Handler receives for one rank.
type Handler interface {
	// Receive gets every message, on the goroutine that reads its lane: messages of one peer on one lane come one after
	// the other, all others at the same time. While it runs, that lane is not read, and the peer's silence is not counted.
	// The blob must be consumed before Receive returns; what is left of it is read and dropped. An error ends the world.
	Receive(from Rank, f Frame) error

	// Lost reports that a peer can no longer be reached, at most once, after the last Receive from it has returned, and
	// never once Close or Abort was called. The cause is a *LostError.
	Lost(from Rank, cause error)
}

// A World is one rank's connections to all others. Meet makes it.
type World struct {
	rank         Rank
	infos        []PeerInfo // by rank
	peers        []*peer    // by rank, nil for this one
	limits       bodyLimits
	silenceLimit time.Duration
	strangers    int
	epoch        time.Time // what stream.waitingSince counts from

	loops    sync.WaitGroup // everything that ends when all peers are gone
	watchers sync.WaitGroup // everything that ends on quit
	quit     chan struct{}
	done     chan struct{} // closed when the world begins to end

	mu      sync.Mutex // guards the rest
	started bool
	ending  ending
	cause   error       // of the end, if there is one
	grace   *time.Timer // cuts everyone after an abort
	closed  sync.Once
}

// ending is how far the end has come.
type ending uint8

const (
	standing ending = iota
	closing         // nothing more is sent but bye
	aborting        // and nothing more is received
)

// newWorld starts the writers, so that heartbeats flow before Start.
func newWorld(cfg Config, infos []PeerInfo, streams [][lanes]*stream, epoch time.Time, strangers int) *World {
	w := &World{
		rank: cfg.Rank, infos: infos, peers: make([]*peer, cfg.Size), limits: newBodyLimits(cfg.BodyLimits),
		silenceLimit: cfg.SilenceLimit, epoch: epoch, strangers: strangers,
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	for r := range w.peers {
		if Rank(r) == cfg.Rank {
			continue
		}
		p := newPeer(w, infos[r], streams[r])
		w.peers[r] = p
		for _, l := range p.links {
			w.loops.Add(1)
			p.loops.Go(func() { defer w.loops.Done(); l.writeLoop() })
		}
	}
	w.watchers.Go(func() { w.beatLoop(w.quit) })
	return w
}

// Rank is this rank.
func (w *World) Rank() Rank { return w.rank }

// Size is the number of ranks, this one included.
func (w *World) Size() int { return len(w.infos) }

// Peer describes a rank, this one included.
func (w *World) Peer(r Rank) PeerInfo { return w.infos[r] }

// Strangers is how many connections were dropped while the world met because they were not of it.
func (w *World) Strangers() int { return w.strangers }

// Done is closed when the world begins to end on this side: by Close, by Abort, or by an error of the handler's.
func (w *World) Done() <-chan struct{} { return w.done }

// Err is the first cause of the world's end: nil while it stands, ErrClosed after a plain Close.
func (w *World) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil && w.ending != standing {
		return ErrClosed
	}
	return w.cause
}

// Start begins delivery to h. What arrived before has waited in the connections. It is called once.
func (w *World) Start(h Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started && w.ending == standing {
		panic("transport: World.Start called twice")
	}
	w.start(h)
}

func (w *World) start(h Handler) {
	if w.started {
		return
	}
	w.started = true
	for _, p := range w.peers {
		if p == nil {
			continue
		}
		for _, l := range p.links {
			w.loops.Add(1)
			p.loops.Go(func() { defer w.loops.Done(); l.readLoop(h) })
		}
		w.loops.Go(func() { p.supervise(h) })
	}
	w.watchers.Go(func() { w.watch(w.quit) })
}

// Send queues a message. It encodes the body at once and returns before anything is written. Its errors: a *LostError if
// the peer is lost, ErrClosed after Close or Abort, and what is wrong with the arguments otherwise, among it a
// message to oneself.
func (w *World) Send(to Rank, lane Lane, m Message) error {
	switch {
	case to < 0 || int(to) >= len(w.peers):
		return fmt.Errorf("sending to rank %d of %d", to, len(w.peers))
	case to == w.rank:
		return fmt.Errorf("rank %d sends to itself", to)
	case !lane.valid():
		return fmt.Errorf("sending on %s", lane)
	}
	p := w.peers[to]
	body, err := encode(m.Body)
	if err == nil {
		err = m.check(body, &w.limits)
	}
	if err != nil {
		return fmt.Errorf("sending to %s: %w", p.info, err)
	}
	o := outgoing{head: header{Kind: m.Kind, Step: m.Step}, body: body, blob: m.Blob}
	if m.Blob != nil {
		o.head.Flags, o.head.BlobLen = flagBlob, uint64(m.Blob.Size)
	}
	if err := p.links[lane-1].queue.put(o); err != nil {
		return fmt.Errorf("sending %s to rank %d: %w", m.Kind, to, err)
	}
	return nil
}

// Abort ends the world with a cause that the other ranks get to read: for them this rank is then lost. It drops what is
// queued, and does not wait. Close must still be called.
func (w *World) Abort(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending == aborting {
		return
	}
	if w.ending == standing {
		close(w.done)
	}
	if w.cause == nil {
		w.cause = cause
	}
	w.ending = aborting
	w.sayBye(farewell{Code: CodeFailed, Reason: clip(cause.Error(), maxReason)}, true)
	w.grace = time.AfterFunc(abortGrace, func() { w.cut(nil) })
}

// Close ends the world in an orderly way: it writes what is queued, says bye, and waits until every peer has said bye
// too, or until ctx is done. Messages are received meanwhile. It waits for all goroutines of the world, and so for Receive
// and Lost to return: they must not call it, nor wait for anything that ends later than Done. Further calls wait as well. The error is the cause of an earlier Abort, or names the
// peers that did not say bye.
func (w *World) Close(ctx context.Context) error {
	w.mu.Lock()
	if w.ending == standing {
		close(w.done)
		w.ending = closing
		w.sayBye(farewell{Code: CodeDone}, false)
	}
	w.start(discard{})
	w.mu.Unlock()

	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(cut); w.cut(context.Cause(ctx)) })
	w.loops.Wait()
	if !stop() {
		<-cut
	}
	w.closed.Do(func() { close(w.quit) })
	w.watchers.Wait()

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.grace != nil {
		w.grace.Stop()
	}
	if w.cause != nil {
		return w.cause
	}
	return w.unfinished()
}

// sayBye queues a bye as the last frame of every link.
func (w *World) sayBye(f farewell, drop bool) {
	body, err := encode(f)
	if err != nil {
		panic(err) // two plain fields
	}
	for _, p := range w.peers {
		for _, l := range p.each() {
			l.queue.last(outgoing{head: header{Kind: kindBye}, body: body}, drop, ErrClosed)
		}
	}
}

// errNoBye marks the peers that Close stopped waiting for.
var errNoBye = errors.New("did not say bye")

// cut ends what is still connected.
func (w *World) cut(cause error) {
	for _, p := range w.peers {
		if p != nil && cause != nil {
			p.finish(LossSilent, fmt.Errorf("%w: %w", errNoBye, cause))
		} else if p != nil {
			p.finish(0, nil)
		}
	}
}

// unfinished joins the errors of peers that Close stopped waiting for.
func (w *World) unfinished() error {
	var errs []error
	for _, p := range w.peers {
		if p != nil && errors.Is(p.cause, errNoBye) {
			errs = append(errs, p.cause)
		}
	}
	return errors.Join(slices.Clip(errs)...)
}

func (w *World) closing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ending != standing
}

func (w *World) aborted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ending == aborting
}

// discard stands in where there never was a handler.
type discard struct{}

func (discard) Receive(Rank, Frame) error { return nil }
func (discard) Lost(Rank, error)          {}
