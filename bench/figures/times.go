package figures

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/vg/draw"

	"github.com/badbubble/distgo/bench/sample"
)

// A measure is one of the paper's three figures.
type measure struct {
	stem, title, paper string
	of                 func(*sample.Sample) (float64, bool)
	baselines          bool // go build and the bound belong into it
	note               string
}

// The paper's three figures.
var measures = []measure{
	{"time", "total compile time", "compile", sample.Time, true, ""},
	{"exchange", "time to exchange dependencies", "exchange", sample.Exchange, false,
		"time in which the rank that received longest was receiving; with the split-phase barrier slots work meanwhile"},
	{"distribute", "time to distribute commands", "distribute", sample.Distribute, false,
		"time for rank 0 to encode and queue the plan for all ranks"},
}

const (
	panelWidth  = 250
	panelHeight = 235
)

// timeFigure is one of the paper's figures: a panel a barrier mode.
func (c *Campaign) timeFigure(m measure, old []paperPoint) *Figure {
	ax := c.axis()
	barriers := c.barriers()
	var all []map[int][]point
	for _, b := range barriers {
		all = append(all, c.measured(b, ax, m.of))
	}
	if len(keys(all...)) == 0 {
		return nil
	}
	goCurve := map[int][]point{}
	if m.baselines {
		goCurve = c.goCurves(ax)
	}
	theirs := paperCurves(old, c.Program, m.paper, ax)
	theirs = onlyKeys(theirs, keys(all...))
	places := scale{xs(append(all, goCurve)...)}
	if len(theirs) > 0 {
		places = scale{xs(map[int][]xy{0: joined(theirs)}, asXY(all...), asXY(goCurve))}
	}
	stem := m.stem
	if len(theirs) > 0 {
		stem += "-paper"
	}
	s := &sheet{
		stem: c.stem(stem), title: c.Program + ": " + m.title, subtitle: c.subtitle(),
		width: panelWidth, height: panelHeight,
	}
	top := greatest(append(all, goCurve)...)
	for _, points := range theirs {
		for _, p := range points {
			top = max(top, p.y)
		}
	}
	unit, factor := "seconds", 1.0
	if top < 0.5 {
		unit, factor = "milliseconds", 1000
	}
	for i, b := range barriers {
		p := newPlot(b+" barrier", ax.label(), unit, factor*top)
		places.fit(p)
		for _, k := range keys(theirs) {
			_, mark := look(k)
			p.Add(curve{points: times(factor, bare(theirs[k])), scale: places, line: stroke(lighterGrey, 1), mark: mark, radius: markRadius - 0.8})
		}
		ks := keys(all...)
		for j, k := range ks {
			colour, mark := look(k)
			if m.baselines {
				bound := c.measured(b, ax, sample.Bound)
				p.Add(floor{points: times(factor, bound[k]), scale: places, line: stroke(colour, 1.2, 2, 1.5), shift: spread(j, len(ks))})
			}
			p.Add(curve{points: times(factor, all[i][k]), scale: places, line: stroke(colour, curveWidth), mark: mark, radius: markRadius, shift: spread(j, len(ks))})
		}
		for _, k := range keys(goCurve) {
			line := stroke(ink, 1.1, 4, 2)
			if k == oneNodeKey {
				line = stroke(faint, 1.1, 1.5, 2)
			}
			p.Add(curve{points: times(factor, goCurve[k]), scale: places, line: line, mark: draw.CrossGlyph{}, radius: markRadius})
		}
		s.panels = append(s.panels, p)
	}
	s.key = c.timeKey(m, ax, keys(all...), goCurve, len(theirs) > 0)
	s.notes = c.notes(m.baselines, m.note, len(theirs) > 0)
	return s.figure()
}

var lighterGrey = lighter(old, 0.15)

// Keys of go build's curves: nothing else has them.
const (
	oneNodeKey  = -1
	allCoresKey = -2
)

// goCurves are go build's: on one node of a world's nodes, and on one node of all its cores. With cores along x the first
// is a curve; the second has a point for each world, which the table and the speed-up show. With nodes along x it is the
// other way round.
func (c *Campaign) goCurves(ax axis) map[int][]point {
	curves := map[int][]point{}
	add := func(key, x, cores int) {
		if g := c.GoBuild(cores, sample.Cold); g != nil {
			curves[key] = append(curves[key], point{x, g.Of(sample.Time)})
		}
	}
	if ax == coresAlong {
		for _, k := range c.goCores(sample.Cold) {
			if k <= maxOf(c.cores()) {
				add(oneNodeKey, k, k)
			}
		}
		return curves
	}
	least := minOf(c.cores())
	for _, n := range c.nodes() {
		add(oneNodeKey, n, least)
		add(allCoresKey, n, n*least)
	}
	return curves
}

