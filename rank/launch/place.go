package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/badbubble/distgo/transport"
)

// MaxSize bounds the number of ranks, which also keeps a mistyped variable from becoming an allocation.
const MaxSize = transport.MaxSize

// Flags are what the command line says about this process.
type Flags struct {
	Rank, Size int    // -1: not given
	Root       string // host:port of rank 0; overrides every launcher
	Iface      string // network to meet on: an interface's name, or its addresses as 10.149.0.0/16
	Launcher   string // asks this launcher only; "" asks all in turn
}

// Place is one process's place in the world.
type Place struct {
	Launcher  string
	Rank      int
	Size      int
	LocalRank int      // among the ranks on this node
	LocalSize int      // ranks on this node; 0 where the launcher does not say
	RunKey    string   // the same on all ranks of a run; "" where only PMI knows it
	Hosts     []string // host of each rank; empty, or Size entries of which some may be ""
	Root      string   // host:port of rank 0 where known, else ""
	Iface     string   // network to meet on: a name or a range of addresses; "" for the best
	From      []string // what it was read from: "PRUN_CPU_RANK=3"
	CPUs      int      // CPUs that the launcher granted this rank; 0 where it does not say
}

// Error says that the environment or the flags contradict themselves. It belongs to the usage family.
type Error struct {
	Launcher string // who was being asked
	Text     string // names the variables and their values
	Hint     string // what to do about it; may be ""
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + ": " + e.Hint
}

// RunID is a short name for the run, made from the run key: the same on all ranks, and fit for file names. Neither size
// nor launcher is part of it, so that ranks that disagree on them find each other and say so.
func (p Place) RunID() string {
	sum := sha256.Sum256([]byte("distgo run\x00" + p.RunKey))
	return hex.EncodeToString(sum[:8])
}

// String is the place in a word or two, as messages show it: "rank 3 of 8 (prun)".
func (p Place) String() string {
	return fmt.Sprintf("rank %d of %d (%s)", p.Rank, p.Size, p.Launcher)
}

// countLocal sets the local rank and size from the list of hosts. Counting is right whatever number the launcher puts
// beside the host, and for any order of the ranks.
func (p *Place) countLocal() {
	p.LocalRank, p.LocalSize = 0, 0
	for rank, host := range p.Hosts {
		if host != p.Hosts[p.Rank] {
			continue
		}
		if rank < p.Rank {
			p.LocalRank++
		}
		p.LocalSize++
	}
}
