package transport

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// A link is one lane to one peer in a standing world: a stream, the queue in front of it, and a loop for each direction.
type link struct {
	*stream
	peer  *peer
	queue *queue
	beat  chan struct{} // asks writeLoop for a heartbeat; one that waits is enough
	tally tally

	saidBye  atomic.Bool   // set before the bye is written
	heardBye chan struct{} // closed by readLoop
	readEnds atomic.Bool   // readLoop has returned
}

func newLink(p *peer, s *stream) *link {
	return &link{stream: s, peer: p, queue: newQueue(), beat: make(chan struct{}, 1), heardBye: make(chan struct{})}
}

// writeLoop writes what is queued, and heartbeats. It ends when the peer is gone, or when both sides have said bye.
func (l *link) writeLoop() {
	var batch []outgoing
	var bothBye <-chan struct{} // heardBye once the own bye is written
	for {
		var err error
		select {
		case <-l.peer.gone:
			return
		case <-bothBye:
			if c, ok := l.conn.(interface{ CloseWrite() error }); ok {
				c.CloseWrite() // an error will show on the reading side
			}
			return
		case <-l.beat:
			batch = append(batch[:0], outgoing{head: header{Kind: kindAlive}})
			err = l.writeBatch(batch)
		case <-l.queue.wake:
			batch = l.queue.take(batch)
			err = l.writeBatch(batch)
		}
		clear(batch) // a body is large, and the next batch may be long in coming
		if err != nil {
			l.broke(err)
			return
		}
		if l.saidBye.Load() {
			bothBye = l.heardBye
		}
	}
}

// writeBatch writes frames with as few system calls as their blobs allow.
func (l *link) writeBatch(batch []outgoing) error {
	for _, o := range batch {
		if err := l.write(o); err != nil {
			return err
		}
	}
	return l.out.Flush()
}

func (l *link) write(o outgoing) error {
	if o.head.Kind == kindBye && l.saidBye.Swap(true) {
		return nil // an abort after Close has said it
	}
	h, err := l.put(o.head, o.body)
	if err == nil && o.blob != nil {
		err = l.putBlob(o.blob)
	}
	if err == nil {
		l.tally.out(h)
	}
	return err
}

// readLoop delivers what arrives, until the stream ends.
func (l *link) readLoop(h Handler) {
	defer l.readEnds.Store(true)
	for {
		if err := l.readFrame(h); err != nil {
			l.broke(err)
			return
		}
	}
}

func (l *link) readFrame(h Handler) error {
	w := l.peer.world
	head, body, err := l.next(&w.limits)
	if err != nil {
		return err
	}
	select {
	case <-l.heardBye:
		if head.Kind != kindAlive {
			return badFrame(fmt.Sprintf("%s frame after bye", head.Kind))
		}
	default:
	}
	switch {
	case head.Kind == kindAlive:
		l.tally.in(head)
		return nil
	case head.Kind == kindBye:
		l.tally.in(head)
		return l.bye(body)
	case head.Kind < FirstKind:
		return badFrame(fmt.Sprintf("%s frame in a world that stands", head.Kind))
	}
	f := Frame{Kind: head.Kind, Step: head.Step, Body: body, BlobSize: int64(head.BlobLen)}
	blob := &blobReader{s: l.stream, left: f.BlobSize}
	if head.Flags&flagBlob != 0 {
		f.Blob = blob
	}
	if !w.aborted() {
		err = h.Receive(l.peer.info.Rank, f)
	}
	if _, drained := io.Copy(io.Discard, blob); drained != nil {
		return drained // the handler's error is a consequence
	}
	if err != nil {
		w.Abort(fmt.Errorf("receiving %s from %s: %w", head.Kind, l.peer.info, err))
		return nil // the loop goes on without the handler until the peer has heard
	}
	l.tally.in(head)
	return nil
}

// farewell is the body of a bye.
type farewell struct {
	Code   Code   `msgpack:"code"`
	Reason string `msgpack:"reason"`
}

func (l *link) bye(body []byte) error {
	var f farewell
	if err := (Frame{Kind: kindBye, Body: body}).Decode(&f); err != nil {
		return badFrame(err.Error())
	}
	close(l.heardBye)
	if f.Code != CodeDone {
		l.peer.finish(LossLeft, fmt.Errorf("left: %s", clip(f.Reason, maxReason)))
	}
	return nil
}

// broke ends what a loop cannot continue. Which loss it is depends on who has said bye.
func (l *link) broke(err error) {
	var source *sourceError
	var bad badFrame
	heard := false
	select {
	case <-l.heardBye:
		heard = true
	default:
	}
	switch {
	case errors.As(err, &source):
		// The stream stays open, torn as it is, so that the other lane's bye comes before its end.
		l.peer.world.Abort(fmt.Errorf("sending to %s: %w", l.peer.info, err))
	case heard && l.saidBye.Load():
		// An orderly end; the other lane has its own.
	case l.peer.world.aborted():
		l.peer.finish(0, nil)
	case errors.As(err, &bad):
		l.peer.finish(LossProtocol, fmt.Errorf("broke the protocol: %w", err))
	case heard:
		l.peer.finish(LossLeft, errors.New("left before this rank did"))
	case err == io.EOF:
		l.peer.finish(LossCut, errors.New("closed the connection: its process has ended"))
	default:
		l.peer.finish(LossCut, fmt.Errorf("is cut off: %w", err))
	}
}
