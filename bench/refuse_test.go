package bench

import (
	"strings"
	"testing"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

func goodSample() *sample.Sample {
	return &sample.Sample{
		Cell:       sample.Cell{Builder: sample.Distgo, Nodes: 2, Cores: 4, Barrier: "split", Cache: sample.Cold},
		Program256: "aaaa", Planned: 10, Ran: 10,
		Report: &report.Report{Outcome: "built", Barrier: "split", Size: 2, Ranks: []report.Rank{{Rank: 0, Slots: 4}, {Rank: 1, Slots: 4}}},
	}
}

func TestRefuse(t *testing.T) {
	if why := Refuse(goodSample(), "aaaa"); why != "" {
		t.Fatalf("a good sample is refused: %s", why)
	}
	for want, spoil := range map[string]func(*sample.Sample){
		"the program is not go build's":        func(s *sample.Sample) { s.Program256 = "bbbb" },
		"9 commands were run, 10 were planned": func(s *sample.Sample) { s.Ran = 9 },
		"nobody said":                          func(s *sample.Sample) { s.Planned, s.Ran = 0, 0 },
		"no report":                            func(s *sample.Sample) { s.Report = nil },
		"distgo reports: failed":               func(s *sample.Sample) { s.Report.Outcome = "failed" },
		"1 ranks":                              func(s *sample.Sample) { s.Report.Size = 1 },
		"(1 of them reported)":                 func(s *sample.Sample) { s.Report.Ranks = s.Report.Ranks[:1] },
		"barrier blocking where split":         func(s *sample.Sample) { s.Report.Barrier = "blocking" },
		"rank 1 had 8 slots, not 4":            func(s *sample.Sample) { s.Report.Ranks[1].Slots = 8 },
	} {
		s := goodSample()
		spoil(s)
		if why := Refuse(s, "aaaa"); !strings.Contains(why, want) {
			t.Errorf("%q, want %q", why, want)
		}
	}
}

func TestRefuseBaselines(t *testing.T) {
	s := &sample.Sample{Cell: sample.Cell{Builder: sample.GoBuild, Cache: sample.Cold}, Program256: "a", Planned: 74, Ran: 74}
	if why := Refuse(s, "a"); why != "" {
		t.Errorf("a cold build is refused: %s", why)
	}
	s.Ran = 1
	if why := Refuse(s, "a"); why == "" {
		t.Error("a build from a warm cache counts as cold")
	}
	s.Cache = sample.Warm
	if why := Refuse(s, "a"); why != "" {
		t.Errorf("a warm build is refused: %s", why)
	}
	s.Ran = 74
	if why := Refuse(s, "a"); why == "" {
		t.Error("a cold build counts as warm")
	}
}

func TestCheckUsage(t *testing.T) {
	r := &report.Report{Ranks: []report.Rank{
		{CPU: 900_000, OwnCPU: 60_000, Sent: []report.Bytes{{Bytes: 980_000}}}, {},
	}}
	near := []sample.Node{{CPU: 1_000_000, Out: 1_000_000}, {}}
	if notes := checkUsage(near, r); len(notes) != 0 {
		t.Errorf("within 5 %%: %v", notes)
	}
	far := []sample.Node{{CPU: 1_100_000, Out: 2_000_000}, {}}
	if notes := checkUsage(far, r); len(notes) != 2 || !strings.Contains(notes[0], "13 % apart") || !strings.Contains(notes[1], "51 % apart") {
		t.Errorf("beyond: %v", notes)
	}
	if notes := checkUsage(nil, r); notes != nil {
		t.Errorf("nothing was counted: %v", notes)
	}
}
