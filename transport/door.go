package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A door accepts connections while the world meets, and lets in only those that prove to be of this run. Whoever else comes
// is dropped and counted; no stranger ends a run.
type door struct {
	listener net.Listener
	id       identity
	wrap     *wrapper
	slots    chan struct{} // one per handshake under way: bounds what strangers can hold
	// serve takes over an admitted connection. An error makes it a stranger's after all.
	serve func(ctx context.Context, h hello, conn net.Conn) error

	mu      sync.Mutex // guards the rest
	dropped int
	last    string
}

func newDoor(l net.Listener, id identity, wrap *wrapper, size int, serve func(context.Context, hello, net.Conn) error) *door {
	return &door{listener: l, id: id, wrap: wrap, serve: serve, slots: make(chan struct{}, pendingStrangers+lanes*size)}
}

// acceptLoop runs until ctx is done, and then waits for the handshakes under way.
func (d *door) acceptLoop(ctx context.Context) error {
	var pending sync.WaitGroup
	defer pending.Wait()
	stop := context.AfterFunc(ctx, func() { d.listener.Close() })
	defer stop()
	defer d.listener.Close()
	for {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := d.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting peers: %w", err)
		case err != nil: // out of descriptors, or the peer went away again
			<-d.slots
			if !pause(ctx, lastRetry/10) {
				return nil
			}
			continue
		}
		pending.Go(func() {
			defer func() { <-d.slots }()
			d.receive(ctx, conn)
		})
	}
}

func (d *door) receive(ctx context.Context, conn net.Conn) {
	limited, cancel := context.WithTimeoutCause(ctx, handshakeLimit, errHandshakeLimit)
	defer cancel()
	var h hello
	remote := conn.RemoteAddr()
	conn, err := d.wrap.accept(limited, conn)
	if err == nil {
		err = within(limited, conn, func() (err error) {
			h, err = d.id.admit(conn)
			return err
		})
	}
	if err == nil {
		err = d.serve(ctx, h, conn)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() == nil {
			d.drop(remote, err)
		}
	}
}

var errHandshakeLimit = fmt.Errorf("the handshake was not done within %s", handshakeLimit)

func (d *door) drop(from net.Addr, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped++
	d.last = fmt.Sprintf("%s: %s", from, clip(err.Error(), 256))
}

// strangers says how many connections were dropped, and why the last one.
func (d *door) strangers() (n int, last string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped, d.last
}

// within runs fn, whose reads and writes on conn end when ctx does.
func within(ctx context.Context, conn net.Conn, fn func() error) error {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		conn.SetDeadline(time.Unix(1, 0))
	})
	err := fn()
	if stop() {
		return err
	}
	<-cut
	conn.SetDeadline(time.Time{})
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
