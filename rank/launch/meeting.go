package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Meeting is how the ranks of a run learn where root listens: from the launcher's variables, through PMI, or from a
// file. Root listens and publishes; the others await, dial, and await again with what they have tried.
type Meeting struct {
	where string      // in words, for messages
	known []string    // from the launcher's variables
	pmi   *PMI        // nil: the launcher speaks none, or knows the hosts anyway
	file  *Rendezvous // nil: no directory, or no need
	met   []string    // what PMI said: its barrier can be passed but once
}

// OpenMeeting prepares the meeting of a place and returns the place with a run key. All ranks call it alike, because a
// conversation with the launcher has barriers. dir is a directory that all ranks see, such as the user's configuration;
// "" where there is none.
func OpenMeeting(ctx context.Context, p Place, env func(string) (string, bool), dir string) (*Meeting, Place, error) {
	sealPMI(env)
	m := &Meeting{known: p.RootAddrs()}
	if p.Iface != "" && p.Root == "" && !p.allHere() {
		m.known = nil // a host's name leads to the network that its administrator prefers: root has to say where it is
	}
	if len(m.known) == 0 && p.Size > 1 {
		var err error
		if m.pmi, err = OpenPMI(ctx, env); err != nil {
			return nil, p, err
		}
		if m.pmi != nil && p.RunKey == "" {
			p.RunKey = m.pmi.KVS
		}
	}
	if m.pmi == nil && p.Root == "" && p.Size > 1 && p.RunKey != "" && dir != "" {
		m.file = NewRendezvous(dir, p)
	}
	switch {
	case p.Size == 1:
		m.where = "nowhere, as it is alone"
	case len(m.known) == 1:
		m.where = "at " + m.known[0]
	case len(m.known) > 1:
		m.where = fmt.Sprintf("at %s or one of the %d ports after it", m.known[0], len(m.known)-1)
	case m.pmi != nil:
		m.where = "through PMI, where root says where it is"
	case m.file != nil:
		m.where = "by the file " + m.file.path() + ", in which root says where it is"
	case p.Iface != "":
		return nil, p, &Error{p.Launcher, p.String() + " cannot be told where rank 0 is on " + p.Iface, "leave out --iface, or give --root=host:port on every rank"}
	default:
		return nil, p, &Error{p.Launcher, p.String() + " is not told where rank 0 runs", "set DISTGO_ROOT=host:port on every rank"}
	}
	return m, p, nil
}

// String says where the ranks meet: "at node001:61443 or one of the 7 ports after it".
func (m *Meeting) String() string { return m.where }

// Publish says where root listens. Root calls it once.
func (m *Meeting) Publish(ctx context.Context, addrs []string) error {
	switch {
	case m.pmi != nil:
		// The likeliest come first, so what does not fit matters least.
		for len(addrs) > 1 && len(strings.Join(addrs, ",")) >= m.pmi.maxValue {
			addrs = addrs[:len(addrs)-1]
		}
		if err := m.pmi.Put(ctx, pmiRootKey, strings.Join(addrs, ",")); err != nil {
			return err
		}
		return m.pmi.Barrier(ctx)
	case m.file != nil:
		err := m.file.Publish(addrs)
		if len(m.known) > 0 {
			return nil // the file is for those to whom the host's name means nothing
		}
		return err
	}
	return nil
}

const pmiRootKey = "distgo-root"

// Await returns addresses of root, the likeliest first. tried is where someone else answered, or nobody can: Await waits
// for something new where something new can come. An address that refuses the connection is not among them, because
// root may not have begun to listen.
func (m *Meeting) Await(ctx context.Context, tried []string) ([]string, error) {
	if m.pmi != nil {
		if m.met == nil {
			if err := m.pmi.Barrier(ctx); err != nil {
				return nil, err
			}
			value, err := m.pmi.Get(ctx, pmiRootKey)
			if err != nil {
				return nil, err
			}
			m.met = strings.Split(value, ",")
		}
		return m.met, nil
	}
	if m.file == nil {
		return m.known, nil // there is nothing else
	}
	var unknown error
	if len(m.known) > 0 && len(tried) == 0 {
		if unknown = resolve(ctx, m.known[0]); unknown == nil {
			// The name may still lead elsewhere than root meant: what it says itself comes after.
			said, err := m.file.read()
			return slices.Concat(m.known, said), err
		}
	}
	addrs, err := m.file.Await(ctx, tried)
	if err != nil && unknown != nil {
		err = fmt.Errorf("rank 0's host: %w; %w", unknown, err)
	}
	return addrs, err
}

// resolve says whether the host of an address means anything on this node.
func resolve(ctx context.Context, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupHost(ctx, host)
	}
	return err
}

// Close ends the meeting: root's file goes, and the launcher is told that this process will end as it should. Closing
// again does nothing.
func (m *Meeting) Close(ctx context.Context, p Place) error {
	var err error
	if m.file != nil && p.Rank == 0 {
		err = m.file.Withdraw()
	}
	if m.pmi != nil {
		err = errors.Join(err, m.pmi.Finalize(ctx), m.pmi.Close())
	}
	m.file, m.pmi = nil, nil
	return err
}
