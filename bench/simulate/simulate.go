package simulate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
)

// A World is so many ranks of so many slots.
type World struct{ Ranks, Cores int }

// A Prediction is what a world would take, in undilated seconds of root's wall time.
type Prediction struct {
	World
	Seconds float64
	Bound   float64 // what preceded execution, and what no schedule can beat
	Binds   Binding
}

// A Binding is what a build's time consists of, mostly.
type Binding string

// The bindings.
const (
	Work     Binding = "work"          // all slots are busy: more of them help
	Chain    Binding = "critical path" // they do not: what is on it must become faster
	Ends     Binding = "both ends"     // too little can run at the beginning or at the end
	Transfer Binding = "network"       // artifacts on their way
	Schedule Binding = "schedule"      // the order in which slots take actions
	Planning Binding = "planning"      // what precedes execution
)

// A Result is a recorded run on many worlds.
type Result struct {
	Recorded World
	Measured float64 // what the recorded run took
	Before   float64 // what preceded execution
	Chain    float64 // critical path, with the link
	Work     float64 // sum of durations
	Path     []string
	Worlds   []Prediction // by cores, then ranks
}

// PowersOfTwo are 1, 2, 4 … up to most.
func PowersOfTwo(most int) (powers []int) {
	for n := 1; n <= most; n *= 2 {
		powers = append(powers, n)
	}
	return powers
}

// The worlds that are simulated when nobody says which.
const (
	MostRanks = 1024
	MostCores = 64
)

// Run simulates a recorded run on every combination of ranks and cores. dilation is what the recorded times are divided
// by: the network's is undilated.
func Run(recorded *report.Report, dilation float64, network schedule.Network, ranks, cores []int) (*Result, error) {
	switch {
	case recorded.Outcome != "built":
		return nil, errors.New("the run built nothing")
	case len(recorded.Actions) == 0:
		return nil, errors.New("the report has no actions: the run came from a store, or this is a sample's summary")
	case slices.ContainsFunc(recorded.Actions, func(a report.Action) bool { return a.Cached }):
		return nil, errors.New("part of the run came from a store, so durations are missing: record one with -a")
	case dilation < 1:
		return nil, fmt.Errorf("dilation %g is less than 1", dilation)
	}
	r := undilated(recorded, dilation)
	sec := func(us int64) float64 { return float64(us) / 1e6 }
	whole := report.NewBound(r.Undivided(), 1, r.HeadStarts)
	res := &Result{Measured: sec(r.Wall), Before: sec(r.Plan), Chain: sec(whole.Chain), Work: sec(whole.Work)}
	for _, k := range r.Ranks {
		res.Recorded = World{len(r.Ranks), max(res.Recorded.Cores, k.Slots)}
	}
	for _, id := range whole.Path {
		i := slices.IndexFunc(r.Actions, func(a report.Action) bool { return a.ID == id })
		res.Path = append(res.Path, r.Actions[i].Package)
	}
	for _, c := range cores {
		for _, n := range ranks {
			// More ranks than actions have nothing to do.
			if last := len(res.Worlds) - 1; last >= 0 && res.Worlds[last].Cores == c && min(res.Worlds[last].Ranks, n) >= len(r.Actions) {
				same := res.Worlds[last]
				same.Ranks = n
				res.Worlds = append(res.Worlds, same)
				continue
			}
			busy := min(n, len(r.Actions))
			took, err := r.Predict(busy, c, network)
			if err != nil {
				return nil, err
			}
			b := r.BoundOn(busy, c)
			binds, err := binding(r.Plan, took, b, func() (int64, error) { return r.Predict(busy, c, schedule.Network{}) })
			if err != nil {
				return nil, err
			}
			res.Worlds = append(res.Worlds, Prediction{World: World{n, c}, Seconds: sec(took), Bound: sec(r.Plan + b.Lower), Binds: binds})
		}
	}
	return res, nil
}

// binding is the greatest part of a prediction: planning, the bound by what makes it, and what the schedule and the
// network add. The bound is what binds while they are small. free predicts what it would
// take without the network's part.
func binding(before, took int64, b report.Bound, free func() (int64, error)) (Binding, error) {
	const small = 10 // a tenth of the prediction
	if before > took/2 {
		return Planning, nil
	}
	if over := took - before - b.Lower; over > took/small {
		without, err := free()
		network, order := took-without, over-(took-without)
		switch {
		case err != nil:
			return "", err
		case network > took/small && network >= order:
			return Transfer, nil
		case order > took/small:
			return Schedule, nil
		}
	}
	switch {
	case b.Lower == b.Chain:
		return Chain, nil
	// Within a hundredth of W/P the ends do not matter.
	case b.Lower-b.Work/int64(b.Slots) <= b.Lower/100:
		return Work, nil
	}
	return Ends, nil
}

// undilated is a report with its times divided, as far as a simulation reads them, and without the making of the compiler,
// which is once.
func undilated(r *report.Report, f float64) *report.Report {
	scaled := *r
	of := func(us int64) int64 { return int64(float64(us) / f) }
	scaled.Wall, scaled.Plan, scaled.Capture, scaled.Making = of(r.Wall-r.Making), of(r.Plan-r.Making), of(r.Capture), 0
	held := func(all []report.Hold) []report.Hold {
		all = slices.Clone(all)
		for i := range all {
			all[i].From, all[i].To = of(all[i].From), of(all[i].To)
		}
		return all
	}
	scaled.Actions = slices.Clone(r.Actions)
	scaled.Shares = slices.Clone(r.Shares)
	for i := range scaled.Shares {
		x := &scaled.Shares[i]
		x.Start, x.End, x.Held = of(x.Start), of(x.End), held(x.Held)
	}
	for i := range scaled.Actions {
		a := &scaled.Actions[i]
		a.Start, a.End, a.Begun, a.Paused = of(a.Start), of(a.End), of(a.Begun), of(a.Paused)
		a.Held = held(a.Held)
		if a.Exported > 0 {
			a.Exported = max(1, of(a.Exported)) // 0 would mean that nothing was there early
		}
	}
	return &scaled
}

// At is the prediction of a world, false where it was not simulated.
func (r *Result) At(w World) (Prediction, bool) {
	i := slices.IndexFunc(r.Worlds, func(p Prediction) bool { return p.World == w })
	if i < 0 {
		return Prediction{}, false
	}
	return r.Worlds[i], true
}

// Error is how far the prediction of the recorded world is from what it took, in percent; false where it was not simulated.
func (r *Result) Error() (percent float64, ok bool) {
	p, ok := r.At(r.Recorded)
	if !ok || r.Measured == 0 {
		return 0, false
	}
	return 100 * (p.Seconds/r.Measured - 1), true
}
