package bench

import (
	"io"
	"path"

	"github.com/badbubble/distgo/bench/emulate"
	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/simulate"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
)

// A Simulation is what a user says of what to simulate.
type Simulation struct {
	File         string  // a run's report
	Dilation     float64 // under which it was recorded
	Net          string  // rate of a node's link
	Ranks, Cores []int   // none means powers of two up to the most there are
	Figures      string  // directory for the picture, "" for none
}

// Run prints the table and draws the picture.
func (s *Simulation) Run(out io.Writer) error {
	recorded, err := report.Open(s.File)
	if err != nil {
		return config("%v", err)
	}
	rate, err := emulate.ParseRate(s.Net)
	if err != nil {
		return config("%v", err)
	}
	ranks, cores := s.Ranks, s.Cores
	if len(ranks) == 0 {
		ranks = simulate.PowersOfTwo(simulate.MostRanks)
	}
	if len(cores) == 0 {
		cores = simulate.PowersOfTwo(simulate.MostCores)
	}
	for _, n := range append(append([]int{}, ranks...), cores...) {
		if n < 1 || n > maxSide {
			return config("%d ranks or cores: both are 1 to %d", n, maxSide)
		}
	}
	result, err := simulate.Run(recorded, s.Dilation, networkOf(rate), ranks, cores)
	if err != nil {
		return config("%s: %v", s.File, err)
	}
	if err := result.Print(out); err != nil || s.Figures == "" {
		return err
	}
	program := path.Base(result.Path[len(result.Path)-1]) // the link's
	picture := figures.Simulated(program+"-simulated", program+": beyond what was recorded", recorded.Go, result)
	return figures.Write(s.Figures, []*figures.Figure{picture})
}

// networkOf is the scheduler's gigabit Ethernet at another rate.
func networkOf(r emulate.Rate) schedule.Network {
	n := schedule.Gigabit
	n.Bandwidth *= float64(r) / 1e9
	return n
}
