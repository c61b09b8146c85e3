package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Meet forms the world: it returns when all pairs of ranks are connected on both lanes, or with a RefusedError, a
// MissingError, ctx's cause, or what is wrong with cfg. It tells the other ranks why it gave up. See PROTOCOL.md, "Meeting".
func Meet(ctx context.Context, cfg Config) (*World, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		if cfg.Listener != nil {
			cfg.Listener.Close()
		}
		return nil, err
	}
	m := &meeting{
		cfg: cfg, id: newIdentity(cfg), epoch: time.Now(), limits: newBodyLimits(nil),
		events:  make(chan event),
		streams: make([][lanes]*stream, cfg.Size),
		infos:   make([]PeerInfo, cfg.Size),
	}
	self := &m.infos[cfg.Rank]
	*self = PeerInfo{Rank: cfg.Rank, Host: cfg.Host, Info: slices.Clone(cfg.Info)}
	if cfg.Size == 1 {
		if cfg.Listener != nil {
			cfg.Listener.Close()
		}
		return newWorld(cfg, m.infos, m.streams, m.epoch, 0), nil
	}
	if cfg.TLS {
		if m.wrap, err = newWrapper(); err != nil {
			if cfg.Listener != nil {
				cfg.Listener.Close()
			}
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
	}
	if err := m.listen(ctx); err != nil {
		return nil, err
	}
	self.Addr = m.door.listener.Addr().String()
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	n, _ := m.door.strangers()
	return newWorld(cfg, m.infos, m.streams, m.epoch, n), nil
}

// A meeting is one rank's part in forming the world. One goroutine decides; others do the waiting and post events to it.
type meeting struct {
	cfg    Config
	id     identity
	wrap   *wrapper
	epoch  time.Time
	limits bodyLimits
	door   *door
	events chan event
	others sync.WaitGroup // every goroutine but the deciding one

	// Only the deciding goroutine touches what follows.
	streams [][lanes]*stream // by rank and lane - 1
	infos   []PeerInfo       // by rank; constant once a table was sent or learnt
	linked  int              // streams that stand
	spare   []*stream        // refused or replaced, to be told and closed
}

// An event is what a waiting goroutine has to say. Exactly one of the pointers is set, or err.
type event struct {
	from   Rank
	stream *stream // with join: root's express lane; alone: a link of the mesh
	join   *joinBody
	table  *tableBody
	kind   Kind // ready, go
	err    error
}

