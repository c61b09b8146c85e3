package bench

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/badbubble/distgo/bench/sample"
)

// progress shows how far an experiment is: a bar with the time left on a terminal, a line a sample elsewhere.
type progress struct {
	out      io.Writer
	bar      *progressbar.ProgressBar // nil elsewhere
	estimate *estimate
	turns    []Turn
	done     int
}

func newProgress(out io.Writer, turns []Turn, e *estimate) *progress {
	p := &progress{out: out, estimate: e, turns: turns}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(len(turns),
			progressbar.OptionSetWriter(out),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false), // its guess takes all samples for equal; ours is in the description
			progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionEnableColorCodes(false),
		)
	}
	return p
}

func (p *progress) guess(c sample.Cell) time.Duration { return p.estimate.of(c) }

func (p *progress) begin(t Turn) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s (repetition %d)%s", t.Cell, t.Repetition, p.left()))
	}
}

// left is the time left in words, "" while nobody knows.
func (p *progress) left() string {
	d := p.estimate.left(p.turns[p.done:])
	if d == 0 {
		return ""
	}
	return ", " + roughly(d) + " left"
}

// roughly is a duration in words, no more exact than a guess is.
func roughly(d time.Duration) string {
	if d > 10*time.Minute {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}

func (p *progress) taken(s *sample.Sample) {
	p.estimate.add(s)
	p.done++
	verdict := fmt.Sprintf("%.2f s", s.Seconds())
	if !s.Good() {
		verdict = "REFUSED: " + s.Refused
	}
	line := fmt.Sprintf("%d/%d  %s (repetition %d): %s", p.done, len(p.turns), s.Cell, s.Repetition, verdict)
	if p.bar == nil {
		fmt.Fprintln(p.out, line+p.left())
		return
	}
	if !s.Good() {
		_ = p.bar.Clear()
		fmt.Fprintln(p.out, line)
	}
	_ = p.bar.Add(1) // an error is the terminal's, and no reason to stop measuring
}

// end takes the bar away. It may be called again.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
