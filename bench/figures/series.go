package figures

import (
	"maps"
	"slices"
	"strconv"

	"github.com/badbubble/distgo/bench/sample"
)

// An axis says which side of a world runs along x; each value of the other has a curve.
type axis int

// The paper has cores along x and a curve a number of nodes. Where more numbers of nodes were measured than of cores, the
// other way round shows more.
const (
	coresAlong axis = iota
	nodesAlong
)

func (c *Campaign) axis() axis {
	if len(c.nodes()) > len(c.cores()) {
		return nodesAlong
	}
	return coresAlong
}

// of splits a world into its place along x and the key of its curve.
func (a axis) of(nodes, cores int) (x, key int) {
	if a == nodesAlong {
		return nodes, cores
	}
	return cores, nodes
}

func (a axis) label() string {
	if a == nodesAlong {
		return "nodes"
	}
	return "cores per node"
}

// curve names the curve of a key.
func (a axis) curve(key int) string {
	if a == nodesAlong {
		return count(key, "core") + " per node"
	}
	return count(key, "node")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

// xy is a point without a spread.
type xy struct {
	x int
	y float64
}

// A point is what was measured at one place along x.
type point struct {
	x int
	sample.Summary
}

// measured is a quantity of distgo in one barrier mode, by key, x ascending.
func (c *Campaign) measured(barrier string, ax axis, of func(*sample.Sample) (float64, bool)) map[int][]point {
	curves := map[int][]point{}
	for _, n := range c.nodes() {
		for _, k := range c.cores() {
			g := c.Distgo(n, k, barrier)
			if g == nil {
				continue
			}
			s := g.Of(of)
			if s.N == 0 {
				continue
			}
			x, key := ax.of(n, k)
			curves[key] = append(curves[key], point{x, s})
		}
	}
	return curves
}

// ratio is what the samples of one cell are against the median of another's time: base / time, so that more is better.
// Its spread is the samples' own; the base's is in its table.
func ratio(base, g *sample.Group) (sample.Summary, bool) {
	if base == nil || g == nil {
		return sample.Summary{}, false
	}
	m := base.Of(sample.Time).Median
	return g.Of(func(s *sample.Sample) (float64, bool) { return m / s.Seconds(), s.Elapsed > 0 }), m > 0
}

// Against is what distgo is compared with.
type Against int

// What distgo is compared with.
const (
	OneNode  Against = iota // go build on one node of the world's nodes
	AllCores                // go build on one node that has all the world's cores
	Itself                  // distgo on one node
)

// base is the cell that a world is compared with.
func (c *Campaign) base(a Against, nodes, cores int, barrier string) *sample.Group {
	switch a {
	case OneNode:
		return c.GoBuild(cores, sample.Cold)
	case AllCores:
		return c.GoBuild(nodes*cores, sample.Cold)
	}
	return c.Distgo(1, cores, barrier)
}

// Speedup is how many times faster distgo was on a world than what it is compared with.
func (c *Campaign) Speedup(a Against, nodes, cores int, barrier string) (sample.Summary, bool) {
	return ratio(c.base(a, nodes, cores, barrier), c.Distgo(nodes, cores, barrier))
}

// speedups are the speed-ups over x = nodes, by cores per node.
func (c *Campaign) speedups(a Against, barrier string) map[int][]point {
	curves := map[int][]point{}
	for _, k := range c.cores() {
		for _, n := range c.nodes() {
			if s, ok := c.Speedup(a, n, k, barrier); ok {
				curves[k] = append(curves[k], point{n, s})
			}
		}
	}
	return curves
}

// efficiencies are T(1 core) / (P·T(P cores)) over all P cores of a world, by cores per node; T(1) is go build's, so that
// distgo and go build are measured against the same.
func (c *Campaign) efficiencies(barrier string) map[int][]point {
	curves := map[int][]point{}
	one := c.GoBuild(1, sample.Cold)
	for _, k := range c.cores() {
		for _, n := range c.nodes() {
			if s, ok := ratio(one, c.Distgo(n, k, barrier)); ok {
				curves[k] = append(curves[k], point{n * k, per(s, n*k)})
			}
		}
	}
	return curves
}

// goEfficiency is go build's, over the cores of its node.
func (c *Campaign) goEfficiency() (points []point) {
	one := c.GoBuild(1, sample.Cold)
	for _, k := range c.goCores(sample.Cold) {
		if s, ok := ratio(one, c.GoBuild(k, sample.Cold)); ok {
			points = append(points, point{k, per(s, k)})
		}
	}
	return points
}

func per(s sample.Summary, n int) sample.Summary { return scaled(1/float64(n), s) }

// scaled is a summary in another unit.
func scaled(by float64, s sample.Summary) sample.Summary {
	return sample.Summary{N: s.N, Median: by * s.Median, Low: by * s.Low, High: by * s.High, Least: by * s.Least, Greatest: by * s.Greatest}
}

// times are points in another unit.
func times(by float64, points []point) []point {
	points = slices.Clone(points)
	for i := range points {
		points[i].Summary = scaled(by, points[i].Summary)
	}
	return points
}

// xs are all places along x of some curves, ascending.
func xs[P interface{ at() int }](curves ...map[int][]P) []int {
	found := map[int]bool{}
	for _, of := range curves {
		for _, points := range of {
			for _, p := range points {
				found[p.at()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (p point) at() int { return p.x }
func (p xy) at() int    { return p.x }
