package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/bench/simulate"
)

// Contents are what a report says.
type Contents struct {
	Title     string
	Machines  []string
	Versions  []string
	Samples   int // that count
	Cells     int
	Worlds    []Compared // every world with a baseline of as many cores, the best first
	Programs  []Program
	Refused   []Count
	Notes     []Count // of samples, as measured
	Method    []string
	Torn      []string
	Emulated  bool
	Dilations []Dilation
}

// Compared is a world beside its baselines.
type Compared struct {
	Program, Where string
	Nodes, Cores   int
	Barrier        string
	Distgo         sample.Summary
	OneNode        sample.Summary // go build on one node of Cores
	AllCores       sample.Summary // go build on one node of Nodes×Cores
	Bound          sample.Summary
	Exchange       sample.Summary
	Bytes          sample.Summary
}

// Factor is how many times faster distgo was than go build with all the cores; 0 where that was not measured.
func (c Compared) Factor() float64 { return over(c.AllCores, c.Distgo) }

// FactorOfNode is the same against one node.
func (c Compared) FactorOfNode() float64 { return over(c.OneNode, c.Distgo) }

// Outcome of a world against go build with all the cores.
type Outcome string

// The outcomes. Even are worlds whose fastest and slowest builds lie among each other's.
const (
	Faster Outcome = "faster"
	Slower Outcome = "slower"
	Even   Outcome = "even"
)

// Outcome compares medians, unless the spreads overlap.
func (c Compared) Outcome() Outcome {
	switch {
	case c.Distgo.Greatest < c.AllCores.Least:
		return Faster
	case c.Distgo.Least > c.AllCores.Greatest:
		return Slower
	}
	return Even
}

func over(base, s sample.Summary) float64 {
	if base.N == 0 || s.N == 0 || s.Median == 0 {
		return 0
	}
	return base.Median / s.Median
}

// A Program is a program's part of the report.
type Program struct {
	Name, Where, Commit string
	Worlds              []Compared
	Graph               *sample.Graph // nil where nobody measured it
	Baselines           []Baseline
	Figures             []Picture
	Beyond              *Beyond // nil where no run was recorded that can be simulated
}

// Beyond is what a recorded run would take on larger worlds than were measured.
type Beyond struct {
	*simulate.Result
	Rows []simulate.Prediction
}

// Off is how far the simulation of the recorded world is from what was measured, in words.
func (b *Beyond) Off() string {
	percent, ok := b.Error()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", percent)
}

// newBeyond chooses rows: ranks of one core, and of sixteen as on DAS-5.
func newBeyond(r *simulate.Result) *Beyond {
	if r == nil {
		return nil
	}
	b := &Beyond{Result: r}
	for _, p := range r.Worlds {
		if p.Cores == 1 || p.Cores == 16 {
			b.Rows = append(b.Rows, p)
		}
	}
	return b
}

// A Baseline is go build on one node.
type Baseline struct {
	Cores   int
	Cache   string
	Time    sample.Summary
	Actions int
}

// A Picture is a figure, with what the page needs of it.
type Picture struct {
	Stem, Title string
	Figure      *figures.Figure
}

// A Count is how often something was said.
type Count struct {
	Text string
	N    int
}

// A Dilation is a cell that was measured under two factors: what the undilated parts are worth.
type Dilation struct {
	Cell          string
	Least, Other  float64 // factors
	First, Second sample.Summary
}

// Percent is by how much the second differs from the first.
func (d Dilation) Percent() float64 { return 100 * (d.Second.Median/d.First.Median - 1) }

// NewContents computes a report.
func NewContents(set *sample.Set, campaigns []*figures.Campaign, pictures []*figures.Figure) *Contents {
	good := set.Good()
	c := &Contents{Title: "distgo measured", Samples: len(good)}
	machines, versions := counter{}, counter{}
	for i := range good {
		s := &good[i]
		machines.add(fmt.Sprintf("%s: %s, %d cores, %.0f GB, Linux %s", s.Machine.Host, s.Machine.CPU, s.Machine.Cores, float64(s.Machine.Memory)/1e9, s.Machine.Kernel))
		versions.add(s.Go + ", " + s.Distgo)
		c.Emulated = c.Emulated || s.Launcher == "emulate"
	}
	c.Machines, c.Versions = machines.texts(), versions.texts()
	refused, notes := counter{}, counter{}
	for i := range set.Samples {
		s := &set.Samples[i]
		if !s.Good() {
			refused.add(s.Cell.String() + ": " + s.Refused)
		}
		for _, n := range s.Notes {
			notes.add(s.Cell.String() + ": " + n)
		}
	}
	c.Refused, c.Notes = refused.counts(), notes.counts()
	for _, torn := range set.Torn {
		c.Torn = append(c.Torn, torn.String())
	}
	for _, campaign := range campaigns {
		c.addProgram(campaign, pictures)
	}
	slices.SortStableFunc(c.Worlds, func(a, b Compared) int { return cmp.Compare(b.Factor(), a.Factor()) })
	c.Method = c.method()
	return c
}

