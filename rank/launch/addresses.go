package launch

import (
	"cmp"
	"errors"
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

// OwnAddrs returns at which addresses, host:port, a listener of this machine can be reached, the best first: InfiniBand's,
// then others, then those that containers and virtual machines make, which lead nowhere from outside, and the loopback
// address, good for ranks on this machine. iface, where not "", restricts them to one network: it is an interface's name or
// a range of addresses. A listener that is bound to one address has that one only.
func OwnAddrs(listener net.Addr, iface string) ([]string, error) {
	wanted, err := parseIface(iface)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return []string{listener.String()}, nil
	}
	own, err := ownAddrs()
	if err != nil {
		return nil, err
	}
	if own = slices.DeleteFunc(own, func(a ownAddr) bool { return !wanted(a) }); iface != "" && len(own) == 0 {
		return nil, &Error{Text: fmt.Sprintf("--iface=%s: this node has no such address", iface), Hint: "`ip addr` lists those that it has"}
	}
	orderAddrs(own)
	out := make([]string, len(own))
	for i, a := range own {
		out[i] = net.JoinHostPort(a.ip.String(), port)
	}
	return out, nil
}

// parseIface returns what an address must be like.
func parseIface(iface string) (func(ownAddr) bool, error) {
	switch {
	case iface == "":
		return func(ownAddr) bool { return true }, nil
	case strings.Contains(iface, "/"):
		_, network, err := net.ParseCIDR(iface)
		if err != nil {
			return nil, errors.New("it is not a range of addresses")
		}
		return func(a ownAddr) bool { return network.Contains(a.ip) }, nil
	}
	return func(a ownAddr) bool { return a.iface == iface }, nil
}

// ownAddrs lists the addresses of the interfaces that are up.
func ownAddrs() ([]ownAddr, error) {
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
	return own, nil
}

// orderAddrs sorts by how likely other nodes reach them; NCCL does much the same.
func orderAddrs(own []ownAddr) {
	rank := func(a ownAddr) int {
		switch {
		case a.ip.IsLoopback():
			return 4
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
