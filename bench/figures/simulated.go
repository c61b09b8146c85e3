package figures

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg/draw"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/bench/simulate"
	"github.com/badbubble/distgo/plan/schedule"
)

// simulatedCores are the curves that are drawn: more lie on top of each other.
var simulatedCores = [...]int{1, 2, 4, 16, 64}

// Simulated draws a run on worlds beyond the recorded one.
func Simulated(stem, title, subtitle string, r *simulate.Result) *Figure {
	predicted, bound := map[int][]point{}, map[int][]point{}
	exactly := func(x int, v float64) point {
		return point{x, sample.Summary{N: 1, Median: v, Least: v, Greatest: v}}
	}
	for _, p := range r.Worlds {
		for _, c := range simulatedCores {
			if p.Cores == c {
				predicted[c] = append(predicted[c], exactly(p.Ranks, p.Seconds))
				bound[c] = append(bound[c], exactly(p.Ranks, p.Bound))
			}
		}
	}
	places := scale{xs(predicted)}
	p := newPlot("", "ranks", "seconds", math.Max(greatest(predicted), r.Measured))
	places.fit(p)
	if floor := r.Before + r.Chain; floor > 0 {
		p.Add(level{y: floor, line: stroke(loser, 0.8, 4, 2)})
	}
	s := &sheet{stem: stem, title: title, subtitle: subtitle, width: 520, height: panelHeight}
	s.key = []entry{{label: "simulated", head: true}}
	ks := keys(predicted)
	for i, k := range ks {
		colour, mark := palette[i%len(palette)], shapes[i%len(shapes)]
		p.Add(
			floor{points: bound[k], scale: places, line: stroke(colour, 1.2, 2, 1.5), shift: spread(i, len(ks))},
			curve{points: predicted[k], scale: places, line: stroke(colour, curveWidth), mark: mark, radius: markRadius, shift: spread(i, len(ks))},
		)
		s.key = append(s.key, entry{label: count(k, "core") + " per rank", line: stroke(colour, curveWidth), mark: mark})
	}
	s.key = append(s.key, entry{label: "bound", line: stroke(faint, 1.2, 2, 1.5)},
		entry{label: "planning and critical path", line: stroke(loser, 0.8, 4, 2)})
	if xsHas(places, r.Recorded.Ranks) {
		p.Add(curve{points: []point{exactly(r.Recorded.Ranks, r.Measured)}, scale: places, line: draw.LineStyle{Color: ink}, mark: draw.CrossGlyph{}, radius: markRadius + 1.5})
		s.key = append(s.key, entry{label: fmt.Sprintf("measured, %s", r.Recorded), line: draw.LineStyle{Color: ink}, mark: draw.CrossGlyph{}})
	}
	s.panels = append(s.panels, p)
	note := "The durations of one recorded run, planned anew for each world, helpers included, and executed in virtual time. More cores of a rank compile more packages at once, none of them faster."
	if percent, ok := r.Error(); ok {
		note += fmt.Sprintf(" The recorded world itself is simulated %+.1f %% from what was measured.", percent)
	}
	s.notes = []string{note}
	return s.figure()
}

func xsHas(s scale, x int) bool { return s.of(x) >= 0 }

// Beyond simulates the campaign's largest split-phase run, the one nearest to its cell's median, on worlds that were not
// measured; nil where no report was kept that can be simulated.
func (c *Campaign) Beyond() (*simulate.Result, error) {
	g := c.largest("split")
	if g == nil || c.beyond != nil {
		return c.beyond, nil
	}
	s := g.Middle()
	r, err := fullReport(s)
	if r == nil || err != nil {
		return nil, err
	}
	result, err := simulate.Run(r, s.Dilation, schedule.Gigabit, simulate.PowersOfTwo(simulate.MostRanks), simulate.PowersOfTwo(simulate.MostCores))
	if err != nil {
		return nil, nil // what cannot be simulated is a report of another kind, and shown as what it is
	}
	c.beyond = result // some seconds for a program of a thousand packages
	return result, nil
}

func (c *Campaign) beyondFigure() (*Figure, error) {
	r, err := c.Beyond()
	if r == nil || err != nil {
		return nil, err
	}
	return Simulated(c.stem("beyond"), fmt.Sprintf("%s: beyond what was measured", c.Program), c.subtitle(), r), nil
}
