package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// An Experiment measures a matrix into a file.
type Experiment struct {
	Matrix      Matrix
	Launcher    Launcher
	Repetitions int
	Flags       []string      // for go build, on both sides
	Options     []string      // further ones of distgo, named by the matrix's Variant
	File        string        // of samples
	Resume      bool          // go on with a file that holds samples
	Limit       time.Duration // for one build
	StopAfter   time.Duration // no sample is begun that would likely end later; 0 is no limit
	Exe         string        // distgo
	Version     string        // its version
	Out         io.Writer     // what happens, for people: a bar if it is a terminal

	prepare func(context.Context, *Program) (reference string, err error) // for tests, in refer's place
}

// Left counts the samples that the file does not hold yet, and guesses how long they take; 0 means that nobody knows.
// Cells that do not fit are none.
func (e *Experiment) Left(ctx context.Context) (samples int, takes time.Duration, err error) {
	cells, _ := e.Matrix.Cells(e.Launcher)
	held, _, err := sample.Read(e.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, config("%v", err)
	}
	turns := Remaining(Turns(cells, e.Repetitions), held)
	return len(turns), e.estimate(ctx, held).left(turns), nil
}

// estimate asks the go command of programs that nothing is known of.
func (e *Experiment) estimate(ctx context.Context, held []sample.Sample) *estimate {
	packages := map[string]int{}
	for i := range e.Matrix.Programs {
		p := &e.Matrix.Programs[i]
		if !slices.ContainsFunc(held, func(s sample.Sample) bool { return s.Program == p.Name }) {
			packages[p.Name] = countPackages(ctx, p)
		}
	}
	return newEstimate(held, packages)
}

// Run takes the samples that the file does not hold yet.
func (e *Experiment) Run(ctx context.Context) (err error) {
	begin := time.Now()
	cells, unfit := e.Matrix.Cells(e.Launcher)
	for _, why := range unfit {
		fmt.Fprintln(e.Out, why)
	}
	measurable := slices.ContainsFunc(cells, func(c sample.Cell) bool { return c.Builder == sample.Distgo })
	if len(cells) == 0 || len(e.Matrix.Shapes) > 0 && !measurable {
		return config("no world of this matrix fits, see above for each: measure smaller ones, or on another machine (--through)")
	}
	if err := os.MkdirAll(filepath.Dir(e.File), 0o755); err != nil {
		return err
	}
	w, held, torn, err := sample.Append(e.File)
	if err != nil {
		return config("%v", err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if torn != nil {
		fmt.Fprintf(e.Out, "%s, and the cut one is measured again\n", torn)
	}
	if len(held) > 0 && !e.Resume {
		return config("%s holds %d samples: --resume goes on with them, or name another file", e.File, len(held))
	}
	turns := Remaining(Turns(cells, e.Repetitions), held)
	if len(turns) == 0 {
		fmt.Fprintf(e.Out, "%s is complete: %d cells, %d repetitions\n", e.File, len(cells), e.Repetitions)
		return nil
	}
	o, err := newObserver(ctx, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.work)) }()
	if err := o.sameTools(held); err != nil {
		return err
	}

	guess := e.estimate(ctx, held)
	if d := guess.left(turns); d > 0 {
		fmt.Fprintf(e.Out, "%d samples are to be taken, in about %s\n", len(turns), roughly(d))
	}
	p := newProgress(e.Out, turns, guess)
	defer p.end()
	refused := 0
	for i, turn := range turns {
		if e.StopAfter > 0 && time.Since(begin)+p.guess(turn.Cell) > e.StopAfter {
			p.end()
			fmt.Fprintf(e.Out, "stopped in time for %s with %d of %d samples left: --resume takes them\n", e.StopAfter, len(turns)-i, len(turns))
			return nil
		}
		p.begin(turn)
		s, err := o.take(ctx, turn)
		if err != nil {
			return fmt.Errorf("%s, repetition %d: %w", turn.Cell, turn.Repetition, err)
		}
		if err := w.Write(s); err != nil {
			return err
		}
		if !s.Good() {
			refused++
		}
		p.taken(s)
	}
	p.end()
	fmt.Fprintf(e.Out, "%d samples are in %s\n", len(turns), e.File)
	if refused > 0 {
		return fmt.Errorf("%d of %d samples are refused and count for nothing, see \"refused\" in their lines; --resume takes them again", refused, len(turns))
	}
	return nil
}

// An observer takes samples of an experiment.
type observer struct {
	e         *Experiment
	prepare   func(context.Context, *Program) error
	machine   sample.Machine
	programs  map[string]*Program
	goVersion map[string]string // by program
	reference map[string]string // digests of go build's programs, as they become known
	kept      map[string]string // directories of the pipelined compilers, likewise
	graphs    map[string]*sample.Graph
	work      string // directory of what is being built
	reports   string // directory of the reports
}