func (c *Contents) addProgram(of *figures.Campaign, pictures []*figures.Figure) {
	where := of.Launcher
	if of.Net != "" {
		where += ", " + of.Net
	}
	if apart := of.Apart(); apart != "" {
		where += ", " + apart
	}
	p := Program{Name: of.Program, Where: where, Commit: of.Commit}
	for _, g := range of.Groups() {
		c.Cells++
		cell := g.Cell
		if cell.Builder == sample.GoBuild {
			p.Graph = cmp.Or(p.Graph, g.Samples[0].Graph)
			p.Baselines = append(p.Baselines, Baseline{cell.Cores, cell.Cache, g.Of(sample.Time), g.Samples[0].Planned})
			continue
		}
		w := Compared{
			Program: of.Program, Where: where, Nodes: cell.Nodes, Cores: cell.Cores, Barrier: cell.Barrier,
			Distgo: g.Of(sample.Time), Bound: g.Of(sample.Bound), Exchange: g.Of(sample.Exchange), Bytes: g.Of(sample.Bytes),
			OneNode:  timeOf(of.GoBuild(cell.Cores, sample.Cold)),
			AllCores: timeOf(of.GoBuild(cell.Total(), sample.Cold)),
		}
		p.Worlds = append(p.Worlds, w)
		if w.Factor() > 0 {
			c.Worlds = append(c.Worlds, w)
		}
	}
	for _, g := range of.Others {
		if first := of.Least(g.Cell); first != nil {
			c.Dilations = append(c.Dilations, Dilation{
				Cell: g.Cell.String(), Least: first.Cell.Dilation, Other: g.Cell.Dilation, First: timeOf(first), Second: timeOf(g),
			})
		}
	}
	for _, f := range pictures {
		if of.Owns(f) {
			p.Figures = append(p.Figures, Picture{f.Stem, f.Title, f})
		}
	}
	if beyond, err := of.Beyond(); err == nil { // drawing it has said what is wrong with its file
		p.Beyond = newBeyond(beyond)
	}
	c.Programs = append(c.Programs, p)
}

func timeOf(g *sample.Group) sample.Summary {
	if g == nil {
		return sample.Summary{}
	}
	return g.Of(sample.Time)
}

// Losses are the worlds in which distgo was slower, the worst first; Wins and Draws the others, the best first.
func (c *Contents) Losses() []Compared {
	lost := c.of(Slower)
	slices.Reverse(lost)
	return lost
}

// Wins are the worlds in which distgo was faster.
func (c *Contents) Wins() []Compared { return c.of(Faster) }

// Draws are the worlds in which nobody was.
func (c *Contents) Draws() []Compared { return c.of(Even) }

func (c *Contents) of(o Outcome) []Compared {
	return slices.DeleteFunc(slices.Clone(c.Worlds), func(w Compared) bool { return w.Outcome() != o })
}

// Verdict is the report in a sentence.
func (c *Contents) Verdict() string {
	if len(c.Worlds) == 0 {
		return "No world was measured beside go build on one node of as many cores, so nothing is said of who is faster."
	}
	wins, losses, draws := len(c.Wins()), len(c.Losses()), len(c.Draws())
	s := fmt.Sprintf("Against go build on one node that has all the world's cores, distgo was slower in %d of %d worlds, faster in %d, and within the spread in %d", losses, len(c.Worlds), wins, draws)
	for _, extreme := range []struct {
		how string
		w   Compared
	}{{"worst", c.Worlds[len(c.Worlds)-1]}, {"best", c.Worlds[0]}} {
		s += fmt.Sprintf("; at %s %.2f times as fast (%s, %d×%d, %s)", extreme.how, extreme.w.Factor(), extreme.w.Program, extreme.w.Nodes, extreme.w.Cores, extreme.w.Barrier)
	}
	return s + "."
}

func (c *Contents) method() []string {
	method := []string{
		"Every build compiles everything, std included, from empty caches; sources are in the page cache. distgo's pipelined compiler is made beforehand, once a toolchain.",
		"A sample counts only if its program equals go build's byte for byte (-trimpath -ldflags=-buildid=) and the commands that were run are those that were planned.",
		"Within a repetition all cells of a program follow each other, every second repetition backwards. Times are medians; spread is from the fastest to the slowest.",
		"The bound is the longest of the critical path and, for all times r and t, of r, t, and on P slots the work that cannot begin before r and that t or more must follow (with r = t = 0 it is W/P), after Fernandez and Bussell (1973), from the run's own durations.",
	}
	if c.Emulated {
		method = append(method, "Nodes are emulated: with dilation F everything on a node takes F times as long as on real cores, and times are divided by F. The nodes' disks are in memory. They, fork and exec, network latency and time-outs are not dilated, which makes dilated cells look faster than they are; on nodes of more than one core a thread is up to some milliseconds ahead of its core when it begins.")
	}
	return method
}

// counter counts what is said, in the order of its first time.
type counter struct {
	order []string
	n     map[string]int
}

func (c *counter) add(text string) {
	if c.n == nil {
		c.n = map[string]int{}
	}
	if c.n[text] == 0 {
		c.order = append(c.order, text)
	}
	c.n[text]++
}

func (c *counter) texts() []string { return c.order }

func (c *counter) counts() (counts []Count) {
	for _, text := range c.order {
		counts = append(counts, Count{text, c.n[text]})
	}
	return counts
}

// seconds prints a summary: the median, and the spread where there is one.
func seconds(s sample.Summary) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.2f", s.Median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Least, s.Greatest)
}

func factor(f float64) string {
	if f == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", f)
}

func megabytes(s sample.Summary) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", s.Median/1e6)
}

// shortCommit is a commit as people write it.
func shortCommit(commit string) string { return strings.ToLower(commit[:min(12, len(commit))]) }
