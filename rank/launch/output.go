package launch

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Output says where the ranks' output goes.
type Output struct {
	Stdin          *os.File  // rank 0's; nil and terminals are not passed on, as rank 0 is not in the terminal's foreground
	Stdout, Stderr io.Writer // nil discards; an *os.File is handed to the ranks as it is
	Label          bool      // begin every line with the rank, "3: text", and never mix two lines
}

// maxLine bounds what is held back of a line that does not end.
const maxLine = 64 << 10

type outputs struct {
	Output
	mu *sync.Mutex // one writes at a time, be it on Stdout or Stderr: both may be the same terminal
}

func newOutputs(o Output) outputs { return outputs{o, new(sync.Mutex)} }

// of returns where a rank reads and writes, and what to call when it has ended. stdin is nil for none.
func (o outputs) of(rank int) (stdin *os.File, stdout, stderr io.Writer, flush func()) {
	if rank == 0 && o.Stdin != nil && !term.IsTerminal(int(o.Stdin.Fd())) {
		stdin = o.Stdin
	}
	if o.Label {
		prefix := fmt.Appendf(nil, "%d: ", rank)
		out := &labeller{outputs: o, to: o.Stdout, prefix: prefix}
		err := &labeller{outputs: o, to: o.Stderr, prefix: prefix}
		return stdin, out, err, func() { out.flush(); err.flush() }
	}
	return stdin, o.plain(o.Stdout), o.plain(o.Stderr), func() {}
}

func (o outputs) plain(w io.Writer) io.Writer {
	if _, file := w.(*os.File); file || w == nil {
		return w
	}
	return &locked{o, w}
}

// locked makes a writer safe for several ranks.
type locked struct {
	outputs
	to io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// labeller puts the rank before every line of one stream of one rank.
type labeller struct {
	outputs
	to     io.Writer
	prefix []byte
	line   []byte // begun and not ended
}

func (l *labeller) Write(b []byte) (int, error) {
	var ready []byte
	for part := range bytes.Lines(b) {
		l.line = append(l.line, part...)
		if part[len(part)-1] == '\n' || len(l.line) >= maxLine {
			ready = l.take(ready)
		}
	}
	return len(b), l.emit(ready)
}

// take moves the line to the end of ready, labelled and ended.
func (l *labeller) take(ready []byte) []byte {
	ready = append(append(ready, l.prefix...), l.line...)
	if ready[len(ready)-1] != '\n' {
		ready = append(ready, '\n')
	}
	l.line = l.line[:0]
	return ready
}

func (l *labeller) flush() {
	if len(l.line) > 0 {
		_ = l.emit(l.take(nil)) // nobody is left to hear of it
	}
}

func (l *labeller) emit(b []byte) error {
	if len(b) == 0 || l.to == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.to.Write(b)
	return err
}
