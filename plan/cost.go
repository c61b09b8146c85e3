package plan

import (
	"bytes"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// Rough costs in microseconds of one core, where nothing was measured yet. They
// order work, say which back ends are worth sharing, and are what ranks are judged
// slow by, beside each other.
//
// Of Go, they are fitted to the compiles of wego, gg and go-gin-example (930,
// go1.26.8), the long ones first: half of all are within a quarter of what they
// take. Code is what counts: tables, which some packages consist of, and comments
// are read and no more. Before, with bytes alone, runtime seemed twice as long
// beside net/http as it is, and uniseg's tables longer than both.
const (
	costStart    = 5_000 // starting a tool
	costImport   = 2_500 // reading one package's export data
	costPerKB    = 150   // reading Go
	costPerText  = 14    // reading a KB of a long literal
	costPerCode  = 2_200 // compiling a KB of what is in functions
	costPerFunc  = 500
	costPerKBAsm = 250
	costC        = 50_000 // a C file's headers, whatever its own size
	costPerKBC   = 2_500  // compiling C: 35 s for the 9 MB of sqlite3.c, on a slower machine
	costLinkObj  = 1_500  // linking, per object
)

// A Source is what tells of a file's cost.
type Source struct {
	Bytes int64
	Code  int64 // of those, what is inside functions and no comment, for Go
	Text  int64 // and what is in literals of many KB, which hold whole files
	Funcs int64
}

// Times is of a source that is so many times as large.
func (s Source) Times(n float64) Source {
	of := func(k int64) int64 { return int64(float64(k) * n) }
	return Source{Bytes: of(s.Bytes), Code: of(s.Code), Text: of(s.Text), Funcs: of(s.Funcs)}
}

// MeasureGo looks for functions as gofmt writes them, and for KBs without a line's
// end: no more than a hint is needed.
func MeasureGo(text []byte) Source {
	s := Source{Bytes: int64(len(text))}
	for kb := range slices.Chunk(text, 1<<10) {
		if len(kb) == 1<<10 && bytes.IndexByte(kb, '\n') < 0 {
			s.Text += int64(len(kb))
		}
	}
	for {
		_, rest, found := bytes.Cut(text, []byte("\nfunc "))
		if !found {
			return s
		}
		s.Funcs++
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		text = rest[len(line):]
		if bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte("(")) { // parameters have lines of their own
			if end := bytes.Index(text, []byte("\n)")); end >= 0 {
				line, _, _ = bytes.Cut(text[end+1:], []byte("\n"))
				text = text[end+1+len(line):]
			}
		}
		if !bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte("{")) {
			continue // it has one line, or no body
		}
		if end := bytes.Index(text, []byte("\n}")); end >= 0 {
			s.Code += int64(end) - comments(text[:end])
			text = text[end:]
		}
	}
}

// comments counts the bytes in comments to the end of the line.
func comments(code []byte) (n int64) {
	for {
		_, rest, found := bytes.Cut(code, []byte("// "))
		if !found {
			return n
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		n += int64(len("// ") + end)
		code = rest[end:]
	}
}

// estimate is what an action costs, and what of that is reading long literals,
// of which there is nothing left to do when the export data is ready.
func estimate(a *Action, measure func(path string) Source) (cost, text int64) {
	for i := range a.Steps {
		c := &a.Steps[i]
		if c.Op != transcript.Run {
			continue
		}
		switch toolName(c.Args[0]) {
		case "compile":
			s := sources(c, ".go", measure)
			text = s.Text * costPerText >> 10
			cost += costStart + int64(len(a.Inputs))*costImport + (s.Bytes-s.Text)*costPerKB>>10 + text + s.Code*costPerCode>>10 + s.Funcs*costPerFunc
		case "asm":
			cost += costStart + sources(c, ".s", measure).Bytes*costPerKBAsm>>10
		case "link":
			cost += costStart + int64(len(a.Inputs))*costLinkObj
		case "cgo":
			cost += costC
		default:
			cost += costC
			if isCCompile(c) {
				cost += sources(c, path.Ext(c.Args[len(c.Args)-1]), measure).Bytes * costPerKBC >> 10
			}
		}
	}
	return max(cost, costStart), text
}

// sources adds up what a command reads of a kind.
func sources(c *transcript.Command, ext string, measure func(path string) Source) (all Source) {
	for _, arg := range c.Args {
		if path.Ext(arg) != ext || strings.HasPrefix(arg, transcript.Work) {
			continue
		}
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(c.Dir, arg)
		}
		s := measure(arg)
		all.Bytes += s.Bytes
		all.Code += s.Code
		all.Text += s.Text
		all.Funcs += s.Funcs
	}
	return all
}

// frontEnd is the part of a compile that passes before its export data is
// ready, beside the tool's start: fitted to the same compiles.
const frontEnd = 0.25

// Bytes of an object for a microsecond of cost: 4.0 in wego, 3.9 in tdl, 5.3 in
// alist, where it is reading literals more.
const (
	objectPerCost = 4
	objectPerText = 18
)

// ObjectSize is how large the object of a compile is expected to be, in bytes.
func (a *Action) ObjectSize() int64 { return objectPerCost*(a.Cost-a.Text) + objectPerText*a.Text }

// Pipeline says that compiles hand out export data before their end.
func (p *Plan) Pipeline() {
	p.Pipelined = true
	for i := range p.Actions {
		if a := &p.Actions[i]; a.Kind == Compile {
			a.Lead = min(a.Cost, costStart+a.Text+int64(frontEnd*float64(a.Cost-a.Text)))
		}
	}
	p.Priority = BottomLevels(p)
}

// After is how long after its start an action has made an artifact, as
// estimated.
func (p *Plan) After(f *Artifact) int64 {
	a := &p.Actions[f.Producer]
	if f.Kind == Export {
		return a.Lead
	}
	return a.Cost
}

// BottomLevels gives each action the cost of the longest chain that starts
// with it: its own and its dependents', to the end of the build.
func BottomLevels(p *Plan) []int64 {
	level := make([]int64, len(p.Actions))
	for _, id := range slices.Backward(p.order()) {
		a := &p.Actions[id]
		level[id] = max(level[id], a.Cost) // dependents have raised it to their chains by now
		for _, in := range a.Inputs {
			f := &p.Artifacts[in]
			level[f.Producer] = max(level[f.Producer], p.After(f)+level[id])
		}
	}
	return level
}

// order lists the actions by group and, within one, by number.
func (p *Plan) order() []ActionID {
	order := make([]ActionID, len(p.Actions))
	for i := range order {
		order[i] = ActionID(i)
	}
	slices.SortStableFunc(order, func(a, b ActionID) int {
		return int(p.Actions[a].Group) - int(p.Actions[b].Group)
	})
	return order
}
