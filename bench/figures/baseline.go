package figures

import (
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"

	"github.com/badbubble/distgo/bench/sample"
)

// baselineFigure is go build alone over its cores, cold and warm: the paper's figures 2 and 3.
func (c *Campaign) baselineFigure() *Figure {
	cold, warm := c.goTimes(sample.Cold), c.goTimes(sample.Warm)
	if len(cold) < 2 && len(warm) == 0 {
		return nil
	}
	curves := map[int][]point{0: cold, 1: warm}
	places := scale{xs(curves)}
	times := newPlot("time", "GOMAXPROCS", "seconds", greatest(curves))
	speed := newPlot("speed-up over one core", "GOMAXPROCS", "times as fast", max(float64(maxOf(places.xs)), 1))
	speed.Add(ideal{places}, level{y: 1, line: stroke(ink, 0.8)})
	lines := []draw.LineStyle{stroke(blue, curveWidth), stroke(orange, curveWidth)}
	marks := []draw.GlyphDrawer{shapes[0], shapes[1]}
	caches := []string{sample.Cold, sample.Warm}
	s := &sheet{stem: c.stem("gobuild"), title: c.Program + ": go build", subtitle: c.subtitle(), width: panelWidth, height: panelHeight}
	for i, cache := range caches {
		if len(curves[i]) == 0 {
			continue
		}
		times.Add(curve{points: curves[i], scale: places, line: lines[i], mark: marks[i], radius: markRadius})
		var faster []point
		for _, k := range c.goCores(cache) {
			if v, ok := ratio(c.GoBuild(1, cache), c.GoBuild(k, cache)); ok {
				faster = append(faster, point{k, v})
			}
		}
		speed.Add(curve{points: faster, scale: places, line: lines[i], mark: marks[i], radius: markRadius})
		s.key = append(s.key, entry{label: cache + " cache", line: lines[i], mark: marks[i]})
	}
	places.fit(times)
	places.fit(speed)
	s.panels = []*plot.Plot{times, speed}
	s.notes = c.ratioNotes("Cold: empty GOCACHE and -a. Warm: the GOCACHE of a build just before, so that only the link is left")
	s.notes[0] = strings.TrimPrefix(s.notes[0], "Everything compiled, std included. ")
	return s.figure()
}

func (c *Campaign) goTimes(cache string) (points []point) {
	for _, k := range c.goCores(cache) {
		points = append(points, point{k, c.GoBuild(k, cache).Of(sample.Time)})
	}
	return points
}
