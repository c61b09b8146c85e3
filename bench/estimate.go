package bench

import (
	"time"

	"github.com/badbubble/distgo/bench/sample"
)

// An estimate guesses how long builds take from those that were taken.
type estimate struct {
	cells    map[sample.Cell]mean
	programs map[string]mean
	all      mean
}

type mean struct {
	sum time.Duration
	n   int
}

func (m *mean) add(d time.Duration) { m.sum += d; m.n++ }

func newEstimate(taken []sample.Sample) *estimate {
	e := &estimate{cells: map[sample.Cell]mean{}, programs: map[string]mean{}}
	for i := range taken {
		e.add(&taken[i])
	}
	return e
}

func (e *estimate) add(s *sample.Sample) {
	d := time.Duration(s.Elapsed) * time.Microsecond
	c, p := e.cells[s.Cell], e.programs[s.Program]
	c.add(d)
	p.add(d)
	e.cells[s.Cell], e.programs[s.Program] = c, p
	e.all.add(d)
}

// of guesses one build: by its cell, else by its program, else by all that there is. 0 means that nobody knows.
func (e *estimate) of(c sample.Cell) time.Duration {
	for _, m := range []mean{e.cells[c], e.programs[c.Program], e.all} {
		if m.n > 0 {
			return m.sum / time.Duration(m.n)
		}
	}
	return 0
}

// left guesses all of them together.
func (e *estimate) left(turns []Turn) (sum time.Duration) {
	for _, t := range turns {
		sum += e.of(t.Cell)
	}
	return sum
}
