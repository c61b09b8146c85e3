package figures

import (
	"cmp"
	"fmt"
	"image/color"
	"path"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// A bar is an action while it has a slot, a share of one, or one executed a second time, in undilated seconds.
type bar struct {
	row               int // slots of rank 0 first
	start, ready, end float64
	kind, name        string
	critical          bool
	ahead             bool // its head start
}

// A chart is a run by rank and slot.
type chart struct {
	rows    []string // names
	bars    []bar
	commits [][]float64 // by rank: when its supersteps closed
	rankOf  []int       // by row
	end     float64
}

// newChart reads a run. Times of a run under dilation f are divided by it.
func newChart(r *report.Report, f float64) *chart {
	sec := func(us int64) float64 { return float64(us) / 1e6 / f }
	c := &chart{}
	own := ownElement(r.Actions)
	first := map[int]int{} // row of a rank's slot 0
	ranks := slices.SortedFunc(slices.Values(r.Ranks), func(a, b report.Rank) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, rank := range ranks {
		first[rank.Rank] = len(c.rows)
		for slot := range rank.Slots {
			name := fmt.Sprintf("rank %d", rank.Rank)
			if rank.Slots > 1 {
				name = fmt.Sprintf("%d.%d", rank.Rank, slot)
			}
			c.rows = append(c.rows, name)
			c.rankOf = append(c.rankOf, rank.Rank)
		}
	}
	rowOf := func(rank, slot int) (row int, ok bool) {
		row, ok = first[rank]
		return row + slot, ok && row+slot < len(c.rows)
	}
	for _, a := range r.Actions {
		kind, critical := kindOf(&a, own), slices.Contains(r.Bound.Path, a.ID)
		for _, p := range a.Pieces() {
			row, ok := rowOf(a.Rank, p.Slot)
			if !ok {
				continue
			}
			b := bar{row: row, start: sec(p.Start), end: sec(p.End), kind: kind, name: a.Package, critical: critical, ahead: p.Start < a.Start}
			b.ready = b.end
			if a.Exported > 0 {
				b.ready = min(b.end, max(b.start, sec(a.Exported)))
			}
			c.bars = append(c.bars, b)
			c.end = max(c.end, b.end)
		}
	}
	packages := map[int32]string{}
	for _, a := range r.Actions {
		packages[a.ID] = a.Package
	}
	beside := func(rank, slot int, action int32, start, end int64, kind string, useful bool) {
		row, ok := rowOf(rank, slot)
		if !ok {
			return
		}
		b := bar{row: row, start: sec(start), end: sec(end), kind: kind, name: packages[action]}
		if b.ready = b.start; useful {
			b.ready = b.end
		}
		c.bars = append(c.bars, b)
		c.end = max(c.end, b.end) // an audit may come after the link
	}
	for _, s := range r.Shares {
		for _, p := range s.Pieces() {
			beside(s.Rank, p.Slot, s.Action, p.Start, p.End, kindShare, s.Taken)
		}
	}
	for _, s := range r.Seconds {
		for _, p := range s.Pieces() {
			beside(s.Rank, p.Slot, s.Action, p.Start, p.End, kindSecond, !s.Relief && s.Trouble == "")
		}
	}
	c.commits = make([][]float64, len(ranks))
	for _, s := range r.Supers {
		for i := range c.commits {
			if i < len(s.Committed) {
				c.commits[i] = append(c.commits[i], sec(s.Committed[i]))
			}
		}
	}
	return c
}

// The kinds of bars.
const (
	kindStd     = "std"
	kindModules = "modules"
	kindLink    = "link"
	kindOther   = "other"
	kindShare   = "share"  // light where it came to nothing
	kindSecond  = "second" // as that
)

// kindOf tells packages of the standard library by their path: a first element without a dot, as the go command does
// (see search.IsStandardImportPath, go1.26). own is the program's first element, which may have none either.
func kindOf(a *report.Action, own string) string {
	switch {
	case a.Kind == "link":
		return kindLink
	case a.Kind != "compile":
		return kindOther
	}
	head, _, _ := strings.Cut(a.Package, "/")
	if strings.Contains(head, ".") || head == own || head == "command-line-arguments" {
		return kindModules
	}
	return kindStd
}

// ownElement is the first element of what is linked.
func ownElement(actions []report.Action) string {
	for i := range actions {
		if actions[i].Kind == "link" {
			head, _, _ := strings.Cut(actions[i].Package, "/")
			return head
		}
	}
	return ""
}

var kindColours = map[string]color.RGBA{kindStd: blue, kindModules: green, kindLink: red, kindOther: purple, kindShare: orange, kindSecond: faint}

// ganttFigure draws one run: the one nearest to its cell's median.
func (c *Campaign) ganttFigure(s *sample.Sample, r *report.Report) *Figure {
	ch := newChart(r, s.Dilation)
	if len(ch.bars) == 0 {
		return nil
	}
	ticks := round(ch.end)
	p := emptyPlot("", "seconds since the plan arrived at the rank", "")
	p.Y.Min, p.Y.Max = 0, float64(len(ch.rows))
	p.Y.Tick.Marker = ch.rowTicks()
	p.Y.Tick.Length = 0
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, max(ch.end*1.005, 1e-3), upTo(ticks, ch.end)
	p.Add(bars{ch})
	row := vg.Length(min(26, max(7, 420/len(ch.rows))))
	sh := &sheet{
		stem:     c.stem(fmt.Sprintf("gantt-%dx%d-%s", s.Nodes, s.Cores, s.Barrier)),
		title:    fmt.Sprintf("%s: one build on %s of %s, %s barrier", c.Program, count(s.Nodes, "node"), count(s.Cores, "core"), s.Barrier),
		subtitle: fmt.Sprintf("%s · %.1f s in all, compiler: %s", c.subtitle(), s.Seconds(), r.Compiler),
		width:    640, height: row*vg.Length(len(ch.rows)) + 34,
	}
	sh.panels = append(sh.panels, p)
	sh.key = []entry{{label: "compiling", head: true}}
	for _, kind := range []struct{ kind, label string }{{kindStd, "standard library"}, {kindModules, "modules"}, {kindOther, "other"}, {kindLink, "linking"}, {kindShare, "helping with another rank's"}, {kindSecond, "a second time, to compare or for a slow rank"}} {
		if slices.ContainsFunc(ch.bars, func(b bar) bool { return b.kind == kind.kind }) {
			sh.key = append(sh.key, entry{label: kind.label, fill: kindColours[kind.kind]})
		}
	}
	for _, kind := range []string{kindShare, kindSecond} {
		if slices.ContainsFunc(ch.bars, func(b bar) bool { return b.kind == kind && b.ready < b.end }) {
			sh.key = append(sh.key, entry{label: "in vain", fill: lighter(kindColours[kind], 0.55)})
		}
	}
	if slices.ContainsFunc(ch.bars, func(b bar) bool { return b.kind != kindShare && b.kind != kindSecond && b.ready < b.end }) {
		sh.key = append(sh.key, entry{label: "export data is out", fill: lighter(blue, 0.55)})
	}
	if slices.ContainsFunc(ch.bars, func(b bar) bool { return b.ahead }) {
		sh.key = append(sh.key, entry{label: "a head start", fill: darker(blue)})
	}
	sh.key = append(sh.key, entry{label: "critical path", fill: paper, border: ink}, entry{label: "barrier passed", line: stroke(loser, 0.8)})
	sh.notes = []string{"The build whose time is nearest to its cell's median. Ranks share no clock: each row counts from the arrival of the plan at its rank." + planned(s)}
	return sh.figure()
}

// planned says what a chart leaves out before its zero.
func planned(s *sample.Sample) string {
	if v, ok := sample.Planning(s); ok {
		return fmt.Sprintf(" Before it, %.2f s went into meeting and planning.", v)
	}
	return ""
}

func upTo(ticks fixed, end float64) fixed {
	return slices.DeleteFunc(ticks, func(t plot.Tick) bool { return t.Value > end })
}

// rowTicks name rows, not more than can be read.
func (ch *chart) rowTicks() (ticks fixed) {
	every := 1 + len(ch.rows)/48
	for i, name := range ch.rows {
		if i%every == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(len(ch.rows)-1-i) + 0.5, Label: name})
		}
	}
	return ticks
}

