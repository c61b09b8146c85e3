package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// joinBody is what a rank says about itself, right after the handshake, which has said its rank.
type joinBody struct {
	Size  int    `msgpack:"size"`
	Host  string `msgpack:"host"`
	Port  uint16 `msgpack:"port"` // where it listens
	Facts []Fact `msgpack:"facts"`
	Info  []byte `msgpack:"info"`
}

// tableBody is what root says about everyone.
type tableBody struct {
	Peers []tableEntry `msgpack:"peers"` // by rank
}

type tableEntry struct {
	Host string `msgpack:"host"`
	IP   string `msgpack:"ip"` // as root sees it; "" means root's own machine, whose address every rank knows better
	Port uint16 `msgpack:"port"`
	Info []byte `msgpack:"info"`
}

// root gathers everyone, hands out the table, and lets go when all links of the world stand.
func (m *meeting) root(ctx context.Context) error {
	var writers sync.WaitGroup // of the table
	defer writers.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, m.cfg.MeetTimeout, errMeetTimeout)
	defer cancel()
	table := tableBody{Peers: make([]tableEntry, m.cfg.Size)}
	table.Peers[Root] = tableEntry{Host: m.cfg.Host, Port: portOf(m.door.listener.Addr()), Info: m.cfg.Info}
	joined := map[Rank]bool{Root: true}
	ready := map[Rank]bool{Root: true}
	for len(ready) < m.cfg.Size || !m.complete() {
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); cause != errMeetTimeout {
				return fmt.Errorf("root gave up while the world met: %w", cause)
			}
			return m.missing(joined, ready)
		case e := <-m.events:
			switch {
			case e.err != nil && e.from != Root:
				return m.lostOne(e.from, e.err)
			case e.err != nil:
				return e.err
			case e.join != nil:
				if err := m.enrol(e, joined, &table); err != nil {
					m.spare = append(m.spare, e.stream)
					return err
				}
				if m.cfg.Progress != nil {
					m.cfg.Progress(len(joined), m.cfg.Size, absent(joined, m.cfg.Size))
				}
				m.others.Go(func() { m.hearJoiner(ctx, e.from, e.stream) })
				if len(joined) == m.cfg.Size {
					if err := m.handOut(ctx, table, &writers); err != nil {
						return err
					}
				}
			case e.stream != nil:
				m.link(e.from, e.stream)
			default:
				ready[e.from] = true
			}
		}
	}
	writers.Wait() // everyone has read it, but a writer may not know yet
	for r := range m.streams {
		if Rank(r) == Root {
			continue
		}
		if err := m.say(ctx, m.streams[r][Express-1], kindGo, nil); err != nil {
			return m.lostOne(Rank(r), err)
		}
	}
	return nil
}

var errMeetTimeout = errors.New("the time to meet is over")

// enrol checks a rank that has joined, and adds it to the table.
func (m *meeting) enrol(e event, joined map[Rank]bool, table *tableBody) error {
	j, name := e.join, nameRank(e.from, clip(e.join.Host, maxHost))
	self := nameRank(Root, m.cfg.Host)
	refuse := func(code Code, format string, args ...any) error {
		return &RefusedError{code, clip(fmt.Sprintf(format, args...), maxReason)}
	}
	switch {
	case j.Size != m.cfg.Size:
		return refuse(CodeSize, "%s says that the world has %d ranks, and %s that it has %d: start all with the same size", name, j.Size, self, m.cfg.Size)
	case e.from < 0 || int(e.from) >= m.cfg.Size:
		return refuse(CodeRange, "%s wants to join a world of %d ranks: ranks are 0 to %d", name, m.cfg.Size, m.cfg.Size-1)
	case joined[e.from]:
		return refuse(CodeDuplicate, "%s at %s joined twice: %s at %s is there already", name, e.stream.conn.RemoteAddr(), m.infos[e.from], m.infos[e.from].Addr)
	case len(j.Info) > MaxInfo || len(j.Host) > maxHost:
		return refuse(CodeFailed, "%s sent info of %d bytes and a host name of %d", name, len(j.Info), len(j.Host))
	}
	if differing := compareFacts(name, j.Facts, self, m.cfg.Facts); differing != "" {
		return refuse(CodeFacts, "%s", differing)
	}
	ip := ipOf(e.stream.conn.RemoteAddr())
	m.infos[e.from] = PeerInfo{Rank: e.from, Host: clip(j.Host, maxHost), Addr: netip.AddrPortFrom(ip, j.Port).String(), Info: j.Info}
	entry := tableEntry{Host: m.infos[e.from].Host, Port: j.Port, Info: j.Info}
	if !ip.IsLoopback() {
		entry.IP = ip.String()
	}
	table.Peers[e.from] = entry
	joined[e.from] = true
	m.link(e.from, e.stream)
	return nil
}

