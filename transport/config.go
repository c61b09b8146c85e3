package transport

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// A Fact is something that must be equal on all ranks: the executable's digest, the platform, the Go version.
type Fact struct{ Name, Value string }

// Config says who this rank is and how it finds the others. It is not changed by Meet.
type Config struct {
	Rank Rank
	Size int

	// RunID names the run; ranks of different runs refuse each other. It is not a secret.
	RunID string

	// Secret is shared by the ranks of a run and by nobody else, at least MinSecret bytes. Without one, only
	// loopback addresses are accepted and dialled.
	Secret []byte

	// Root is rank 0's address as host:port. Rank 0 itself listens on its port, unless Listener is given.
	Root string

	// FindRoot, if not nil, replaces Root for the other ranks: it returns where root may be, the likeliest first, and is
	// asked again until root was met. tried are the addresses at which others answered; FindRoot may wait for new ones.
	// When it names none but those, the search is over. Optional.
	FindRoot func(ctx context.Context, tried []string) ([]string, error)

	// Listener, if not nil, is where this rank accepts its peers. It belongs to Meet, which closes it. Without one,
	// ranks other than 0 listen on a port of the system's choice.
	Listener net.Listener

	// Facts are compared with root's, by name; order does not matter.
	Facts []Fact

	// Info goes to everybody, at most MaxInfo bytes.
	Info []byte

	// Host is this node's name in messages; empty means the system's.
	Host string

	// Hosts names the nodes by rank where the launcher told them, so that a rank that never came can be named. Optional.
	Hosts []string

	// MeetTimeout is how long Meet waits for everyone; 0 means 60 s. For ranks other than root it starts again when they have
	// joined.
	MeetTimeout time.Duration

	// SilenceLimit is how long nothing may come from a peer; 0 means 5 s. It is compared like a fact, as each rank sends
	// heartbeats at a third of its own.
	SilenceLimit time.Duration

	// BodyLimits lowers MaxBody for single kinds of the upper layers.
	BodyLimits map[Kind]int

	// TLS encrypts and authenticates everything. It must be the same on all ranks.
	TLS bool

	// Network replaces TCP. Optional.
	Network Network

	// Progress is called on root, by Meet, after each rank that joins. Optional.
	Progress func(joined, size int, missing []Rank)
}

// withDefaults returns a checked copy.
func (c Config) withDefaults() (Config, error) {
	c.MeetTimeout = cmp.Or(c.MeetTimeout, defaultMeetTimeout)
	c.SilenceLimit = cmp.Or(c.SilenceLimit, defaultSilenceLimit)
	if c.Host == "" {
		c.Host, _ = os.Hostname() // a name for messages only: without one, the rank has to do
	}
	if c.Network == nil {
		c.Network = tcp{}
	}
	switch {
	case c.Size < 1 || c.Size > MaxSize:
		return c, fmt.Errorf("a world of %d ranks: the size must be between 1 and %d", c.Size, MaxSize)
	case c.Rank < 0 || int(c.Rank) >= c.Size:
		return c, fmt.Errorf("rank %d in a world of %d: ranks are 0 to %d", c.Rank, c.Size, c.Size-1)
	case c.RunID == "" && c.Size > 1 || len(c.RunID) > maxRunID:
		return c, fmt.Errorf("run ID of %d bytes: 1 to %d are needed", len(c.RunID), maxRunID)
	case c.Secret != nil && len(c.Secret) < MinSecret:
		return c, fmt.Errorf("secret of %d bytes: at least %d random ones are needed", len(c.Secret), MinSecret)
	case len(c.Info) > MaxInfo:
		return c, fmt.Errorf("info of %d bytes exceeds %d", len(c.Info), MaxInfo)
	case len(c.Host) > maxHost:
		return c, fmt.Errorf("host name of %d bytes exceeds %d", len(c.Host), maxHost)
	case c.Size > 1 && c.Rank != Root && c.Root == "" && c.FindRoot == nil:
		return c, fmt.Errorf("rank %d does not know root's address", c.Rank)
	case c.Size > 1 && c.Rank == Root && c.Listener == nil && c.Root == "":
		return c, fmt.Errorf("root has neither a listener nor an address to listen on")
	case c.MeetTimeout < 0 || c.SilenceLimit < 0:
		return c, fmt.Errorf("negative time limit")
	}
	for k, n := range c.BodyLimits {
		if k < FirstKind || k > LastKind || n < 0 || n > MaxBody {
			return c, fmt.Errorf("body limit %d for %s: kinds are %d to %d, limits at most %d", n, k, FirstKind, LastKind, MaxBody)
		}
	}
	if err := checkFacts(c.Facts); err != nil {
		return c, err
	}
	c.Facts = append(slices.Clone(c.Facts), Fact{"silence limit", c.SilenceLimit.String()})
	return c, nil
}

// hostOf is what the launcher said about a rank's node.
func (c Config) hostOf(r Rank) string {
	if int(r) < len(c.Hosts) {
		return c.Hosts[r]
	}
	return ""
}
