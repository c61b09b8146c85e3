package transporttest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/badbubble/distgo/transport"
)

// A Network connects ranks in memory. Every rank has a node of its own, with an address of its own, and sees the network
// through Node.
type Network struct {
	faults []*Fault

	mu        sync.Mutex // guards the rest
	nextPort  uint16
	listeners map[netip.AddrPort]*listener
	conns     []*conn // all that were ever made, dialling ends only
	isolated  map[transport.Rank]bool
}

// NewNetwork returns a network in which the faults wait for their moment.
func NewNetwork(faults ...*Fault) *Network {
	return &Network{
		faults: faults, nextPort: 40000,
		listeners: make(map[netip.AddrPort]*listener),
		isolated:  make(map[transport.Rank]bool),
	}
}

// Node is the network as one rank sees it.
func (n *Network) Node(r transport.Rank) transport.Network { return &node{n, r} }

// Addr is the address of a rank's node with a port.
func Addr(r transport.Rank, port uint16) string {
	return netip.AddrPortFrom(ipOf(r), port).String()
}

// ipOf gives every rank an address that is not loopback, so that nothing works without a secret.
func ipOf(r transport.Rank) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte((r + 1) >> 8), byte(r + 1)})
}

func rankOf(ip netip.Addr) transport.Rank {
	b := ip.As4()
	return transport.Rank(b[2])<<8 + transport.Rank(b[3]) - 1
}

// Kill ends all connections of a rank as the end of its process would.
func (n *Network) Kill(r transport.Rank) {
	for _, c := range n.of(r) {
		c.reset()
	}
}

// Isolate makes everything from and to a rank vanish from now on, as a pulled cable would. Connections stay.
func (n *Network) Isolate(r transport.Rank) {
	n.mu.Lock()
	n.isolated[r] = true
	n.mu.Unlock()
	for _, c := range n.of(r) {
		c.out.change(func() { c.out.vanish, c.out.frozen = true, true })
		c.in.change(func() { c.in.vanish, c.in.frozen = true, true })
	}
}

// Freeze stops everything that a rank sends, from now on, as stopping its process would.
func (n *Network) Freeze(r transport.Rank) {
	for _, c := range n.of(r) {
		p := c.out
		if c.dialler != r {
			p = c.in
		}
		p.change(func() { p.frozen = true })
	}
}

func (n *Network) of(r transport.Rank) []*conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var cs []*conn
	for _, c := range n.conns {
		if c.dialler == r || c.acceptor == r {
			cs = append(cs, c)
		}
	}
	return cs
}

// node implements transport.Network.
type node struct {
	network *Network
	rank    transport.Rank
}

func (n *node) Listen(_ context.Context, addr string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(ipOf(n.rank), 0)
	if port != "0" {
		if at, err = netip.ParseAddrPort(net.JoinHostPort(at.Addr().String(), port)); err != nil {
			return nil, err
		}
	}
	nw := n.network
	nw.mu.Lock()
	defer nw.mu.Unlock()
	if at.Port() == 0 {
		nw.nextPort++
		at = netip.AddrPortFrom(at.Addr(), nw.nextPort)
	}
	if nw.listeners[at] != nil {
		return nil, fmt.Errorf("listen %s: %w", at, syscall.EADDRINUSE)
	}
	l := &listener{network: nw, addr: at, backlog: make(chan net.Conn, transport.MaxSize), closed: make(chan struct{})}
	nw.listeners[at] = l
	return l, nil
}

func (n *node) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	nw := n.network
	nw.mu.Lock()
	l := nw.listeners[to]
	nw.nextPort++
	from := netip.AddrPortFrom(ipOf(n.rank), nw.nextPort)
	lost := nw.isolated[n.rank] || nw.isolated[rankOf(to.Addr())]
	nw.mu.Unlock()
	if lost {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, fmt.Errorf("dial %s: %w", to, syscall.ECONNREFUSED)
	}
	ours, theirs := connect(nw.faults, n.rank, rankOf(to.Addr()), from, to)
	select {
	case l.backlog <- theirs:
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: %w", to, syscall.ECONNREFUSED)
	}
	nw.mu.Lock()
	defer nw.mu.Unlock()
	nw.conns = append(nw.conns, ours)
	return ours, nil
}

type listener struct {
	network *Network
	addr    netip.AddrPort
	backlog chan net.Conn // wide enough that a dial never waits
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close resets what was never accepted.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		delete(l.network.listeners, l.addr)
		l.network.mu.Unlock()
		for {
			select {
			case c := <-l.backlog:
				c.(*conn).reset()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// A conn is one end of a connection. What it writes passes the faults of its direction.
type conn struct {
	in, out           *pipe
	injector          *injector
	local, remote     netip.AddrPort
	dialler, acceptor transport.Rank
	once              sync.Once
}

func connect(faults []*Fault, dialler, acceptor transport.Rank, from, to netip.AddrPort) (ours, theirs *conn) {
	there, back := newPipe(), newPipe()
	lane := new(sharedLane)
	ours = &conn{in: back, out: there, local: from, remote: to, dialler: dialler, acceptor: acceptor}
	theirs = &conn{in: there, out: back, local: to, remote: from, dialler: dialler, acceptor: acceptor}
	ours.injector = newInjector(ours, lane, faults, dialler, acceptor, diallerHandshake)
	theirs.injector = newInjector(theirs, lane, faults, acceptor, dialler, acceptorHandshake)
	return ours, theirs
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.injector.write(b) }

func (c *conn) Close() error {
	c.once.Do(func() {
		unread := c.in.closeReader()
		c.out.change(func() {
			c.out.writer.closed = true
			c.out.reset = c.out.reset || unread && !c.out.vanish
		})
	})
	return nil
}

func (c *conn) CloseWrite() error {
	c.out.change(func() { c.out.writer.closed = true })
	return nil
}

func (c *conn) reset() {
	c.in.change(func() { c.in.reset = true })
	c.out.change(func() { c.out.reset = true })
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.reader.deadline = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.change(func() { c.out.writer.deadline = t })
	return nil
}
