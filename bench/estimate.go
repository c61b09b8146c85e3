package bench

import (
	"context"
	"strings"
	"time"

	"github.com/badbubble/distgo/bench/sample"
)

// What is taken for a build before anything is measured. A compile takes 0.1 to 0.3 s of CPU, depending on the program;
// more than four cores rarely help a build, which is bound by its longest chain; and making a cluster, the go command's
// transcript and the comparison afterwards take a second or two.
const (
	workOfPackage = 180 * time.Millisecond
	usefulCores   = 4
	around        = 2 * time.Second
)

// An estimate guesses how long samples take: from those of the same cell, else from the CPU time that the program's
// builds take, else from the number of its packages.
type estimate struct {
	cells    map[sample.Cell]mean
	work     map[string]mean // by program: CPU time of a build
	packages map[string]int
}

type mean struct {
	sum time.Duration
	n   int
}

func (m *mean) add(d time.Duration) { m.sum += d; m.n++ }

func (m *mean) value() time.Duration { return m.sum / time.Duration(m.n) }

func newEstimate(taken []sample.Sample, packages map[string]int) *estimate {
	e := &estimate{cells: map[sample.Cell]mean{}, work: map[string]mean{}, packages: packages}
	for i := range taken {
		e.add(&taken[i])
	}
	return e
}

func (e *estimate) add(s *sample.Sample) {
	c := e.cells[s.Cell]
	c.add(time.Duration(s.Elapsed) * time.Microsecond)
	e.cells[s.Cell] = c
	if s.CPU > 0 && s.Cache == sample.Cold {
		w := e.work[s.Program]
		w.add(time.Duration(s.CPU) * time.Microsecond)
		e.work[s.Program] = w
	}
}

// of guesses one build. 0 means that nobody knows.
func (e *estimate) of(c sample.Cell) time.Duration {
	if m := e.cells[c]; m.n > 0 {
		return m.value()
	}
	work := workOfPackage * time.Duration(e.packages[c.Program])
	if m := e.work[c.Program]; m.n > 0 {
		work = m.value()
	}
	return time.Duration(c.Dilation * float64(work) / float64(min(c.Total(), usefulCores)))
}

// left guesses all of them together, with what is around each. 0 means that nobody knows.
func (e *estimate) left(turns []Turn) (sum time.Duration) {
	for _, t := range turns {
		d := e.of(t.Cell)
		if d == 0 {
			return 0
		}
		sum += d + around
	}
	return sum
}

// countPackages says how many packages a build compiles. 0 is for programs that the go command cannot list: their own
// build will say why.
func countPackages(ctx context.Context, p *Program) int {
	text, err := goCommand(ctx, p, "list", "-deps", p.Main)
	if err != nil {
		return 0
	}
	return strings.Count(text, "\n")
}
