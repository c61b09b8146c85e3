package stage

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Bar shows on a terminal how much of what is under way has been done. A nil Bar shows nothing. Its methods may be called
// from any goroutine.
type Bar struct {
	w     io.Writer
	begun time.Time

	mu          sync.Mutex // guards what follows
	want, done  int64      // bytes, on all hosts together
	files       int
	drawn       time.Time
	drewAnother bool
}

// redraw is how often at most the bar is drawn.
const redraw = 200 * time.Millisecond

// NewBar returns a bar that is drawn on w, a terminal.
func NewBar(w io.Writer) *Bar { return &Bar{w: w, begun: time.Now()} }

func (b *Bar) expect(bytes int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want += bytes
}

func (b *Bar) add(bytes int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += bytes
	b.files++
	if now := time.Now(); now.Sub(b.drawn) >= redraw {
		b.drawn = now
		b.draw()
	}
}

func (b *Bar) draw() {
	const width = 30
	filled := width
	if b.want > 0 {
		filled = int(min(b.done, b.want) * width / b.want)
	}
	seconds := time.Since(b.begun).Seconds()
	fmt.Fprintf(b.w, "\r[%s%s] %.1f of %.1f MB, %d files, %.0f MB/s ", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
		float64(b.done)/1e6, float64(b.want)/1e6, b.files, float64(b.done)/1e6/max(seconds, 0.001))
	b.drewAnother = true
}

// Clear takes the bar off the terminal.
func (b *Bar) Clear() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drewAnother {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", 78))
		b.drewAnother = false
	}
}
