package figures

import (
	"image/color"
	"io"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Figure is one picture, ready to be drawn.
type Figure struct {
	Stem  string // of its file's name
	Title string
	Notes []string // what stands below it

	of            *Campaign
	width, height vg.Length
	draw          func(draw.Canvas)
}

// resolution of PNG pictures, in dots per inch: sharp on a screen of twice the usual density.
const resolution = 144

// PNG writes the picture as PNG.
func (f *Figure) PNG(w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(resolution), vgimg.UseBackgroundColor(paper))
	f.draw(draw.New(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

// SVG writes the picture as SVG, with its text as text.
func (f *Figure) SVG(w io.Writer) error {
	c := vgsvg.New(f.width, f.height)
	f.draw(draw.New(c))
	_, err := c.WriteTo(w)
	return err
}

// An entry is one line of a sheet's key.
type entry struct {
	label  string
	line   draw.LineStyle   // of no width: none
	mark   draw.GlyphDrawer // or nil
	fill   color.Color      // a box instead, or nil
	border color.Color      // of the box, or nil
	head   bool             // a heading
}

// A sheet is a figure of panels side by side, with a title above, a key to the right and notes below.
type sheet struct {
	stem, title, subtitle string
	panels                []*plot.Plot
	width, height         vg.Length // of a panel
	key                   []entry
	notes                 []string
}

const (
	margin     = vg.Length(12)
	titleLead  = vg.Length(17)
	noteLead   = vg.Length(11.5)
	keyLead    = vg.Length(14)
	keySample  = vg.Length(24)
	panelSpace = vg.Length(14)
	keyTop     = vg.Length(20)
)

// figure lays the sheet out.
func (s *sheet) figure() *Figure {
	keyWidth, keyHeight := vg.Length(0), vg.Length(0)
	for _, e := range s.key {
		w := letters(noteSize, e.head, ink).Width(e.label)
		if !e.head {
			w += keySample + 5
		}
		keyWidth = max(keyWidth, w)
		keyHeight += keyLead
		if e.head {
			keyHeight += 4
		}
	}
	if keyWidth > 0 {
		keyWidth += 2 * margin
	}
	n := vg.Length(len(s.panels))
	width := 2*margin + n*s.width + (n-1)*panelSpace + keyWidth
	notes := wrap(s.notes, width-2*margin)
	head := titleLead
	if s.subtitle != "" {
		head += noteLead + 4
	}
	foot := vg.Length(len(notes))*noteLead + 6
	body := max(s.height, keyHeight+keyTop)
	height := 2*margin + head + body + foot
	return &Figure{Stem: s.stem, Title: s.title, Notes: s.notes, width: width, height: height, draw: func(c draw.Canvas) {
		c.FillPolygon(paper, []vg.Point{{X: c.Min.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Min.X, Y: c.Max.Y}})
		left, top := c.Min.X+margin, c.Max.Y-margin
		c.FillText(letters(titleSize, true, ink), vg.Point{X: left, Y: top - titleSize}, s.title)
		if s.subtitle != "" {
			c.FillText(letters(noteSize, false, faint), vg.Point{X: left, Y: top - titleLead - noteLead + 1}, s.subtitle)
		}
		s.drawPanels(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - head - s.height},
			Max: vg.Point{X: c.Max.X - margin - keyWidth, Y: top - head},
		}})
		s.drawKey(&c, c.Max.X-keyWidth, top-head-keyTop)
		for i, line := range notes {
			c.FillText(letters(noteSize, false, faint), vg.Point{X: left, Y: c.Min.Y + margin + vg.Length(len(notes)-1-i)*noteLead}, line)
		}
	}}
}

func (s *sheet) drawPanels(c draw.Canvas) {
	if len(s.panels) == 0 {
		return
	}
	tiles := draw.Tiles{Rows: 1, Cols: len(s.panels), PadX: panelSpace}
	canvases := plot.Align([][]*plot.Plot{s.panels}, tiles, c)
	for i, p := range s.panels {
		p.Draw(canvases[0][i])
	}
}

func (s *sheet) drawKey(c *draw.Canvas, x, y vg.Length) {
	for _, e := range s.key {
		if e.head {
			y -= 4
			c.FillText(letters(noteSize, true, ink), vg.Point{X: x, Y: y - noteSize/3}, e.label)
			y -= keyLead
			continue
		}
		middle := vg.Point{X: x + keySample/2, Y: y}
		if e.fill != nil {
			box := rectangle(x+4, y-4, x+keySample-4, y+4)
			c.FillPolygon(e.fill, box)
			if e.border != nil {
				c.StrokeLines(stroke(e.border, 0.9), append(box, box[0]))
			}
		}
		if e.line.Width > 0 {
			c.StrokeLine2(e.line, x, y, x+keySample, y)
		}
		if e.mark != nil {
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: e.line.Color, Radius: markRadius, Shape: e.mark}, middle)
		}
		c.FillText(letters(noteSize, false, ink), vg.Point{X: x + keySample + 5, Y: y - noteSize/3}, e.label)
		y -= keyLead
	}
}

func rectangle(left, bottom, right, top vg.Length) []vg.Point {
	return []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}}
}

// wrap breaks notes into lines of a width.
func wrap(notes []string, width vg.Length) (lines []string) {
	style := letters(noteSize, false, faint)
	for _, note := range notes {
		line := ""
		for _, word := range words(note) {
			if next := line + word; line != "" && style.Width(next) > width {
				lines = append(lines, line)
				line = ""
			}
			line += word + " "
		}
		lines = append(lines, line)
	}
	return lines
}

func words(s string) []string { return strings.Fields(s) }

func number(v float64, decimals int) string { return strconv.FormatFloat(v, 'f', decimals, 64) }
