package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/badbubble/distgo/bench/sample"
)

// A Shape is a world: nodes of so many cores.
type Shape struct{ Nodes, Cores int }

func (s Shape) String() string { return fmt.Sprintf("%dx%d", s.Nodes, s.Cores) }

// maxSide bounds nodes and cores: beyond it a shape is a typing error.
const maxSide = 4096

// ParseShape reads "4x2": four nodes of two cores.
func ParseShape(text string) (Shape, error) {
	nodes, cores, ok := strings.Cut(text, "x")
	n, errN := strconv.Atoi(nodes)
	c, errC := strconv.Atoi(cores)
	if !ok || errN != nil || errC != nil || n < 1 || c < 1 || n > maxSide || c > maxSide {
		return Shape{}, config("shape %q is not nodes x cores, as 4x2", text)
	}
	return Shape{n, c}, nil
}

// Shapes is every combination of nodes and cores, and then the further ones, each once.
func Shapes(nodes, cores []int, further []Shape) ([]Shape, error) {
	var shapes []Shape
	for _, c := range cores {
		for _, n := range nodes {
			shapes = append(shapes, Shape{n, c})
		}
	}
	shapes = append(shapes, further...)
	slices.SortFunc(shapes, func(a, b Shape) int {
		return cmp.Or(cmp.Compare(a.Nodes*a.Cores, b.Nodes*b.Cores), cmp.Compare(a.Nodes, b.Nodes))
	})
	shapes = slices.Compact(shapes)
	for _, s := range shapes {
		if s.Nodes < 1 || s.Cores < 1 || s.Nodes > maxSide || s.Cores > maxSide {
			return nil, config("%d nodes of %d cores: both are 1 to %d", s.Nodes, s.Cores, maxSide)
		}
	}
	return shapes, nil
}

// A Matrix is what to measure.
type Matrix struct {
	Programs  []Program
	Shapes    []Shape
	Barriers  []string
	Baselines bool     // go build beside distgo
	Caches    []string // of the baselines; none means cold
	Variant   string   // of distgo: what its further options make of it
	Describe  bool     // programs' graphs of actions, in the samples of go build
	GoCores   []int    // go build on one node of so many cores, whatever the shapes
}

// Cells enumerates the matrix for a launcher, each cell directly after the baselines it is compared with: go build on one
// node of its shape, and go build on one node that has all the shape's cores. unfit says what does not fit and why.
func (m Matrix) Cells(l Launcher) (cells []sample.Cell, unfit []error) {
	seen := map[sample.Cell]bool{}
	add := func(c sample.Cell) {
		c.Launcher = l.Name()
		c, err := l.Fit(c)
		if seen[c] {
			return
		}
		seen[c] = true
		if err != nil {
			unfit = append(unfit, fmt.Errorf("%s is left out: %w", c, err))
			return
		}
		cells = append(cells, c)
	}
	caches := m.Caches
	if len(caches) == 0 {
		caches = []string{sample.Cold}
	}
	for _, p := range m.Programs {
		base := sample.Cell{Program: p.Name, Commit: p.Commit, Nodes: 1}
		goBuild := func(cores int) {
			c := base
			c.Builder, c.Cores = sample.GoBuild, cores
			for _, c.Cache = range caches {
				add(c)
			}
		}
		for _, cores := range m.GoCores {
			goBuild(cores)
		}
		for _, s := range m.Shapes {
			if m.Baselines {
				goBuild(s.Cores)
				goBuild(s.Nodes * s.Cores)
			}
			c := base
			c.Builder, c.Nodes, c.Cores, c.Cache = sample.Distgo, s.Nodes, s.Cores, sample.Cold
			c.Variant = m.Variant
			for _, c.Barrier = range m.Barriers {
				add(c)
			}
		}
	}
	return cells, unfit
}

// A Turn is one sample to take.
type Turn struct {
	Cell       sample.Cell
	Repetition int // from 1
}

// Turns orders the samples: a repetition goes through all cells, every second one backwards.
func Turns(cells []sample.Cell, repetitions int) []Turn {
	var turns []Turn
	for r := 1; r <= repetitions; r++ {
		order := slices.Clone(cells)
		if r%2 == 0 {
			slices.Reverse(order)
		}
		for _, c := range order {
			turns = append(turns, Turn{c, r})
		}
	}
	return turns
}

// Remaining leaves out the turns whose samples are held already. Refused samples are taken again.
func Remaining(turns []Turn, held []sample.Sample) []Turn {
	have := map[Turn]bool{}
	for i := range held {
		if held[i].Good() {
			have[Turn{held[i].Cell, held[i].Repetition}] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(turns), func(t Turn) bool { return have[t] })
}
