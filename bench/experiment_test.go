package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// fake is a launcher that writes what builds leave, without building.
type fake struct {
	Local
	launched []string
	program  string                   // what is built
	spoil    func(*Task, *Result)     // or nil
	fail     func(launched int) error // or nil
}

func (f *fake) Launch(ctx context.Context, t *Task) (*Result, error) {
	f.launched = append(f.launched, t.Cell.String())
	if f.fail != nil {
		if err := f.fail(len(f.launched)); err != nil {
			return nil, err
		}
	}
	if entries, err := os.ReadDir(t.Work); err != nil || len(entries) != 0 {
		return nil, errors.New("the work directory is not empty")
	}
	write := func(path string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o644)
	}
	r := &Result{Elapsed: time.Duration(len(f.launched)) * time.Second, Clock: sample.ClockCommand}
	if f.spoil != nil {
		f.spoil(t, r)
	}
	err := os.WriteFile(t.program(), []byte(f.program), 0o755)
	if t.Cell.Builder == sample.GoBuild {
		return r, errors.Join(err, write(t.graph(), []graphAction{{"link", "p", []string{"link"}}}))
	}
	of := report.Report{Schema: report.Schema, Outcome: "built", Barrier: t.Cell.Barrier, Size: t.Cell.Nodes, Planned: t.Cell.Nodes, Actions: []report.Action{{ID: 1}}}
	for rank := range t.Cell.Nodes {
		of.Ranks = append(of.Ranks, report.Rank{Rank: rank, Slots: t.Cell.Cores, Commands: 1})
	}
	return r, errors.Join(err, write(t.report(), of))
}

func experimentOf(t *testing.T, f *fake) (*Experiment, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module p\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f.Cores, f.program = 2, "program"
	return &Experiment{
		Matrix:   Matrix{Programs: []Program{{Name: "p", Dir: dir, Main: "."}}, Shapes: []Shape{{1, 1}, {2, 1}}, Barriers: []string{"split"}, Baselines: true},
		Launcher: f, Repetitions: 2, File: filepath.Join(t.TempDir(), "results", "s.jsonl"), Limit: time.Minute, Version: "test", Out: &out,
		prepare: func(context.Context, *Program) (string, error) {
			path := filepath.Join(t.TempDir(), "reference")
			return digestOf(path, "program")
		},
	}, &out
}

func digestOf(path, text string) (string, error) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", err
	}
	return digest(path)
}

