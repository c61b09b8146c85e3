package figures

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// oneRun is a run of two ranks under dilation 2.
func oneRun() *report.Report {
	return &report.Report{
		Schema: report.Schema, Barrier: "blocking", Size: 2, Compiler: "pipelined",
		Ranks: []report.Rank{{Rank: 1, Slots: 2}, {Rank: 0, Slots: 1}},
		Actions: []report.Action{
			{ID: 1, Kind: "compile", Package: "runtime", Group: 0, Rank: 0, Slot: 0, Start: 0, Exported: 1e6, End: 4e6, Held: []report.Hold{{From: 2e6, To: 3e6}}},
			{ID: 2, Kind: "compile", Package: "plain/sub", Group: 0, Rank: 1, Slot: 1, Start: 0, End: 2e6},
			{ID: 3, Kind: "compile", Package: "example.com/m", Group: 1, Rank: 1, Slot: 0, Start: 5e6, End: 6e6, Begun: 3e6, Paused: 35e5, BegunIn: 1},
			{ID: 4, Kind: "link", Package: "plain", Group: 2, Rank: 0, Slot: 0, Start: 7e6, End: 8e6},
			{ID: 5, Kind: "compile", Package: "lost", Rank: 7},
		},
		Shares: []report.Share{{Action: 1, Rank: 1, Slot: 0, Start: 1e6, End: 2e6, Taken: true}, {Action: 1, Rank: 1, Slot: 1, Start: 3e6, End: 4e6}, {Action: 1, Rank: 9}},
		Seconds: []report.Second{
			{Action: 2, Rank: 0, Slot: 0, Start: 4e6, End: 5e6}, {Action: 2, Rank: 1, Slot: 0, Start: 2e6, End: 3e6, Relief: true},
			{Action: 3, Rank: 1, Slot: 1, Start: 8e6, End: 9e6, Trouble: "no space"},
		},
		Supers: []report.Superstep{
			{Superstep: 0, Actions: 2, Execute: []int64{3e6, 2e6}, Notified: []int64{4e6, 3e6}, Committed: []int64{5e6, 5e6}},
			{Superstep: 1, Actions: 1, Execute: []int64{0, 1e6}, Notified: []int64{5e6, 6e6}, Committed: []int64{7e6, 7e6}},
			{Superstep: 2, Actions: 1, Execute: []int64{1e6, 0}, Notified: []int64{8e6, 7e6}, Committed: []int64{8e6, 9e6}},
		},
		Bound: report.Bound{Path: []int32{1, 4}, Lower: 5e6},
	}
}

func TestChart(t *testing.T) {
	ch := newChart(oneRun(), 2)
	if strings.Join(ch.rows, " ") != "rank 0 1.0 1.1" || len(ch.bars) != 11 || ch.end != 4.5 { // which is a second execution's
		t.Fatalf("chart %+v", ch)
	}
	for i, want := range []bar{
		{row: 0, start: 0, ready: 0.5, end: 1, kind: kindStd, name: "runtime", critical: true},
		{row: 0, start: 1.5, ready: 1.5, end: 2, kind: kindStd, name: "runtime", critical: true}, // it was held
		{row: 2, start: 0, ready: 1, end: 1, kind: kindModules, name: "plain/sub"},               // the program's own, though without a dot
		{row: 2, start: 1.5, ready: 1.75, end: 1.75, kind: kindModules, name: "example.com/m", ahead: true},
		{row: 1, start: 2.5, ready: 3, end: 3, kind: kindModules, name: "example.com/m"},
		{row: 0, start: 3.5, ready: 4, end: 4, kind: kindLink, name: "plain", critical: true},
		{row: 1, start: 0.5, ready: 1, end: 1, kind: kindShare, name: "runtime"},
		{row: 2, start: 1.5, ready: 1.5, end: 2, kind: kindShare, name: "runtime"}, // in vain
		{row: 0, start: 2, ready: 2.5, end: 2.5, kind: kindSecond, name: "plain/sub"},
		{row: 1, start: 1, ready: 1, end: 1.5, kind: kindSecond, name: "plain/sub"},     // who was slow was first
		{row: 2, start: 4, ready: 4, end: 4.5, kind: kindSecond, name: "example.com/m"}, // nothing to compare
	} {
		if ch.bars[i] != want {
			t.Errorf("bar %d: %+v, want %+v", i, ch.bars[i], want)
		}
	}
	if len(ch.commits) != 2 || len(ch.commits[1]) != 3 || ch.commits[1][2] != 4.5 {
		t.Errorf("commits %v", ch.commits)
	}
}

