package figures

import (
	"image/color"
	"math"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours. Curves are told apart by colour-blind readers too (Okabe and Ito), and by their marks in print.
var (
	ink     = color.RGBA{0x22, 0x22, 0x22, 0xff}
	faint   = color.RGBA{0x6b, 0x6b, 0x6b, 0xff}
	rule    = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	old     = color.RGBA{0xb4, 0xb4, 0xb4, 0xff} // the prototype
	losing  = color.RGBA{0xfb, 0xe9, 0xe7, 0xff} // where go build is faster
	loser   = color.RGBA{0xb7, 0x1c, 0x1c, 0xff}
	paper   = color.RGBA{0xff, 0xff, 0xff, 0xff}
	blue    = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	orange  = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	green   = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	purple  = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
	red     = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	sky     = color.RGBA{0x56, 0xb4, 0xe9, 0xff}
	palette = [...]color.RGBA{blue, orange, green, red, purple, sky}
	shapes  = [...]draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}, ring{}, draw.CrossGlyph{}}
)

// look is how the curve of one key is drawn. Keys are numbers of nodes or cores: powers of two, mostly, and each has the
// same look in every picture.
func look(key int) (color.RGBA, draw.GlyphDrawer) {
	i := int(math.Log2(float64(max(key, 1)))) % len(palette)
	return palette[i], shapes[i]
}

// lighter mixes a colour with the paper.
func lighter(c color.RGBA, by float64) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(float64(v) + (255-float64(v))*by) }
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}

// darker mixes a colour with the ink.
func darker(c color.RGBA) color.RGBA {
	mix := func(v, with uint8) uint8 { return uint8((int(v) + int(with)) / 2) }
	return color.RGBA{mix(c.R, ink.R), mix(c.G, ink.G), mix(c.B, ink.B), 0xff}
}

// diamond is a filled square on its corner.
type diamond struct{}

// DrawGlyph draws it.
func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius * 1.3
	c.FillPolygon(sty.Color, []vg.Point{{X: pt.X - r, Y: pt.Y}, {X: pt.X, Y: pt.Y + r}, {X: pt.X + r, Y: pt.Y}, {X: pt.X, Y: pt.Y - r}})
}

// ring is an open circle.
type ring struct{}

// DrawGlyph draws it.
func (ring) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	draw.CircleGlyph{}.DrawGlyph(c, sty, pt)
	if sty.Color != paper {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: paper, Radius: sty.Radius * 0.55, Shape: draw.CircleGlyph{}}, pt)
	}
}

const (
	titleSize = vg.Length(13)
	panelSize = vg.Length(10)
	labelSize = vg.Length(9.5)
	noteSize  = vg.Length(8.5)
)

// letters is a text style in the sheet's typeface.
func letters(size vg.Length, bold bool, c color.Color) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, XAlign: draw.XLeft, YAlign: draw.YBottom, Handler: plot.DefaultTextHandler}
}

func stroke(c color.Color, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dashes}
}

// newPlot is an empty panel in the sheet's style, y from zero to a round number.
func newPlot(title, x, y string, top float64) *plot.Plot {
	p := emptyPlot(title, x, y)
	ticks := round(top)
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, ticks[len(ticks)-1].Value, ticks
	p.Add(rules{ticks: ticks})
	return p
}

// emptyPlot is a panel whose axes are still to be scaled.
func emptyPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = paper
	p.Title.Text, p.Title.TextStyle = title, letters(panelSize, true, ink)
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign, p.Title.Padding = draw.XCenter, draw.YTop, 6
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle = letters(labelSize, false, ink)
		a.Label.TextStyle.XAlign = draw.XCenter
		a.Tick.Label = letters(labelSize, false, ink)
		a.LineStyle, a.Tick.LineStyle = stroke(faint, 0.7), stroke(faint, 0.5)
		a.Label.Padding, a.Tick.Length, a.Padding = 4, 3, 0
	}
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.X.Label.TextStyle.YAlign, p.Y.Label.TextStyle.YAlign = draw.YBottom, draw.YBottom
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// fixed are ticks that somebody chose.
type fixed []plot.Tick

// Ticks returns them.
func (f fixed) Ticks(float64, float64) []plot.Tick { return f }

// round is ticks from zero to the first round number that is not below top.
func round(top float64) fixed {
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, f := range []float64{0.1, 0.2, 0.25, 0.5, 1, 2} {
		if top/(step*f) <= 6 { // about six intervals can be read at a glance
			step *= f
			break
		}
	}
	var ticks fixed
	for i := 0; ; i++ {
		v := step * float64(i)
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v, step)})
		if v >= top*(1-1e-9) {
			return ticks
		}
	}
}

// short prints a tick with as many decimals as its step has.
func short(v, step float64) string {
	decimals := 0
	for s := step; decimals < 6 && math.Abs(s-math.Round(s)) > 1e-6*math.Max(1, s); s *= 10 {
		decimals++
	}
	return number(v, decimals)
}

// rules are the horizontal lines behind the data.
type rules struct{ ticks fixed }

// Plot draws them.
func (r rules) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	for _, t := range r.ticks[1:] {
		c.StrokeLine2(stroke(rule, 0.6), c.Min.X, y(t.Value), c.Max.X, y(t.Value))
	}
}
