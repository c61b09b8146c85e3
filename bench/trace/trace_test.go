package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/badbubble/distgo/rank/report"
)

func run() *report.Report {
	return &report.Report{
		Schema: report.Schema, Distgo: `distgo "x"`, Go: "go1.26", Barrier: "split",
		Ranks: []report.Rank{{Rank: 0, Host: "a", Slots: 2}, {Rank: 1, Host: "b", Slots: 1}},
		Actions: []report.Action{
			{ID: 1, Kind: "compile", Package: "runtime", Rank: 1, Slot: 0, Start: 0, Exported: 40, End: 100},
			{ID: 2, Kind: "compile", Package: "fmt", Rank: 0, Slot: 1, Group: 1, Start: 50, End: 80, Deps: []int32{1}},
			{
				ID: 4, Kind: "compile", Package: "os", Rank: 0, Slot: 0, Group: 1, Begun: 10, Paused: 18, BegunIn: 1, Start: 42, Exported: 50, End: 118, Deps: []int32{1, 5},
				Held: []report.Hold{{From: 60, To: 85, Slot: 1}, {From: 90, To: 118}},
			},
			{ID: 5, Kind: "compile", Package: "io", Rank: 1, Slot: 0, Start: 60, End: 70}, // as another rank's clock has it
			{ID: 3, Kind: "link", Package: "p", Rank: 0, Slot: 0, Group: 2, Start: 120, End: 150, Deps: []int32{1, 2, 4, 99}},
		},
		Shares: []report.Share{
			{Action: 1, Rank: 0, Slot: 0, Start: 20, End: 90, Taken: true}, {Action: 1, Rank: 0, Slot: 1, Start: 82, End: 100}, {Action: 99, Rank: 0},
		},
		Supers: []report.Superstep{{Superstep: 0, Notified: []int64{1, 100}, Committed: []int64{101, 101}}, {Superstep: 1, Notified: []int64{80, 100}, Committed: []int64{103, 104}}},
		Bound:  report.Bound{Path: []int32{1, 3}},
	}
}

// TestTrace reads the trace back as a viewer does.
func TestTrace(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, run()); err != nil {
		t.Fatal(err)
	}
	var read struct {
		TraceEvents []event
		OtherData   map[string]string
	}
	if err := json.Unmarshal(out.Bytes(), &read); err != nil {
		t.Fatalf("%v in\n%s", err, &out)
	}
	if read.OtherData["distgo"] != `distgo "x"` {
		t.Errorf("other data %v", read.OtherData)
	}
	phases := map[string]int{}
	starts := map[int]event{}
	for _, e := range read.TraceEvents {
		phases[e.Phase]++
		switch e.Phase {
		case "s":
			starts[e.ID] = e
			if !inSlice(read.TraceEvents, e) {
				t.Errorf("an arrow begins outside of any slice: %+v", e)
			}
		case "f":
			if from := starts[e.ID]; from.Phase != "s" || from.Time > e.Time || e.Bind != "e" {
				t.Errorf("an arrow from %+v to %+v", from, e)
			}
			if !inSlice(read.TraceEvents, e) {
				t.Errorf("an arrow ends outside of any slice: %+v", e)
			}
		}
	}
	// Five actions, one of them in three pieces, two front ends, a head start and two shares; arrows 1→2, 1→4, 5→4, 1→3, 2→3,
	// 4→3 and from the share that was taken; two supersteps on two ranks; two processes, three threads.
	for phase, want := range map[string]int{"X": 12, "s": 7, "f": 7, "b": 4, "e": 4, "M": 5} {
		if phases[phase] != want {
			t.Errorf("%d events %q, want %d", phases[phase], phase, want)
		}
	}
	if e := starts[1]; e.Time != 40 || e.Process != 1 {
		t.Errorf("fmt reads runtime's export data when it is out: %+v", e)
	}
	if e := starts[4]; e.Time != 99 {
		t.Errorf("the link reads runtime's object at its end: %+v", e)
	}
	if e := starts[6]; e.Time != 89 || e.Thread != 1 {
		t.Errorf("the link reads os's object when that had a slot last: %+v", e)
	}
}

// TestPieces: an action is shown when it had a slot, and where.
func TestPieces(t *testing.T) {
	got := ""
	for _, e := range slices(&run().Actions[2], false) {
		got += fmt.Sprintf("%s %d+%d in %d, ", e.Name, e.Time, *e.Duration, e.Thread)
	}
	if want := "os 10+8 in 1, head start 10+8 in 1, os 42+18 in 0, front end 42+8 in 0, os 85+5 in 1, "; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func inSlice(all []event, at event) bool {
	for _, e := range all {
		if e.Phase == "X" && e.Process == at.Process && e.Thread == at.Thread && e.Time <= at.Time && at.Time <= e.Time+*e.Duration {
			return true
		}
	}
	return false
}
