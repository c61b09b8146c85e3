package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Progress tells a waiting user how far the build is: on a terminal in one
// line that is updated, elsewhere in a plain line now and then. The zero of
// *Progress, nil, says nothing.
type Progress struct {
	out    io.Writer
	width  int // of the terminal; 0 for a log
	begun  time.Time
	last   time.Time // of the last line
	every  time.Duration
	active bool // a line is on the terminal
}

// NewProgress returns a Progress on out, or nil when it is to be quiet.
func NewProgress(out io.Writer, quiet bool, begun time.Time) *Progress {
	if quiet {
		return nil
	}
	p := &Progress{out: out, begun: begun, last: begun, every: 10 * time.Second} // a batch log is read afterwards
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			p.width = w
		}
		p.every = 100 * time.Millisecond // what an eye can follow
	}
	return p
}

// Done tells that a rank has executed an action; busy says how many each rank
// has at hand.
func (p *Progress) Done(rank int, pkg string, done, total int, busy []int) {
	if p == nil || time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("%d/%d  %s  busy %s  rank %d: %s", done, total, elapsed(time.Since(p.begun)), activity(busy), rank, pkg)
	if p.width == 0 {
		fmt.Fprintln(p.out, "distgo:", line)
		return
	}
	if len(line) >= p.width {
		line = line[:p.width-1]
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", line)
	p.active = true
}

// Say prints a line of its own.
func (p *Progress) Say(format string, args ...any) {
	if p == nil {
		return
	}
	p.Clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Clear takes the line off the terminal, so that something else can be printed.
func (p *Progress) Clear() {
	if p != nil && p.active {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.active = false
	}
}

// activity shows how many actions each rank has at hand: "2 2 1 0".
func activity(busy []int) string {
	words := make([]string, len(busy))
	for i, n := range busy {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, " ")
}

func elapsed(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
