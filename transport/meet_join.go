package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// join introduces this rank to root, reaches the ranks below it, is reached by those above, and waits for root's go.
func (m *meeting) join(ctx context.Context) error {
	root, err := m.dialRoot(ctx)
	if err != nil {
		return err
	}
	m.link(Root, root)
	at := root.conn.RemoteAddr()
	introduction := joinBody{
		Size: m.cfg.Size, Host: m.cfg.Host, Port: portOf(m.door.listener.Addr()), Facts: m.cfg.Facts, Info: m.cfg.Info,
	}
	wait := m.cfg.MeetTimeout + rootMargin
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errMeetTimeout)
	defer cancel()
	if err := m.say(ctx, root, kindJoin, introduction); err != nil {
		return fmt.Errorf("joining root at %s: %w", at, err)
	}
	m.others.Go(func() { m.hearRoot(ctx, root) })
	for told := false; ; {
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); cause != errMeetTimeout {
				return fmt.Errorf("%s gave up while the world met: %w", m.infos[m.cfg.Rank], cause)
			}
			return &MissingError{Size: m.cfg.Size, Joined: 1, After: wait, Missing: []Rank{Root}, Reason: fmt.Sprintf(
				"%s joined, but root at %s did not complete the world within %s", m.infos[m.cfg.Rank], at, wait)}
		case e := <-m.events:
			switch {
			case e.err != nil:
				return e.err
			case e.table != nil:
				if err := m.learn(e.table, root); err != nil {
					return err
				}
				m.others.Go(func() { m.dialMesh(ctx, root.conn.RemoteAddr().String()) })
			case e.stream != nil:
				m.link(e.from, e.stream)
			case e.kind == kindGo:
				if !told {
					return badFrame("root let go before this rank was ready")
				}
				return nil
			}
		}
		if m.complete() && !told {
			if err := m.say(ctx, root, kindReady, nil); err != nil {
				return fmt.Errorf("telling root at %s: %w", at, err)
			}
			told = true
		}
	}
}

// hearRoot posts the table and the go, and then leaves the stream to the world.
func (m *meeting) hearRoot(ctx context.Context, s *stream) {
	explain := func(err error) error {
		var refused *RefusedError
		switch {
		case errors.As(err, &refused):
			return err
		case err == io.EOF:
			err = errors.New("it closed the connection")
		}
		return fmt.Errorf("root at %s was lost while the world met: %w", s.conn.RemoteAddr(), err)
	}
	table := new(tableBody)
	if err := within(ctx, s.conn, func() error { return m.expect(s, kindTable, table) }); err != nil {
		m.post(ctx, event{err: explain(err)})
		return
	}
	if !m.post(ctx, event{table: table}) {
		return
	}
	if err := within(ctx, s.conn, func() error { return m.expect(s, kindGo, nil) }); err != nil {
		m.post(ctx, event{err: explain(err)})
		return
	}
	m.post(ctx, event{kind: kindGo})
}

// learn takes over root's table, with the addresses as they are from here.
func (m *meeting) learn(t *tableBody, root *stream) error {
	if len(t.Peers) != m.cfg.Size {
		return badFrame(fmt.Sprintf("root's table has %d entries for %d ranks", len(t.Peers), m.cfg.Size))
	}
	rootIP := ipOf(root.conn.RemoteAddr())
	for r, entry := range t.Peers {
		if Rank(r) == m.cfg.Rank {
			continue
		}
		ip := rootIP
		if entry.IP != "" {
			var err error
			if ip, err = netip.ParseAddr(entry.IP); err != nil {
				return badFrame(fmt.Sprintf("root's table has address %q for rank %d", clip(entry.IP, 64), r))
			}
		}
		m.infos[r] = PeerInfo{Rank: Rank(r), Host: clip(entry.Host, maxHost), Addr: netip.AddrPortFrom(ip, entry.Port).String(), Info: entry.Info}
	}
	m.infos[Root].Addr = root.conn.RemoteAddr().String()
	return nil
}

// dialMesh connects to every rank below this one, on the lanes that do not stand yet.
func (m *meeting) dialMesh(ctx context.Context, root string) {
	limited, cancel := context.WithTimeoutCause(ctx, meshLimit, fmt.Errorf("no success within %s", meshLimit))
	defer cancel()
	slots := make(chan struct{}, parallelDials)
	var dials sync.WaitGroup
	defer dials.Wait()
	dial := func(to Rank, addr string, lane Lane) {
		defer func() { <-slots }()
		s, err := m.persist(limited, to, addr, roleMesh, lane)
		if err != nil {
			err = fmt.Errorf("%s cannot connect to %s at %s (%s lane): %w", m.infos[m.cfg.Rank], m.infos[to], addr, lane, err)
		}
		if !m.post(ctx, event{from: to, stream: s, err: err}) && s != nil {
			s.conn.Close()
		}
	}
	for to := range m.cfg.Rank {
		for _, lane := range []Lane{Express, Bulk} {
			addr := m.infos[to].Addr
			if to == Root {
				addr = root
			}
			if to == Root && lane == Express {
				continue // the connection by which this rank joined
			}
			slots <- struct{}{}
			dials.Go(func() { dial(to, addr, lane) })
		}
	}
}

// persist dials and greets until it succeeds, is refused, or ctx is done. Its error is the last attempt's: the address may not
// resolve yet, nothing may listen yet, a handshake may be cut short.
func (m *meeting) persist(ctx context.Context, to Rank, addr string, role role, lane Lane) (*stream, error) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		s, err := m.attempt(ctx, to, addr, role, lane, handshakeLimit)
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) {
			return s, err
		}
		if !pause(ctx, wait/2+rand.N(wait)) {
			return nil, err
		}
	}
}

func (m *meeting) attempt(ctx context.Context, to Rank, addr string, role role, lane Lane, limit time.Duration) (*stream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	conn, err := m.cfg.Network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if conn, err = m.wrap.dial(ctx, conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("agreeing on keys with %s (has it --tls, too?): %w", addr, err)
	}
	if err := within(ctx, conn, func() error { return m.greet(conn, role, lane, to) }); err != nil {
		conn.Close()
		return nil, err
	}
	return newStream(conn, lane, m.epoch), nil
}

func (m *meeting) greet(conn net.Conn, role role, lane Lane, to Rank) error {
	if m.cfg.Secret == nil && !ipOf(conn.RemoteAddr()).IsLoopback() {
		return &RefusedError{CodeSecret, fmt.Sprintf("rank %d is at %s: without a secret, only loopback addresses are dialled", to, conn.RemoteAddr())}
	}
	return m.id.greet(conn, role, lane, to)
}
