package figures

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// All draws what there is to draw of the campaigns, in the order of reading. With prototype the paper's curves lie
// underneath.
func All(campaigns []*Campaign, prototype bool) ([]*Figure, error) {
	var old []paperPoint
	if prototype {
		var err error
		if old, err = readPaper(paperText); err != nil {
			return nil, err
		}
	}
	var all []*Figure
	for _, c := range campaigns {
		figures, err := c.figures(old)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Program, err)
		}
		all = append(all, figures...)
	}
	return all, nil
}

func (c *Campaign) figures(old []paperPoint) (all []*Figure, err error) {
	add := func(f *Figure) {
		if f != nil {
			f.of = c
			all = append(all, f)
		}
	}
	for _, m := range measures {
		add(c.timeFigure(m, nil))
		if c.inPaper(old) {
			add(c.timeFigure(m, old)) // beside the one without, since theirs may dwarf ours
		}
	}
	add(c.speedupFigure())
	add(c.efficiencyFigure())
	add(c.baselineFigure())
	for _, b := range c.barriers() {
		g := c.largest(b)
		s := g.Middle()
		r, err := fullReport(s)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		add(c.ganttFigure(s, r))
		add(c.superstepFigure(s, r))
	}
	beyond, err := c.beyondFigure()
	if err != nil {
		return nil, err
	}
	add(beyond)
	return all, nil
}

// largest is distgo's cell of most cores in a mode, and of those the one of most nodes.
func (c *Campaign) largest(barrier string) (largest *sample.Group) {
	for _, n := range c.nodes() {
		for _, k := range c.cores() {
			g := c.Distgo(n, k, barrier)
			if g != nil && (largest == nil || n*k >= largest.Cell.Total()) {
				largest = g
			}
		}
	}
	return largest
}

// fullReport reads the report of a sample's run with its actions; nil when the file was not kept.
func fullReport(s *sample.Sample) (*report.Report, error) {
	if s.ReportFile == "" {
		return nil, nil
	}
	r, err := report.Open(s.ReportFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return r, err
}

// Write puts pictures into a directory, each as PNG and as SVG.
func Write(dir string, figures []*Figure) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range figures {
		for suffix, write := range map[string]func(io.Writer) error{".png": f.PNG, ".svg": f.SVG} {
			if err := WriteFile(filepath.Join(dir, f.Stem+suffix), write); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteFile makes a file of what write writes.
func WriteFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
