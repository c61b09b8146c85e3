package bench

import (
	"fmt"
	"math"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// tolerated is how far distgo's own figures may be from the kernel's before a sample says so.
const tolerated = 0.05

// checkUsage compares what the kernel counted on all nodes with what the ranks say of themselves. The ranks count their
// own processes until they take leave, the tools, and what else they started.
func checkUsage(usage []sample.Node, r *report.Report) (notes []string) {
	if len(usage) == 0 {
		return nil
	}
	var kernel sample.Node
	for _, n := range usage {
		kernel.CPU += n.CPU
		kernel.Out += n.Out
	}
	var cpu, sent int64
	for i := range r.Ranks {
		cpu += r.Ranks[i].CPU + r.Ranks[i].OwnCPU + r.Ranks[i].OtherCPU
		for _, b := range r.Ranks[i].Sent {
			sent += b.Bytes
		}
	}
	if off := apart(cpu, kernel.CPU); off > tolerated {
		notes = append(notes, fmt.Sprintf("CPU: distgo counts %.2f s, the kernel %.2f s: %.0f %% apart", float64(cpu)/1e6, float64(kernel.CPU)/1e6, 100*off))
	}
	// A single node sends nothing; the kernel's few bytes there are neighbour discovery.
	if off := apart(sent, kernel.Out); len(usage) > 1 && off > tolerated {
		notes = append(notes, fmt.Sprintf("bytes sent: distgo counts %.2f MB, the kernel %.2f MB: %.0f %% apart", float64(sent)/1e6, float64(kernel.Out)/1e6, 100*off))
	}
	return notes
}

func apart(said, counted int64) float64 {
	if counted == 0 {
		return 0
	}
	return math.Abs(float64(said-counted)) / float64(counted)
}
