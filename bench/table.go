package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/sample"
)

// Table prints each world of the samples beside go build on one node of all its cores, go build on one node of its shape,
// and its bound with planning: medians of builds over the one of go build taken nearest in time, with their spread. Below 1
// distgo is faster.
func Table(set *sample.Set, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "program\tworld\tbarrier\tdistgo, s\tgo build, all cores, s\tratio\tgo build, one node, s\tratio\ttime over bound\town CPU\t")
	for _, c := range figures.Campaigns(set.Good()) {
		for _, g := range c.Groups() {
			if g.Cell.Builder != sample.Distgo {
				continue
			}
			barrier := g.Cell.Barrier
			if apart := c.Apart(); apart != "" {
				barrier += ", " + apart
			}
			world := fmt.Sprintf("%d×%d %s", g.Cell.Nodes, g.Cell.Cores, g.Cell.Launcher)
			all, one := c.GoBuild(g.Cell.Total(), sample.Cold), c.GoBuild(g.Cell.Cores, sample.Cold)
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", c.Program, world, barrier,
				spread(g.Of(sample.Time), 1), of(all), spread(pairs(g, all), 2), of(one), spread(pairs(g, one), 2),
				spread(g.Of(overBound), 2), percentage(g.Of(ownShare)))
		}
	}
	return t.Flush()
}

// pairs are the times of one group, each over that of the other which was taken nearest in time: the machine is faster at
// one time than at another.
func pairs(of, over *sample.Group) sample.Summary {
	if over == nil {
		return sample.Summary{}
	}
	return of.Of(func(s *sample.Sample) (float64, bool) {
		apart := func(b sample.Sample) time.Duration { return b.Start.Sub(s.Start).Abs() }
		nearest := slices.MinFunc(over.Samples, func(a, b sample.Sample) int { return cmp.Compare(apart(a), apart(b)) })
		return s.Seconds() / nearest.Seconds(), true
	})
}

// overBound is a build's time over its own bound, with the planning that precedes it.
func overBound(s *sample.Sample) (float64, bool) {
	bound, ok := sample.Bound(s)
	planning, _ := sample.Planning(s)
	if !ok {
		return 0, false
	}
	return s.Seconds() / (bound + planning), true
}

// ownShare is the CPU time of distgo's own processes over that of the tools.
func ownShare(s *sample.Sample) (float64, bool) {
	if s.Report == nil {
		return 0, false
	}
	var own, tools int64
	for i := range s.Report.Ranks {
		own += s.Report.Ranks[i].OwnCPU
		tools += s.Report.Ranks[i].CPU
	}
	if tools == 0 {
		return 0, false
	}
	return float64(own) / float64(tools), true
}

func of(g *sample.Group) string {
	if g == nil {
		return "–"
	}
	return spread(g.Of(sample.Time), 1)
}

// spread prints a median with the least, the greatest, and how many there are.
func spread(s sample.Summary, decimals int) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.*f", decimals, s.Median)
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f, %d)", decimals, s.Median, decimals, s.Least, decimals, s.Greatest, s.N)
}

func percentage(s sample.Summary) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*s.Median)
}