// TestSteps: in blocking mode what a superstep consists of adds up to the time between its commits.
func TestSteps(t *testing.T) {
	r := oneRun()
	r.Ranks[0], r.Ranks[1] = r.Ranks[1], r.Ranks[0] // as reports have them
	all := steps(r, 2)
	if len(all) != 3 {
		t.Fatalf("%d supersteps", len(all))
	}
	s := all[0]
	// Rank 0: 1.5 s of executing, 0.5 in the barrier, 0.5 idle. Rank 1, two slots: 0.5 s of executing a slot, 1 in the barrier, 1 idle.
	if s.begin != 0 || s.executed != 2 || s.committed != 2.5 || s.execute != 1 || s.barrier != 0.75 || s.idle != 0.75 {
		t.Errorf("superstep 0: %+v", s)
	}
	if sum := s.total(true); sum != 2.5 {
		t.Errorf("superstep 0 lasts %g", sum)
	}
}

// pictures are all kinds, of two programs.
func pictures(t *testing.T) []*Figure {
	t.Helper()
	samples := measured("alist", []int{1, 2, 4, 8}, []int{1, 2})
	for i := range samples {
		if samples[i].Builder == sample.GoBuild && samples[i].Cores == 1 {
			warm := samples[i]
			warm.Cache, warm.Elapsed = sample.Warm, warm.Elapsed/10
			samples = append(samples, warm)
		}
	}
	file := filepath.Join(t.TempDir(), "run.json")
	if err := oneRun().Write(file); err != nil {
		t.Fatal(err)
	}
	for i := range samples {
		if samples[i].Builder == sample.Distgo {
			samples[i].ReportFile = file
		}
	}
	all, err := All(Campaigns(append(samples, measured("mine", []int{1}, []int{1})...)), true)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var zero = regexp.MustCompile(`>0(\.0+)?<`)

func TestPictures(t *testing.T) {
	all := pictures(t)
	stems := map[string]bool{}
	for _, f := range all {
		if stems[f.Stem] {
			t.Errorf("two pictures are called %s", f.Stem)
		}
		stems[f.Stem] = true
		var a, b, p bytes.Buffer
		if err := errors.Join(f.SVG(&a), f.SVG(&b), f.PNG(&p)); err != nil {
			t.Fatalf("%s: %v", f.Stem, err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: two drawings differ", f.Stem)
		}
		wellFormed(t, f.Stem, a.Bytes())
		for _, bad := range []string{"NaN", "Inf"} {
			if bytes.Contains(a.Bytes(), []byte(bad)) {
				t.Errorf("%s: %s in the SVG", f.Stem, bad)
			}
		}
		if !zero.Match(a.Bytes()) {
			t.Errorf("%s: no axis begins at zero", f.Stem)
		}
		if c, err := png.DecodeConfig(&p); err != nil || c.Width < 500 || c.Height < 200 {
			t.Errorf("%s: PNG %+v, %v", f.Stem, c, err)
		}
	}
	for _, want := range []string{
		"alist-emulate-time", "alist-emulate-time-paper", "alist-emulate-exchange", "alist-emulate-distribute", "alist-emulate-speedup",
		"alist-emulate-efficiency", "alist-emulate-gobuild", "alist-emulate-gantt-8x2-split", "alist-emulate-supersteps-8x2-blocking",
		"mine-emulate-time",
	} {
		if !stems[want] {
			t.Errorf("no picture %s", want)
		}
	}
	if stems["mine-emulate-time-paper"] {
		t.Error("the prototype was measured with a program that it never saw")
	}
}

func wellFormed(t *testing.T, stem string, text []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", stem, err)
		}
	}
}

func TestMissingReport(t *testing.T) {
	s := &sample.Sample{ReportFile: filepath.Join(t.TempDir(), "none.json")}
	if r, err := fullReport(s); r != nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
	s.ReportFile = filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(s.ReportFile, []byte(`{"schema":99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fullReport(s); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("%v", err)
	}
}
