package launch

import (
	"errors"
	"hash/fnv"
	"net"
	"strconv"
)

// firstPort and portRange lie above Linux's ephemeral ports (32768 to 60999), so that no outgoing connection takes one.
// The scheme is JAX's. portTries bounds how far root moves on when ports are taken, and with it how many a joiner tries:
// runs of other users collide rarely, and eight at once on one port practically never.
const (
	firstPort = 61440
	portRange = 4096
	portTries = 8
)

// RootAddrs returns the addresses, host:port, at which rank 0 may be found, the likeliest first. A joiner tries them in
// turn until the handshake, which carries the run ID, says that the right process answered. None means that the launcher
// does not say where rank 0 is: use a Rendezvous or PMI.
func (p Place) RootAddrs() []string {
	if p.Root != "" {
		return []string{p.Root}
	}
	host := p.RootHost()
	if host == "" || p.RunKey == "" {
		return nil
	}
	return p.withPorts(host)
}

// ListenAddrs returns the addresses on which rank 0 is to listen: it takes the first that is free. The last resort is
// any port; then the address must be published.
func (p Place) ListenAddrs() []string {
	if p.Root != "" {
		host, port, err := splitRoot(p.Root)
		if err == nil && isLoopback(host) {
			return []string{p.Root}
		}
		if err == nil {
			// All interfaces: on many machines the own name resolves to a loopback address.
			return []string{net.JoinHostPort("", port)}
		}
	}
	switch {
	case p.allHere() && p.RunKey != "":
		return p.withPorts("127.0.0.1")
	case p.allHere():
		return []string{"127.0.0.1:0"}
	case p.RootHost() != "" && p.RunKey != "":
		return p.withPorts("")
	}
	return []string{":0"}
}

// RootHost returns the host of rank 0, "" where it is not known.
func (p Place) RootHost() string {
	if p.Root != "" {
		host, _, _ := splitRoot(p.Root)
		return host
	}
	if p.allHere() {
		return "127.0.0.1"
	}
	if len(p.Hosts) > 0 {
		return p.Hosts[0]
	}
	return ""
}

// allHere says that every rank runs on this machine.
func (p Place) allHere() bool { return p.LocalSize == p.Size }

func (p Place) withPorts(host string) []string {
	h := fnv.New32a()
	h.Write([]byte(p.RunKey))
	start := int(h.Sum32() % portRange)
	addrs := make([]string, portTries)
	for i := range addrs {
		addrs[i] = net.JoinHostPort(host, strconv.Itoa(firstPort+(start+i)%portRange))
	}
	return addrs
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func splitRoot(root string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(root); err != nil {
		return "", "", err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", errors.New("the port is not between 1 and 65535")
	}
	if host == "" {
		return "", "", errors.New("the host is missing")
	}
	return host, port, nil
}
