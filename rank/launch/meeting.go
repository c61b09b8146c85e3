package launch

import (
	"context"
	"errors"
	"net"
	"strings"
)

// Meeting is how the ranks of a run learn where root listens: from the launcher's variables, through PMI, or from a
// file. Root listens and publishes; the others await, dial, and await again with what they have tried.
type Meeting struct {
	known []string    // from the launcher's variables
	pmi   *PMI        // nil: the launcher speaks none, or knows the hosts anyway
	file  *Rendezvous // nil: no directory, or no need
	met   []string    // what PMI said: its barrier can be passed but once
}

// OpenMeeting prepares the meeting of a place and returns the place with a run key. All ranks call it alike, because a
// conversation with the launcher has barriers. dir is a directory that all ranks see, such as the user's configuration;
// "" where there is none.
func OpenMeeting(ctx context.Context, p Place, env func(string) (string, bool), dir string) (*Meeting, Place, error) {
	m := &Meeting{known: p.RootAddrs()}
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
	if len(m.known) == 0 && m.pmi == nil && m.file == nil && p.Size > 1 {
		return nil, p, &Error{p.Launcher, p.String() + " is not told where rank 0 runs", "set DISTGO_ROOT=host:port on every rank"}
	}
	return m, p, nil
}

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
	if len(tried) == 0 && len(m.known) > 0 && (m.file == nil || resolves(ctx, m.known[0])) {
		return m.known, nil
	}
	if m.file == nil {
		return m.known, nil // there is nothing else
	}
	return m.file.Await(ctx, tried)
}

// resolves says whether the host of an address means anything on this node.
func resolves(ctx context.Context, addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = net.DefaultResolver.LookupHost(ctx, host)
	return err == nil
}

// Close ends the meeting: root's file goes, and the launcher is told that this process will end as it should.
func (m *Meeting) Close(ctx context.Context, p Place) error {
	var err error
	if m.file != nil && p.Rank == 0 {
		err = m.file.Withdraw()
	}
	if m.pmi != nil {
		err = errors.Join(err, m.pmi.Finalize(ctx), m.pmi.Close())
	}
	return err
}
