package transport

import (
	"context"
	"net"
	"net/netip"
)

// A Network makes the connections of a world. Connections should have a CloseWrite method, as TCP's do, and addresses
// that read as IP:port.
type Network interface {
	Listen(ctx context.Context, addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// tcp is the network of real runs. Keep-alive and no-delay are Go's defaults. TCP_USER_TIMEOUT is left alone: it would
// also end connections to a peer that is alive and merely slow to read (Linux counts unanswered window openings), and
// silence is measured by heartbeats anyway.
type tcp struct{}

func (tcp) Listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

func (tcp) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// ipOf returns the address's IP, which is invalid if it has none.
func ipOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// portOf returns the address's port, 0 if it has none.
func portOf(a net.Addr) uint16 {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return ap.Port()
}