// post hands an event to the deciding goroutine; false if nobody decides any more.
func (m *meeting) post(ctx context.Context, e event) bool {
	select {
	case m.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// run waits for all that it started, whatever the outcome.
func (m *meeting) run(ctx context.Context) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	m.others.Go(func() {
		if err := m.door.acceptLoop(inner); err != nil {
			m.post(inner, event{err: err})
		}
	})
	var err error
	if m.cfg.Rank == Root {
		err = m.root(inner)
	} else {
		err = m.join(inner)
	}
	cancel()
	m.others.Wait()
	if err == nil {
		m.part(m.spare, nil)
		return nil
	}
	told := m.spare
	for r, pair := range m.streams {
		for _, s := range pair {
			switch {
			case s == nil:
			case s.lane == Express && (m.cfg.Rank == Root || Rank(r) == Root): // where somebody listens already
				told = append(told, s)
			default:
				s.conn.Close()
			}
		}
	}
	m.part(told, err)
	return err
}

// listen opens the door. Without a secret, nobody but this machine can reach it.
func (m *meeting) listen(ctx context.Context) error {
	l := m.cfg.Listener
	if l == nil {
		var host, port string
		var err error
		if m.cfg.Root != "" {
			if host, port, err = net.SplitHostPort(m.cfg.Root); err != nil {
				return fmt.Errorf("root's address %q: %w", m.cfg.Root, err)
			}
		}
		if m.cfg.Rank != Root {
			port = "0"
		}
		ip, _ := netip.ParseAddr(host)
		switch {
		case m.cfg.Secret != nil:
			host = ""
		case ip.Is6():
			host = "::1"
		default:
			host = "127.0.0.1"
		}
		if l, err = m.cfg.Network.Listen(ctx, net.JoinHostPort(host, port)); err != nil {
			return fmt.Errorf("listening for peers: %w", err)
		}
	}
	m.door = newDoor(l, m.id, m.wrap, m.cfg.Size, m.admit)
	return nil
}

// admit takes over a connection that has proved to be of this run.
func (m *meeting) admit(ctx context.Context, h hello, conn net.Conn) error {
	s := newStream(conn, h.lane, m.epoch)
	e := event{from: h.from, stream: s}
	switch {
	case h.role == roleJoin && m.cfg.Rank == Root && h.lane == Express:
		limited, cancel := context.WithTimeoutCause(ctx, handshakeLimit, errHandshakeLimit)
		defer cancel()
		e.join = new(joinBody)
		if err := within(limited, conn, func() error { return m.expect(s, kindJoin, e.join) }); err != nil {
			return fmt.Errorf("rank %d did not join: %w", h.from, err)
		}
	case h.role == roleMesh && h.from > m.cfg.Rank && int(h.from) < m.cfg.Size && (m.cfg.Rank != Root || h.lane == Bulk):
	default:
		return fmt.Errorf("rank %d has no business on the %s lane of rank %d", h.from, h.lane, m.cfg.Rank)
	}
	if !m.post(ctx, e) {
		conn.Close()
	}
	return nil
}

// link keeps a stream that stands. A newer one replaces an older: its dialler has given up on that.
func (m *meeting) link(from Rank, s *stream) {
	at := &m.streams[from][s.lane-1]
	if *at == nil {
		m.linked++
	} else {
		m.spare = append(m.spare, *at)
	}
	*at = s
}

// complete reports whether all links of this rank stand.
func (m *meeting) complete() bool { return m.linked == lanes*(m.cfg.Size-1) }

// say writes one frame at once.
func (m *meeting) say(ctx context.Context, s *stream, kind Kind, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return within(ctx, s.conn, func() error {
		if _, err := s.put(header{Kind: kind}, body); err != nil {
			return err
		}
		return s.out.Flush()
	})
}

// expect reads one frame of the given kind into v. A bye becomes the RefusedError that it stands for.
func (m *meeting) expect(s *stream, kind Kind, v any) error {
	h, body, err := s.next(&m.limits)
	f := Frame{Kind: h.Kind, Body: body}
	switch {
	case err != nil:
		return err
	case h.Kind == kindBye:
		var bye farewell
		if err := f.Decode(&bye); err != nil {
			return err
		}
		return &RefusedError{bye.Code, clip(bye.Reason, maxReason)}
	case h.Kind != kind:
		return badFrame(fmt.Sprintf("%s frame instead of %s", h.Kind, kind))
	case v == nil:
		return nil
	}
	return f.Decode(v)
}

// part closes streams. If there is a reason, it is told first, and every peer gets a moment to read it: closing with
// unread input would reset the connection and destroy what is on its way.
func (m *meeting) part(streams []*stream, reason error) {
	ctx, cancel := context.WithTimeout(context.Background(), abortGrace)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() {
			defer s.conn.Close()
			if reason == nil {
				return
			}
			bye := farewell{Code: CodeFailed, Reason: clip(reason.Error(), maxReason)}
			if refused := (*RefusedError)(nil); errors.As(reason, &refused) {
				bye.Code = refused.Code
			}
			if m.say(ctx, s, kindBye, bye) != nil {
				return
			}
			if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
				within(ctx, s.conn, func() error {
					for {
						if _, err := s.in.Discard(1); err != nil {
							return err
						}
					}
				})
			}
		})
	}
	wg.Wait()
}

// nameRanks lists ranks with their nodes, the first few of many.
func nameRanks(ranks []Rank, host func(Rank) string) string {
	const shown = 8 // more do not help to find the reason
	var names []string
	for _, r := range ranks[:min(shown, len(ranks))] {
		names = append(names, nameRank(r, host(r)))
	}
	if n := len(ranks) - shown; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return strings.Join(names, ", ")
}