func TestExperiment(t *testing.T) {
	f := &fake{}
	e, out := experimentOf(t, f)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	samples, torn, err := sample.Read(e.File)
	if err != nil || torn != nil || len(samples) != 8 {
		t.Fatalf("%d samples, %v, %v\n%s", len(samples), torn, err, out)
	}
	for _, s := range samples {
		if !s.Good() {
			t.Errorf("%s is refused: %s", s.Cell, s.Refused)
		}
		if s.Builder == sample.Distgo {
			kept := filepath.Join(filepath.Dir(e.File), s.ReportFile)
			full, err := os.Open(kept)
			if err != nil {
				t.Fatal(err)
			}
			r, err := report.Read(full)
			full.Close()
			if err != nil || len(r.Actions) != 1 || s.Report.Actions != nil {
				t.Errorf("the report of %s: %v, %v", s.Cell, r, err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(e.File), "*.work")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// Once more, without leave and with it.
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "holds 8 samples: --resume") {
		t.Errorf("over held samples: %v", err)
	}
	e.Resume = true
	if err := e.Run(t.Context()); err != nil || len(f.launched) != 8 || !strings.Contains(out.String(), "is complete") {
		t.Errorf("%v, %d builds, said\n%s", err, len(f.launched), out)
	}
	e.Version = "another"
	e.Repetitions = 3
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "holds samples of test, and this is another") {
		t.Errorf("another distgo: %v", err)
	}
}

func TestResumeAfterBreak(t *testing.T) {
	broken := errors.New("the machine is on fire")
	f := &fake{fail: func(n int) error {
		if n == 4 {
			return broken
		}
		return nil
	}}
	e, _ := experimentOf(t, f)
	if err := e.Run(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("%v", err)
	}
	if left, _, err := e.Left(t.Context()); err != nil || left != 5 {
		t.Errorf("%d left, %v", left, err)
	}
	// And the last sample was cut off, as by a full disk.
	text, err := os.ReadFile(e.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.File, text[:len(text)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	e.Resume = true
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if samples, torn, err := sample.Read(e.File); err != nil || torn != nil || len(samples) != 8 {
		t.Errorf("%d samples, %v, %v", len(samples), torn, err)
	}
	if left, _, err := e.Left(t.Context()); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
}

func TestRefusedSamplesAreKeptAndTakenAgain(t *testing.T) {
	f := &fake{}
	e, out := experimentOf(t, f)
	f.program = "another program"
	e.Repetitions = 1
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "4 of 4 samples are refused") {
		t.Fatal(err)
	}
	set, err := sample.Load([]string{e.File})
	if err != nil || len(set.Samples) != 4 || len(set.Good()) != 0 {
		t.Fatalf("%+v, %v", set, err)
	}
	if !strings.Contains(out.String(), "REFUSED") {
		t.Errorf("said\n%s", out)
	}
	if _, err := Load([]string{e.File}, out); err == nil || !strings.Contains(err.Error(), "no sample that counts") {
		t.Errorf("loading refused samples: %v", err)
	}
	f.program, e.Resume = "program", true
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if set, err = sample.Load([]string{e.File}); err != nil || len(set.Samples) != 8 || len(set.Good()) != 4 {
		t.Errorf("%+v, %v", set, err)
	}
}

func TestFailedBuildIsARefusedSample(t *testing.T) {
	f := &fake{spoil: func(task *Task, r *Result) {
		if task.Cell.Builder == sample.Distgo {
			r.Failed = "exit status 3: distgo: rank 1 is gone"
		}
	}}
	e, _ := experimentOf(t, f)
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "4 of 8 samples are refused") {
		t.Fatal(err)
	}
	set, err := sample.Load([]string{e.File})
	if err != nil || len(set.Good()) != 4 || len(set.Samples) != 8 {
		t.Fatalf("%d of %d, %v", len(set.Good()), len(set.Samples), err)
	}
}

func TestNothingFits(t *testing.T) {
	f := &fake{}
	e, out := experimentOf(t, f)
	e.Matrix.Shapes = []Shape{{8, 1}}
	err := e.Run(t.Context())
	if _, ok := errors.AsType[*Config](err); !ok || !strings.Contains(err.Error(), "no world of this matrix fits") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out.String(), "8 cores do not fit this machine's 2") {
		t.Errorf("said\n%s", out)
	}
	if _, err := os.Stat(e.File); err == nil {
		t.Error("a sample file was made for nothing")
	}
}

func TestStopAfter(t *testing.T) {
	f := &fake{}
	e, out := experimentOf(t, f)
	// The fake's builds claim to take 1, 2, 3 … seconds; the clock hardly moves.
	e.StopAfter = 2500 * time.Millisecond
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	samples, _, err := sample.Read(e.File)
	if err != nil || len(samples) == 0 || len(samples) == 8 || !strings.Contains(out.String(), "stopped in time") {
		t.Errorf("%d samples, %v, said\n%s", len(samples), err, out)
	}
}