// hearJoiner waits for a rank to be ready, or for its end.
func (m *meeting) hearJoiner(ctx context.Context, from Rank, s *stream) {
	err := within(ctx, s.conn, func() error { return m.expect(s, kindReady, nil) })
	m.post(ctx, event{from: from, kind: kindReady, err: err})
}

// handOut writes the table to all at once: one that does not read must not delay the others.
func (m *meeting) handOut(ctx context.Context, table tableBody, writers *sync.WaitGroup) error {
	body, err := encode(table)
	if err != nil {
		return err
	}
	if len(body) > m.limits[kindTable] {
		return fmt.Errorf("the table of %d peers takes %d bytes, which exceeds %d: give Meet less info", m.cfg.Size, len(body), m.limits[kindTable])
	}
	for r := range m.streams {
		if s := m.streams[r][Express-1]; s != nil {
			writers.Go(func() {
				if err := m.say(ctx, s, kindTable, msgpack.RawMessage(body)); err != nil {
					m.post(ctx, event{from: Rank(r), err: err})
				}
			})
		}
	}
	return nil
}

// lostOne explains why a rank that had joined is no more.
func (m *meeting) lostOne(r Rank, err error) error {
	var refused *RefusedError
	switch {
	case errors.As(err, &refused) && strings.Contains(refused.Reason, m.infos[r].String()):
		return refused
	case errors.As(err, &refused):
		return &RefusedError{refused.Code, fmt.Sprintf("%s gave up: %s", m.infos[r], refused.Reason)}
	case err == io.EOF:
		return fmt.Errorf("%s left while the world met: its process has ended", m.infos[r])
	}
	return fmt.Errorf("%s left while the world met: %w", m.infos[r], err)
}

// missing says who did not come, or came and could not reach everyone.
func (m *meeting) missing(joined, ready map[Rank]bool) error {
	e := &MissingError{Size: m.cfg.Size, Joined: len(joined), After: m.cfg.MeetTimeout.Round(time.Millisecond)}
	if e.Missing = absent(joined, m.cfg.Size); len(e.Missing) > 0 {
		e.Reason = fmt.Sprintf("%s never connected within %s; %d of %d joined", nameRanks(e.Missing, m.cfg.hostOf), e.After, e.Joined, e.Size)
	} else {
		e.Missing = absent(ready, m.cfg.Size)
		host := func(r Rank) string { return m.infos[r].Host }
		e.Reason = fmt.Sprintf("all %d ranks joined, but not all connections between them stood within %s: %s did not get through",
			e.Size, e.After, nameRanks(e.Missing, host))
	}
	if n, last := m.door.strangers(); n > 0 {
		e.Reason += fmt.Sprintf("; %d connections of strangers were dropped, the last from %s", n, last)
	}
	return e
}

// absent lists the ranks that are not in the set.
func absent(set map[Rank]bool, size int) []Rank {
	var out []Rank
	for r := range Rank(size) {
		if !set[r] {
			out = append(out, r)
		}
	}
	return out
}
