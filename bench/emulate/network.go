package emulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The network of a cluster is a namespace of its own with nothing in it but a bridge, the switch, and one end of each
// node's link. The machine's own network has no part in it: no name, address or firewall rule of it can matter, and
// all of the switch goes when its namespace goes.

const (
	netnsDir  = "/run/netns" // where ip-netns(8) keeps names
	bridge    = "br0"
	interf    = "eth0" // the node's end of its link
	prefixLen = 24

	// A port's queue holds 1 MiB, about what a switch of DAS-5's kind has for a port. A longer one would hide what
	// many senders to one node cost, a shorter one makes them wait for TCP's retransmission time-out, which is not dilated.
	portQueue = 1 << 20
)

func netnsName(id, node string) string { return groupPrefix + id + "-" + node }

func switchName(id string) string { return netnsName(id, "switch") }

// makeNetwork makes the switch and every node's link to it.
func makeNetwork(ctx context.Context, id string, spec Spec) error {
	sw := switchName(id)
	if err := ip(ctx, "", "netns add "+sw); err != nil {
		return err
	}
	// No IPv6: its neighbour discovery would be counted as the nodes' traffic.
	script := []string{
		"link add " + bridge + " type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
		"link set " + bridge + " addrgenmode none",
		"link set " + bridge + " up",
	}
	for node := range spec.Nodes {
		name := spec.Hostname(node)
		if err := ip(ctx, "", "netns add "+netnsName(id, name)); err != nil {
			return err
		}
		script = append(script,
			"link add "+name+" type veth peer name "+interf+" netns "+netnsName(id, name),
			"link set "+name+" addrgenmode none master "+bridge,
			"link set "+name+" up")
	}
	if err := ip(ctx, sw, script...); err != nil {
		return err
	}
	for node := range spec.Nodes {
		name := spec.Hostname(node)
		if err := ip(ctx, netnsName(id, name),
			"link set lo up",
			"link set "+interf+" addrgenmode none",
			fmt.Sprintf("addr add %s/%d dev %s", spec.Address(node), prefixLen, interf),
			"link set "+interf+" up"); err != nil {
			return err
		}
		// Both ends send through a shaper: the node's is what the node sends, the switch's what it receives.
		if err := shape(ctx, netnsName(id, name), interf, spec); err != nil {
			return err
		}
		if err := shape(ctx, sw, name, spec); err != nil {
			return err
		}
	}
	return nil
}

// shape holds what a device sends to the dilated rate.
func shape(ctx context.Context, netns, device string, spec Spec) error {
	if spec.Net == 0 {
		return nil
	}
	rate := max(int64(float64(spec.Net)/spec.Dilation), 8)
	// What may pass at once, after a pause, is half a millisecond's worth: less and the kernel is woken for each frame,
	// more and short messages would travel in no time. But at least two frames, or the bucket never fits one.
	const frame = 1514
	burst := min(max(rate/8/2000, 2*frame), 64<<10)
	// The kernel hands the device bundles of frames. One that exceeds the burst would have to be taken apart, so it is
	// asked for smaller ones; 5 % are the frames' headers, which count for the rate.
	if err := ip(ctx, netns, fmt.Sprintf("link set %s gso_max_size %d", device, max(burst*95/100, frame))); err != nil {
		return err
	}
	return run(ctx, nil, "tc", "-n", netns, "qdisc", "add", "dev", device, "root", "tbf",
		"rate", fmt.Sprintf("%dbit", rate), "burst", fmt.Sprint(burst), "limit", fmt.Sprint(portQueue))
}

// traffic is what a node received and sent, in bytes of the frames' bundles as its port at the switch counted them.
func traffic(ctx context.Context, id, hostname string) (in, out int64, err error) {
	var text bytes.Buffer
	if err := run(ctx, &text, "ip", "-n", switchName(id), "-s", "-j", "link", "show", "dev", hostname); err != nil {
		return 0, 0, err
	}
	var links []struct {
		Stats64 struct{ Rx, Tx struct{ Bytes int64 } }
	}
	if err := json.Unmarshal(text.Bytes(), &links); err != nil || len(links) != 1 {
		return 0, 0, fmt.Errorf("ip's counters of %s are not as expected: %q", hostname, text.String())
	}
	return links[0].Stats64.Tx.Bytes, links[0].Stats64.Rx.Bytes, nil
}

// removeNetwork removes the namespaces of a cluster; the links and the bridge go with them.
func removeNetwork(ctx context.Context, id string) error {
	names, err := filepath.Glob(filepath.Join(netnsDir, netnsName(id, "*")))
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, ip(ctx, "", "netns del "+filepath.Base(name)))
	}
	return errors.Join(errs...)
}

// ip runs ip-commands inside a network namespace, or in the machine's own if that is "".
func ip(ctx context.Context, netns string, lines ...string) error {
	for _, line := range lines {
		argv := []string{"ip"}
		if netns != "" {
			argv = append(argv, "-n", netns)
		}
		if err := run(ctx, nil, append(argv, strings.Fields(line)...)...); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command of the system; its words go into the error.
func run(ctx context.Context, stdout *bytes.Buffer, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	// Messages that are read, or shown, are the untranslated ones.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var words bytes.Buffer
	cmd.Stderr = &words
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Run(); err != nil {
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %v: %s", strings.Join(argv, " "), err, strings.TrimSpace(words.String()))
	}
	return nil
}
