package figures

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// A step is one superstep, averaged over the ranks, in undilated seconds.
type step struct {
	number    int
	actions   int
	begin     float64 // first action's start, any rank
	executed  float64 // last action's end, any rank
	committed float64 // last rank's commit: its artifacts are exchanged, the barrier closed
	execute   float64 // of a slot
	barrier   float64 // from a rank's notification to its commit
	idle      float64 // blocking only: the rest of the superstep
}

// steps reads a run.
func steps(r *report.Report, f float64) (all []step) {
	sec := func(us int64) float64 { return float64(us) / 1e6 / f }
	slots := map[int]int{}
	for _, rank := range r.Ranks {
		slots[rank.Rank] = max(rank.Slots, 1)
	}
	begin, end := map[int32]int64{}, map[int32]int64{}
	for _, a := range r.Actions {
		end[a.Group] = max(end[a.Group], a.End)
		if at, ok := begin[a.Group]; !ok || a.Start < at {
			begin[a.Group] = a.Start
		}
	}
	before := make([]int64, len(r.Ranks)) // commits of the superstep before
	for _, s := range r.Supers {
		v := step{number: int(s.Superstep), actions: s.Actions, begin: sec(begin[s.Superstep]), executed: sec(end[s.Superstep])}
		n := min(len(s.Execute), len(s.Notified), len(s.Committed), len(r.Ranks))
		for i := range n {
			execute := sec(s.Execute[i]) / float64(slots[i])
			barrier := sec(max(0, s.Committed[i]-s.Notified[i]))
			v.execute += execute / float64(n)
			v.barrier += barrier / float64(n)
			v.idle += max(0, sec(s.Committed[i]-before[i])-execute-barrier) / float64(n)
			v.committed = max(v.committed, sec(s.Committed[i]))
			before[i] = s.Committed[i]
		}
		if n > 0 {
			all = append(all, v)
		}
	}
	return all
}

// superstepFigure shows where the time of one run goes, superstep by superstep.
func (c *Campaign) superstepFigure(s *sample.Sample, r *report.Report) *Figure {
	all := steps(r, s.Dilation)
	if len(all) == 0 {
		return nil
	}
	blocking := r.Barrier == "blocking"
	row := vg.Length(min(15, max(5, 400/len(all))))
	sh := &sheet{
		stem:     c.stem(fmt.Sprintf("supersteps-%dx%d-%s", s.Nodes, s.Cores, s.Barrier)),
		title:    fmt.Sprintf("%s: supersteps on %s of %s, %s barrier", c.Program, count(s.Nodes, "node"), count(s.Cores, "core"), s.Barrier),
		subtitle: fmt.Sprintf("%s · %.1f s in all", c.subtitle(), s.Seconds()),
		width:    290, height: row*vg.Length(len(all)) + 52,
	}
	end, longest := 0.0, 0.0
	for _, v := range all {
		end = max(end, v.committed)
		longest = max(longest, v.total(blocking))
	}
	when := emptyPlot("when", "seconds since the plan arrived", "superstep")
	when.Add(stepRows{all, true, blocking})
	what := emptyPlot("what for, per slot (mean of the ranks)", "seconds", "")
	what.Add(stepRows{all, false, blocking})
	for i, p := range []*plot.Plot{when, what} {
		p.Y.Min, p.Y.Max, p.Y.Tick.Length = 0, float64(len(all)), 0
		p.Y.Tick.Marker = stepTicks(all)
		to := []float64{end, longest}[i]
		p.X.Min, p.X.Max = 0, max(to*1.01, 1e-3)
		p.X.Tick.Marker = upTo(round(to), to*1.01)
	}
	sh.panels = []*plot.Plot{when, what}
	sh.key = []entry{
		{label: "executing", fill: stepExecute},
		{label: "in the barrier", fill: stepBarrier},
	}
	note := "Left, executing: from the start of the group's first action to the end of its last; in the barrier: from there to the last rank's commit. Right, in the barrier: from a rank's own notification to its own commit."
	if blocking {
		sh.key = append(sh.key, entry{label: "waiting for inputs", fill: stepIdle})
		note += " Waiting for inputs: slots without an action before their rank notifies."
	} else {
		note += " With the split-phase barrier nobody waits in it: slots execute later groups meanwhile, so supersteps overlap."
	}
	sh.notes = []string{"The build whose time is nearest to its cell's median. " + note}
	return sh.figure()
}

var (
	stepExecute = blue
	stepBarrier = orange
	stepIdle    = lighter(faint, 0.55)
)

func (s *step) total(blocking bool) float64 {
	if blocking {
		return s.execute + s.idle + s.barrier
	}
	return s.execute + s.barrier
}

func stepTicks(all []step) (ticks fixed) {
	every := 1 + len(all)/32
	for i, s := range all {
		if i%every == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(len(all)-1-i) + 0.5, Label: strconv.Itoa(s.number)})
		}
	}
	return ticks
}

// stepRows draws supersteps from the top: when they were, or what their time went into.
type stepRows struct {
	all      []step
	when     bool
	blocking bool
}

// Plot draws them.
func (v stepRows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, s := range v.all {
		low, high := y(float64(len(v.all)-1-i)+0.12), y(float64(len(v.all)-i)-0.12)
		if i%2 == 0 {
			c.FillPolygon(lighter(rule, 0.55), rectangle(c.Min.X, y(float64(len(v.all)-1-i)), c.Max.X, y(float64(len(v.all)-i))))
		}
		if v.when {
			c.FillPolygon(stepExecute, rectangle(x(s.begin), low, x(max(s.begin, s.executed)), high))
			c.FillPolygon(stepBarrier, rectangle(x(max(s.begin, s.executed)), low, x(s.committed), high))
			continue
		}
		at := 0.0
		add := func(seconds float64, fill entry) {
			box := rectangle(x(at), low, x(at+seconds), high)
			c.FillPolygon(fill.fill, box)
			at += seconds
		}
		add(s.execute, entry{fill: stepExecute})
		if v.blocking {
			add(s.idle, entry{fill: stepIdle})
		}
		add(s.barrier, entry{fill: stepBarrier})
	}
}
