package figures

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ideal is the curve of a program that is n times as fast on n nodes.
type ideal struct{ scale scale }

// Plot draws it, as far as the panel goes.
func (i ideal) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path []vg.Point
	for _, n := range i.scale.xs {
		path = append(path, vg.Point{X: x(i.scale.of(n)), Y: y(float64(n))})
	}
	line := stroke(faint, 0.8, 2, 2)
	c.StrokeLines(line, c.ClipLinesXY(path)...)
	style := letters(noteSize, false, faint)
	for k := len(path) - 1; k > 0; k-- {
		if c.Contains(path[k]) {
			style.XAlign = draw.XRight
			c.FillText(style, vg.Point{X: path[k].X - 6, Y: path[k].Y - 2}, "ideal")
			return
		}
	}
}