func (c *Campaign) timeKey(m measure, ax axis, ks []int, goCurve map[int][]point, theirs bool) (key []entry) {
	key = append(key, entry{label: "distgo", head: true})
	for _, k := range ks {
		colour, mark := look(k)
		key = append(key, entry{label: ax.curve(k), line: stroke(colour, curveWidth), mark: mark})
	}
	if m.baselines {
		key = append(key, entry{label: "bound (see below)", line: stroke(faint, 1.2, 2, 1.5)})
	}
	if len(goCurve) > 0 {
		key = append(key, entry{label: "go build -a", head: true})
	}
	least := minOf(c.cores())
	for _, k := range keys(goCurve) {
		switch {
		case k == allCoresKey:
			key = append(key, entry{label: fmt.Sprintf("one node, x × %s", count(least, "core")), line: stroke(ink, 1.1, 4, 2), mark: draw.CrossGlyph{}})
		case ax == nodesAlong:
			key = append(key, entry{label: "one node, " + count(least, "core"), line: stroke(faint, 1.1, 1.5, 2), mark: draw.CrossGlyph{}})
		default:
			key = append(key, entry{label: "one node", line: stroke(faint, 1.1, 1.5, 2), mark: draw.CrossGlyph{}})
		}
	}
	if theirs {
		key = append(key, entry{label: "prototype, 2024", head: true})
		for _, k := range ks {
			_, mark := look(k)
			key = append(key, entry{label: ax.curve(k), line: stroke(lighterGrey, 1), mark: mark})
		}
	}
	return key
}

// subtitle says what all points of a picture share.
func (c *Campaign) subtitle() string {
	s := c.any()
	if s == nil {
		return ""
	}
	parts := append([]string{s.Go}, c.apart()...)
	if len(c.Commit) >= 12 {
		parts = append(parts, "commit "+c.Commit[:12])
	}
	switch c.Launcher {
	case "emulate":
		parts = append(parts, fmt.Sprintf("emulated nodes on %d cores (%s), links of %s", s.Machine.Cores, s.Machine.CPU, c.Net))
	case "local":
		parts = append(parts, fmt.Sprintf("ranks on one machine of %d cores (%s)", s.Machine.Cores, s.Machine.CPU))
	default:
		parts = append(parts, "through "+c.Launcher)
	}
	return strings.Join(parts, " · ")
}

// notes are what a reader must know of a picture of medians.
func (c *Campaign) notes(bound bool, further string, theirs bool) (notes []string) {
	least, most := c.span()
	note := "Everything compiled, std included. "
	switch {
	case most == 1:
		note += "One build each, which says little"
	case least == most:
		note += fmt.Sprintf("Medians of %d builds each, whiskers from the fastest to the slowest", most)
	default:
		note += fmt.Sprintf("Medians of %d to %d builds each, whiskers from the fastest to the slowest", least, most)
	}
	if bound {
		note += ". Dotted bound: no schedule of the run's own actions on its slots takes less, communication free"
	}
	notes = append(notes, note+".")
	if further != "" {
		notes = append(notes, strings.ToUpper(further[:1])+further[1:]+".")
	}
	if theirs {
		notes = append(notes, "Grey: "+Citation+"; other machines and other Go, for the shape and not for the seconds.")
	}
	return notes
}

// stem is a file's name for a picture of the campaign.
func (c *Campaign) stem(of string) string {
	parts := []string{strings.ReplaceAll(c.Program, "@", "-"), c.Launcher}
	if c.Variant != "" {
		parts = append(parts, c.Variant)
	}
	if c.Slow != "" {
		parts = append(parts, "slow-"+strings.ReplaceAll(c.Slow, ":", "x"))
	}
	return strings.Join(append(parts, of), "-")
}

func onlyKeys(curves map[int][]xy, ks []int) map[int][]xy {
	kept := map[int][]xy{}
	for _, k := range ks {
		if points, ok := curves[k]; ok {
			kept[k] = points
		}
	}
	return kept
}

func joined(curves map[int][]xy) (all []xy) {
	for _, k := range keys(curves) {
		all = append(all, curves[k]...)
	}
	return all
}

func asXY(curves ...map[int][]point) map[int][]xy {
	all := map[int][]xy{}
	for _, of := range curves {
		for _, points := range of {
			for _, p := range points {
				all[0] = append(all[0], xy{p.x, p.Median})
			}
		}
	}
	return all
}

func bare(points []xy) (bare []point) {
	for _, p := range points {
		bare = append(bare, point{p.x, sample.Summary{N: 1, Median: p.y, Least: p.y, Greatest: p.y}})
	}
	return bare
}

func minOf(v []int) int {
	if len(v) == 0 {
		return 1
	}
	return v[0]
}

func maxOf(v []int) int {
	if len(v) == 0 {
		return 1
	}
	return v[len(v)-1]
}
