package figures

import (
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	markRadius  = vg.Length(3)
	curveWidth  = vg.Length(1.4)
	whiskerHalf = vg.Length(2.5)
)

// scale places values of x side by side at equal distances, as the paper does: they are powers of two.
type scale struct{ xs []int }

func (s scale) of(x int) float64 { return float64(slices.Index(s.xs, x)) }

// fit gives a plot this x axis.
func (s scale) fit(p *plot.Plot) {
	var ticks fixed
	for i, x := range s.xs {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: strconv.Itoa(x)})
	}
	p.X.Tick.Marker = ticks
	p.X.Min, p.X.Max = -0.5, float64(len(s.xs))-0.5
}

// A curve is points with whiskers, joined.
type curve struct {
	points []point
	scale  scale
	line   draw.LineStyle
	mark   draw.GlyphDrawer
	radius vg.Length
	shift  float64 // sideways, so that curves do not hide each other's whiskers
}

// Plot draws it.
func (v curve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path []vg.Point
	whisker := stroke(v.line.Color, 0.9)
	for _, at := range v.points {
		here := vg.Point{X: x(v.scale.of(at.x) + v.shift), Y: y(at.Median)}
		path = append(path, here)
		if at.N > 1 {
			low, high := y(at.Least), y(at.Greatest)
			c.StrokeLine2(whisker, here.X, low, here.X, high)
			c.StrokeLine2(whisker, here.X-whiskerHalf, low, here.X+whiskerHalf, low)
			c.StrokeLine2(whisker, here.X-whiskerHalf, high, here.X+whiskerHalf, high)
		}
	}
	if len(path) > 1 && v.line.Width > 0 {
		c.StrokeLines(v.line, path)
	}
	if v.mark == nil {
		return
	}
	for _, pt := range path {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: paper, Radius: v.radius + 0.7, Shape: v.mark}, pt)
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: v.line.Color, Radius: v.radius, Shape: v.mark}, pt)
	}
}

// A floor is a short line under a curve's points: what cannot be beaten there.
type floor struct {
	points []point
	scale  scale
	line   draw.LineStyle
	shift  float64
}

// Plot draws it.
func (f floor) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, at := range f.points {
		middle := x(f.scale.of(at.x) + f.shift)
		c.StrokeLine2(f.line, middle-7, y(at.Median), middle+7, y(at.Median))
	}
}

// A level is a horizontal line with words on it.
type level struct {
	y     float64
	label string
	line  draw.LineStyle
}

// Plot draws it.
func (l level) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	c.StrokeLine2(l.line, c.Min.X, y(l.y), c.Max.X, y(l.y))
	if l.label != "" {
		style := letters(noteSize, false, l.line.Color)
		style.XAlign = draw.XRight
		at := y(l.y) + 2
		if at+noteSize > c.Max.Y { // no room above, where the subtitle is
			at = y(l.y) - noteSize - 1
		}
		c.FillText(style, vg.Point{X: c.Max.X - 3, Y: at}, l.label)
	}
}

// A loss is the part of a panel where go build is faster.
type loss struct{ below float64 }

// Plot draws it.
func (l loss) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	c.FillPolygon(losing, rectangle(c.Min.X, y(0), c.Max.X, y(l.below)))
	c.FillText(letters(noteSize, false, loser), vg.Point{X: c.Min.X + 4, Y: y(0) + 3}, "slower than go build")
}

// greatest is the top of some curves, whiskers included.
func greatest(curves ...map[int][]point) (top float64) {
	for _, of := range curves {
		for _, points := range of {
			for _, p := range points {
				top = max(top, p.Greatest)
			}
		}
	}
	return top
}

// keys are those of some curves, ascending.
func keys[P any](curves ...map[int][]P) (all []int) {
	for _, of := range curves {
		for k := range of {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	slices.Sort(all)
	return all
}

// spread shifts the i-th of n curves sideways by a little.
func spread(i, n int) float64 {
	const all = 0.16 // of the distance between two places
	if n < 2 {
		return 0
	}
	return all * (float64(i)/float64(n-1) - 0.5)
}
