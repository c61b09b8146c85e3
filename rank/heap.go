package rank

import (
	"go/version"
	"os"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/launch"
)

// Garbage collection takes a quarter of a large compile's CPU time when it
// begins at the compiler's own 128 MiB (net/http and runtime of go1.26). It
// pays to let heaps grow first; at 2 GiB few packages are collected at all. A
// compiler's peak is about half of what it is allowed.
const (
	largestHeap = 2048 // MiB
	usualHeap   = 128  // MiB
)

// Of what a slot has, half a gigabyte is for the compiler that runs. The rest is for those
// that wait: gg on one rank of 16 slots has up to 310 that take 24 MB each in the mean,
// which is 0.5 GB for each slot, with those that run.
const (
	forRunning = 512 << 20
	forWaiting = 48 << 20 // one that is begun, and one that is held
)

// mayWait is how many compilers may wait in memory begun, and how many held, for each of the
// slots that share so many bytes. It is none where memory is unknown.
func mayWait(memory int64, slots int) int {
	return min(plan.MostAside, max(0, int((memory/int64(slots)-forRunning)/forWaiting)))
}

// ownWaiting is for how many compilers that wait this rank has memory, for each slot.
func (r *run) ownWaiting() int { return mayWait(launch.Memory(r.cfg.Place, os.ReadFile), r.slots()) }

// heap is how large a compiler's heap may grow before it is collected, in MiB,
// where slots share so many bytes of memory; 0 leaves it to the compiler: where
// memory is short or unknown, where the user has said something about it, and
// where the compiler cannot be told.
func heap(p *plan.Plan, memory int64, slots int) int64 {
	if version.Compare(p.GoVersion, "go1.26") < 0 { // it has no -d=gcstart
		return 0
	}
	if slices.ContainsFunc(p.Env, func(e string) bool { return strings.HasPrefix(e, "GOGC=") || strings.HasPrefix(e, "GOMEMLIMIT=") }) {
		return 0
	}
	share := memory >> 20 / int64(slots) / 2
	if share <= usualHeap {
		return 0
	}
	return min(share, largestHeap)
}
