package launch

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
)

// An ownAddr is an address of one of this machine's interfaces.
type ownAddr struct {
	iface string
	ip    net.IP
}

// OwnAddrs returns at which addresses, host:port, a listener of this machine can be reached, the best first: those of the
// interface called prefer (where not ""), then InfiniBand's, then others, then those that containers and virtual machines
// make, which lead nowhere from outside, and the loopback address, good for ranks on this machine. A listener that is bound to one address has
// that one only.
func OwnAddrs(listener net.Addr, prefer string) ([]string, error) {
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return []string{listener.String()}, nil
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var own []ownAddr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() { // those need a zone, which differs by node
				own = append(own, ownAddr{i.Name, n.IP})
			}
		}
	}
	if prefer != "" && !slices.ContainsFunc(own, func(a ownAddr) bool { return a.iface == prefer }) {
		return nil, &Error{Text: fmt.Sprintf("the interface %s has no address here", prefer), Hint: "ip addr lists those that have"}
	}
	orderAddrs(own, prefer)
	out := make([]string, len(own))
	for i, a := range own {
		out[i] = net.JoinHostPort(a.ip.String(), port)
	}
	return out, nil
}

// orderAddrs sorts by how likely other nodes reach them; NCCL does much the same.
func orderAddrs(own []ownAddr, prefer string) {
	rank := func(a ownAddr) int {
		switch {
		case a.ip.IsLoopback():
			return 4
		case prefer != "" && a.iface == prefer:
			return 0
		case strings.HasPrefix(a.iface, "ib"):
			return 1
		case hasAnyPrefix(a.iface, "docker", "virbr", "veth", "br-", "cni", "flannel", "tun", "tap"):
			return 3
		}
		return 2
	}
	slices.SortStableFunc(own, func(a, b ownAddr) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.ip.To4()), len(b.ip.To4()))*-1)
	})
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
