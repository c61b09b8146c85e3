package sample

import (
	"cmp"
	"slices"
)

// A Summary is what the repetitions of one quantity say together: medians and quartiles, since a shared machine's
// disturbances are one-sided and few repetitions make a mean worthless.
type Summary struct {
	N               int
	Median          float64
	Low, High       float64 // quartiles
	Least, Greatest float64
}

// Summarize sums up values; none gives the zero Summary.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	v := slices.Sorted(slices.Values(values))
	return Summary{
		N: len(v), Median: quantile(v, 0.5), Low: quantile(v, 0.25), High: quantile(v, 0.75),
		Least: v[0], Greatest: v[len(v)-1],
	}
}

// quantile interpolates between the order statistics of sorted values (Hyndman and Fan's type 7, as in R and NumPy).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// ByCell groups samples by their cell, cells in the order of Compare.
func ByCell(samples []Sample) []Group {
	var groups []Group
	index := map[Cell]int{}
	for _, s := range samples {
		i, ok := index[s.Cell]
		if !ok {
			i = len(groups)
			index[s.Cell] = i
			groups = append(groups, Group{Cell: s.Cell})
		}
		groups[i].Samples = append(groups[i].Samples, s)
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return Compare(a.Cell, b.Cell) })
	return groups
}

// A Group is the samples of one cell.
type Group struct {
	Cell    Cell
	Samples []Sample
}

// Of summarizes a quantity of the samples. Those for which f says false have none.
func (g *Group) Of(f func(*Sample) (float64, bool)) Summary {
	var values []float64
	for i := range g.Samples {
		if v, ok := f(&g.Samples[i]); ok {
			values = append(values, v)
		}
	}
	return Summarize(values)
}

// Middle is the sample whose time is nearest to the median: the run to look at.
func (g *Group) Middle() *Sample {
	median := g.Of(Time).Median
	best := 0
	for i := range g.Samples {
		if abs(g.Samples[i].Seconds()-median) < abs(g.Samples[best].Seconds()-median) {
			best = i
		}
	}
	return &g.Samples[best]
}

func abs(x float64) float64 { return max(x, -x) }

// Compare orders cells as tables list them.
func Compare(a, b Cell) int {
	return cmp.Or(
		cmp.Compare(a.Program, b.Program), cmp.Compare(a.Commit, b.Commit), cmp.Compare(a.Launcher, b.Launcher), cmp.Compare(a.Variant, b.Variant),
		-cmp.Compare(a.Builder, b.Builder), // go build first: what is compared with
		cmp.Compare(a.Nodes, b.Nodes), cmp.Compare(a.Cores, b.Cores), cmp.Compare(a.Barrier, b.Barrier),
		cmp.Compare(a.Cache, b.Cache), cmp.Compare(a.Dilation, b.Dilation), cmp.Compare(a.Net, b.Net), cmp.Compare(a.Slow, b.Slow))
}