func newObserver(ctx context.Context, e *Experiment) (*observer, error) {
	file, err := filepath.Abs(e.File)
	if err != nil {
		return nil, err
	}
	stem := strings.TrimSuffix(file, ".jsonl")
	o := &observer{
		e: e, machine: thisMachine(), programs: map[string]*Program{}, goVersion: map[string]string{},
		reference: map[string]string{}, kept: map[string]string{}, graphs: map[string]*sample.Graph{}, work: stem + ".work", reports: stem + ".reports",
	}
	o.prepare = o.refer
	if e.prepare != nil {
		o.prepare = func(ctx context.Context, p *Program) (err error) {
			o.reference[p.Name], err = e.prepare(ctx, p)
			return err
		}
	}
	if err := errors.Join(os.MkdirAll(o.work, 0o755), os.MkdirAll(o.reports, 0o755)); err != nil {
		return nil, err
	}
	for i := range e.Matrix.Programs {
		p := &e.Matrix.Programs[i]
		if o.programs[p.Name] != nil {
			return nil, config("two programs are called %s", p.Name)
		}
		o.programs[p.Name] = p
		if o.goVersion[p.Name], err = goVersion(ctx, p); err != nil {
			return nil, err
		}
		if p.Changed {
			fmt.Fprintf(e.Out, "%s: the checkout has changes that its commit does not name\n", p.Name)
		}
	}
	return o, nil
}

// sameTools refuses to go on with samples of other tools: their medians would be of two things.
func (o *observer) sameTools(held []sample.Sample) error {
	for i := range held {
		s := &held[i]
		if v := o.goVersion[s.Program]; v != "" && s.Go != v {
			return config("%s holds samples of %s with %s, and this is %s: name another file", o.e.File, s.Program, s.Go, v)
		}
		if s.Distgo != o.e.Version {
			return config("%s holds samples of %s, and this is %s: name another file", o.e.File, s.Distgo, o.e.Version)
		}
	}
	return nil
}

// take measures once.
func (o *observer) take(ctx context.Context, turn Turn) (*sample.Sample, error) {
	p := o.programs[turn.Cell.Program]
	if o.reference[p.Name] == "" {
		if err := o.prepare(ctx, p); err != nil {
			return nil, err
		}
	}
	work, err := os.MkdirTemp(o.work, "build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	t := &Task{Cell: turn.Cell, Program: p, Exe: o.e.Exe, Flags: o.e.Flags, Options: o.e.Options, Kept: o.kept[p.Name], Work: work, Limit: o.e.Limit}
	s := &sample.Sample{
		Schema: sample.Schema, Cell: turn.Cell, Repetition: turn.Repetition, Start: time.Now().UTC().Truncate(time.Millisecond),
		Go: o.goVersion[p.Name], Distgo: o.e.Version, Machine: o.machine,
	}
	r, err := o.e.Launcher.Launch(ctx, t)
	if err != nil {
		return nil, err
	}
	s.Elapsed, s.Clock, s.CPU, s.Usage, s.Notes = r.Elapsed.Microseconds(), r.Clock, r.CPU.Microseconds(), r.Usage, r.Notes
	if s.Refused = r.Failed; s.Refused != "" {
		return s, nil
	}
	if s.Program256, err = digest(t.program()); err != nil {
		s.Refused = "there is no program: " + err.Error()
		return s, nil
	}
	if err := o.account(t, s); err != nil {
		s.Refused = err.Error()
		return s, nil
	}
	s.Refused = Refuse(s, o.reference[p.Name])
	return s, nil
}

// account completes a sample from what the builder wrote of its work.
func (o *observer) account(t *Task, s *sample.Sample) (err error) {
	if s.Builder == sample.GoBuild {
		s.Graph = o.graphs[s.Program]
		s.Planned, s.Ran, err = countActions(t.graph())
		return err
	}
	r, err := report.Open(t.report())
	if err != nil {
		return err
	}
	s.Planned, s.Ran = r.Planned, r.Commands()
	s.Notes = append(s.Notes, checkUsage(s.Usage, r)...)
	if s.Clock == sample.ClockRoot {
		s.Elapsed, s.CPU = r.Wall, 0
		for i := range r.Ranks {
			s.CPU += r.Ranks[i].CPU + r.Ranks[i].OwnCPU + r.Ranks[i].OtherCPU
		}
	}
	kept := filepath.Join(o.reports, reportName(s))
	if err := r.Write(kept); err != nil {
		return err
	}
	r.Actions = nil
	s.Report, s.ReportFile = r, filepath.Join(filepath.Base(o.reports), filepath.Base(kept))
	return nil
}

// inName is what a character of a file's name becomes.
func inName(c rune) rune {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("._-", c):
		return c
	}
	return '_'
}

// reportName is unlike that of any other sample's report in the same file.
func reportName(s *sample.Sample) string {
	name := fmt.Sprintf("%s-%s-%dx%d-%s-f%.4g", s.Program, s.Launcher, s.Nodes, s.Cores, s.Barrier, s.Dilation)
	for _, further := range []string{s.Commit[:min(len(s.Commit), 12)], s.Net, s.Slow, s.Variant} {
		if further != "" {
			name += "-" + strings.Map(inName, further)
		}
	}
	return fmt.Sprintf("%s-%d.json", name, s.Repetition)
}