func TestEstimate(t *testing.T) {
	a, b := sample.Cell{Program: "a", Nodes: 1, Cores: 1, Dilation: 1, Cache: sample.Cold}, sample.Cell{Program: "a", Nodes: 2, Cores: 1, Dilation: 1, Cache: sample.Cold}
	slow := sample.Cell{Program: "a", Nodes: 16, Cores: 1, Dilation: 8, Cache: sample.Cold}
	other := sample.Cell{Program: "b", Nodes: 1, Cores: 1, Dilation: 1}
	e := newEstimate(nil, map[string]int{"a": 100})
	if e.left([]Turn{{other, 1}}) != 0 {
		t.Error("something is known of nothing")
	}
	for _, c := range []struct {
		cell sample.Cell
		want time.Duration
	}{{a, 18 * time.Second}, {b, 9 * time.Second}, {slow, 36 * time.Second}} {
		if got := e.of(c.cell); got != c.want {
			t.Errorf("by its packages %s takes %s, expected %s", c.cell, got, c.want)
		}
	}
	for _, s := range []sample.Sample{{Cell: a, Elapsed: 10e6, CPU: 12e6}, {Cell: a, Elapsed: 20e6, CPU: 20e6}} {
		e.add(&s)
	}
	if got := e.left([]Turn{{a, 3}, {b, 2}, {slow, 1}}); got != (15+8+32)*time.Second+3*around {
		t.Errorf("%s left", got)
	}
	if e.left([]Turn{{a, 3}, {other, 1}}) != 0 {
		t.Error("a sum of what is known and what is not")
	}
}

func TestSaysHowLongItTakes(t *testing.T) {
	f := &fake{spoil: func(_ *Task, r *Result) { r.CPU = time.Minute }}
	e, out := experimentOf(t, f)
	e.Repetitions = 1
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.Repetitions, e.Resume = 101, true
	left, takes, err := e.Left(t.Context())
	if err != nil || left != 400 || takes < 400*time.Second {
		t.Errorf("%d left in %s, %v", left, takes, err)
	}
	e.Repetitions = 2
	if err := e.Run(t.Context()); err != nil || !strings.Contains(out.String(), "4 samples are to be taken, in about 18s") {
		t.Errorf("%v, said\n%s", err, out)
	}
}

func TestCompare(t *testing.T) {
	of := func(seconds ...int64) *sample.Set {
		set := &sample.Set{}
		for i, v := range seconds {
			set.Samples = append(set.Samples, sample.Sample{Cell: sample.Cell{Program: "p", Nodes: 1, Cores: i + 1, Dilation: 1}, Elapsed: v * 1e6, CPU: 2 * v * 1e6})
		}
		return set
	}
	var out bytes.Buffer
	if err := Compare(of(100, 100), of(106, 95, 3), 7, &out); err != nil || !strings.Contains(out.String(), "+6.0 %  +0.0 %") {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := Compare(of(100, 100), of(108, 95), 7, &out); err == nil || !strings.Contains(err.Error(), "1 of 2 medians") {
		t.Errorf("%v\n%s", err, &out)
	}
	if err := Compare(of(), of(1), 7, &out); err == nil {
		t.Error("nothing is like nothing")
	}
}

// TestReportName: samples of one file that differ in anything have reports of different names.
func TestReportName(t *testing.T) {
	names := map[string]sample.Sample{}
	base := sample.Cell{Program: "p", Commit: "0123456789abcdef", Nodes: 4, Cores: 1, Barrier: "split", Launcher: "emulate", Dilation: 2, Net: "1gbit"}
	for _, change := range []func(*sample.Sample){
		func(*sample.Sample) {},
		func(s *sample.Sample) { s.Repetition = 2 },
		func(s *sample.Sample) { s.Commit = "" },
		func(s *sample.Sample) { s.Commit = "fedcba9876543210" },
		func(s *sample.Sample) { s.Net = "100mbit" },
		func(s *sample.Sample) { s.Slow = "2:3" },
		func(s *sample.Sample) { s.Slow = "1:3" },
		func(s *sample.Sample) { s.Variant = "stock" },
	} {
		s := sample.Sample{Cell: base, Repetition: 1}
		change(&s)
		name := reportName(&s)
		if before, taken := names[name]; taken || strings.ContainsAny(name, "/: ") {
			t.Errorf("%s is the report of %+v and %+v", name, before, s)
		}
		names[name] = s
	}
}
