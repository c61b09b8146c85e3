package figures

import (
	"math"

	"gonum.org/v1/plot/vg/draw"
)

// lineOf is the line of a barrier mode's curve: split is what distgo does by itself.
func lineOf(barrier string, colour int) draw.LineStyle {
	c, _ := look(colour)
	if barrier == "blocking" {
		return stroke(c, 1.1, 4, 2.5)
	}
	return stroke(c, curveWidth)
}

// speedupFigure compares distgo with the machines a user would use or buy instead, and with itself.
func (c *Campaign) speedupFigure() *Figure {
	barriers := c.barriers()
	sets := map[Against][]map[int][]point{}
	var all []map[int][]point
	for _, a := range []Against{AllCores, OneNode, Itself} {
		for _, b := range barriers {
			curves := c.speedups(a, b)
			sets[a] = append(sets[a], curves)
			all = append(all, curves)
		}
	}
	if len(keys(all...)) == 0 {
		return nil
	}
	s := &sheet{
		stem: c.stem("speedup"), title: c.Program + ": speed-up", subtitle: c.subtitle(),
		width: panelWidth - 20, height: panelHeight,
	}
	places := scale{xs(all...)}
	for _, panel := range []struct {
		a     Against
		title string
	}{
		{AllCores, "over go build, one node of all cores"},
		{OneNode, "over go build, one of the nodes"},
		{Itself, "over distgo on one node"},
	} {
		if len(keys(sets[panel.a]...)) == 0 {
			continue
		}
		top := max(1.2, greatest(sets[panel.a]...))
		if panel.a == Itself {
			top = max(top, math.Min(float64(maxOf(c.nodes())), 2*top))
		}
		p := newPlot(panel.title, "nodes", "times as fast", top)
		places.fit(p)
		if panel.a == Itself {
			p.Add(ideal{places})
		} else {
			p.Add(loss{1})
		}
		p.Add(level{y: 1, line: stroke(ink, 0.8)})
		ks := keys(sets[panel.a]...)
		for i, b := range barriers {
			for j, k := range ks {
				_, mark := look(k)
				p.Add(curve{points: sets[panel.a][i][k], scale: places, line: lineOf(b, k), mark: mark, radius: markRadius, shift: spread(j*len(barriers)+i, len(ks)*len(barriers))})
			}
		}
		s.panels = append(s.panels, p)
	}
	s.key = worldKey(keys(all...), barriers)
	s.notes = c.ratioNotes("Times as fast: median time of what is compared with, over distgo's. Below 1 distgo loses")
	return s.figure()
}

// worldKey names curves by cores per node, and lines by barrier mode.
func worldKey(ks []int, barriers []string) (key []entry) {
	key = append(key, entry{label: "distgo", head: true})
	for _, k := range ks {
		colour, mark := look(k)
		key = append(key, entry{label: nodesAlong.curve(k), line: stroke(colour, curveWidth), mark: mark})
	}
	key = append(key, entry{label: "barrier", head: true})
	for _, b := range barriers {
		line := lineOf(b, 1)
		line.Color = faint
		key = append(key, entry{label: b, line: line})
	}
	return key
}

// ratioNotes are the notes of a picture of ratios.
func (c *Campaign) ratioNotes(what string) []string { return c.notes(false, what, false) }

// efficiencyFigure shows what part of all the world's cores did what one core alone would have had to do.
func (c *Campaign) efficiencyFigure() *Figure {
	barriers := c.barriers()
	var all []map[int][]point
	for _, b := range barriers {
		all = append(all, c.efficiencies(b))
	}
	if len(keys(all...)) == 0 {
		return nil
	}
	goPoints := map[int][]point{allCoresKey: c.goEfficiency()}
	places := scale{xs(append(all, goPoints)...)}
	p := newPlot("", "cores of the world (nodes × cores)", "percent", 100*max(1, greatest(append(all, goPoints)...)))
	places.fit(p)
	p.Add(level{y: 100, label: "ideal", line: stroke(faint, 0.8, 2, 2)})
	p.Add(curve{points: percent(goPoints[allCoresKey]), scale: places, line: stroke(ink, 1.1, 4, 2), mark: draw.CrossGlyph{}, radius: markRadius})
	ks := keys(all...)
	for i, b := range barriers {
		for j, k := range ks {
			_, mark := look(k)
			p.Add(curve{points: percent(all[i][k]), scale: places, line: lineOf(b, k), mark: mark, radius: markRadius, shift: spread(j*len(barriers)+i, len(ks)*len(barriers))})
		}
	}
	s := &sheet{
		stem: c.stem("efficiency"), title: c.Program + ": efficiency", subtitle: c.subtitle(),
		panels: nil, width: panelWidth + 110, height: panelHeight,
	}
	s.panels = append(s.panels, p)
	s.key = append(worldKey(ks, barriers), entry{label: "go build -a", head: true},
		entry{label: "one node, x cores", line: stroke(ink, 1.1, 4, 2), mark: draw.CrossGlyph{}})
	s.notes = c.ratioNotes("Efficiency: time of go build on one core, over the number of cores times the time on them")
	return s.figure()
}

func percent(points []point) []point { return times(100, points) }