// bars draws a chart.
type bars struct{ ch *chart }

// Plot draws it.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	n := len(b.ch.rows)
	top := func(row int) (low, high vg.Length) {
		low, high = y(float64(n-1-row)), y(float64(n-row))
		gap := (high - low) * 0.08
		return low + gap, high - gap
	}
	for row := range n {
		low, high := top(row)
		if b.ch.rankOf[row]%2 == 0 {
			c.FillPolygon(lighter(rule, 0.55), rectangle(c.Min.X, low, c.Max.X, high))
		}
	}
	for _, v := range b.ch.bars {
		low, high := top(v.row)
		colour := kindColours[v.kind]
		if v.ahead {
			colour = darker(colour)
		}
		c.FillPolygon(colour, rectangle(x(v.start), low, x(v.ready), high))
		if v.ready < v.end {
			c.FillPolygon(lighter(colour, 0.55), rectangle(x(v.ready), low, x(v.end), high))
		}
		if x(v.end)-x(v.start) > 1.5 {
			c.StrokeLine2(stroke(paper, 0.4), x(v.end), low, x(v.end), high) // between neighbours
		}
	}
	for row := range n { // over the bars, under the words
		if rank := b.ch.rankOf[row]; rank < len(b.ch.commits) {
			low, high := top(row)
			for _, at := range b.ch.commits[rank] {
				c.StrokeLine2(stroke(loser, 0.8), x(at), low-1, x(at), low+(high-low)*0.3)
			}
		}
	}
	for _, v := range b.ch.bars {
		low, high := top(v.row)
		if v.critical && x(v.end)-x(v.start) > 0.5 {
			box := rectangle(x(v.start), low, x(v.end), high)
			c.StrokeLines(stroke(ink, 0.9), append(box, box[0]))
		}
		label(&c, v, x(v.start), x(v.ready), x(v.end), low, high)
	}
}

// label writes a package's name into its bar where it fits, whole or its last element.
func label(c *draw.Canvas, v bar, left, ready, right, low, high vg.Length) {
	size := min(noteSize, (high-low)*0.62)
	if size < 5 {
		return
	}
	style := letters(size, false, ink)
	for _, name := range []string{v.name, path.Base(v.name)} {
		if width := style.Width(name); name != "" && width+6 < right-left {
			if ready-left > width/2 { // most of it on the dark part
				style.Color = paper
			}
			c.FillText(style, vg.Point{X: left + 3, Y: (low+high)/2 - size*0.35}, name)
			return
		}
	}
}
