package launch

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
)

// Report prints what was found about a process and from where, for a user who wonders why ranks do not meet. It is one
// write, so that the reports of several ranks do not mix.
func (p Place) Report(w io.Writer, m *Meeting, slots, available int, others []string) error {
	host, _ := os.Hostname() // without a name the addresses have to do
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s\n", p, cmp.Or(host, "this node"))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("found in", "%s", cmp.Or(strings.Join(p.From, " "), "nothing, so this is a world of one rank"))
	for _, other := range others {
		line("passed over", "%s", other)
	}
	switch p.LocalSize {
	case 0:
		line("on this node", "local rank %d; how many ranks share the node was not told", p.LocalRank)
	default:
		line("on this node", "local rank %d of %d", p.LocalRank, p.LocalSize)
	}
	if p.Size > 1 {
		line("run", "%s, from %q", p.RunID(), p.RunKey)
		line("meets", "%s", m)
		line("own address", "%s", p.ownAddress(m))
	}
	line("slots", "%d of %d cores", slots, available)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ownAddress is where the others would find this rank. For ranks other than root it depends on where root is, because
// they use the interface that leads there.
func (p Place) ownAddress(m *Meeting) string {
	if p.Rank > 0 && len(m.known) > 0 {
		// Connecting a UDP socket sends nothing; it only asks the kernel for a route.
		conn, err := net.Dial("udp", m.known[0])
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		ip, _, _ := net.SplitHostPort(conn.LocalAddr().String())
		return ip + ", on the way to root"
	}
	if host, _, _ := net.SplitHostPort(p.ListenAddrs()[0]); host != "" {
		return host // all ranks are here
	}
	addrs, err := OwnAddrs(&net.TCPAddr{}, p.Iface)
	if err != nil {
		return err.Error()
	}
	for i, a := range addrs {
		addrs[i] = strings.TrimSuffix(a, ":0")
	}
	if p.Rank > 0 {
		return "that on the way to root, one of " + strings.Join(addrs, ", ")
	}
	return strings.Join(addrs, ", ")
}

// Others describes the launchers that would have been found too, had the one of the place not come before them.
func Others(p Place, env func(string) (string, bool), flags Flags, readFile func(string) ([]byte, error)) []string {
	var others []string
	for _, l := range Launchers() {
		if l.Name == p.Launcher || l.Name == "single" {
			continue
		}
		flags.Launcher = l.Name
		if other, err := Detect(env, flags, readFile); err == nil {
			others = append(others, fmt.Sprintf("%s, which --launcher=%s would choose", other, l.Name))
		}
	}
	return others
}

// Hidden lists those of the variables that a launcher sets for its ranks and that their children must not see, lest one
// that is linked with an MPI library takes itself for a rank.
func Hidden(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if hasAnyPrefix(name, "PMI_", "PMIX_", "OMPI_", "MPI_LOCAL", "PRTE_", "HYDRA_", "HYDI_", "FLUX_TASK_") || name == "DISTGO_SECRET" {
			names = append(names, name)
		}
	}
	return names
}
