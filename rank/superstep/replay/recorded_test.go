package replay_test

import (
	"path/filepath"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/superstep/replay"
)

// recordedRuns are runs of wego as they were recorded, and under which dilation.
func recordedRuns(t *testing.T) map[*report.Report]int64 {
	t.Helper()
	runs := map[*report.Report]int64{}
	for file, dilation := range map[string]int64{"wego-1x1.json": 1, "wego-4x1-f2.json": 2} {
		r, err := report.Open(filepath.Join("..", "..", "..", "bench", "simulate", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		runs[r] = dilation
	}
	return runs
}

// estimated are the costs that were expected of a recorded run's compiles. A third of one, mostly, is its front end.
func estimated(p *plan.Plan, recorded *report.Report) {
	for i := range p.Actions {
		if a := &p.Actions[i]; a.Kind == plan.Compile {
			a.Cost, a.Lead = recorded.Actions[i].Cost, recorded.Actions[i].Cost/3
		}
	}
	p.Priority = plan.BottomLevels(p)
}

// What root does in time, with estimates instead of durations and messages that take two milliseconds, is compared with
// a list schedule that knows every duration and waits for nobody, but holds nothing: runs of wego as they were recorded, on 2 to 16 ranks.
func TestRecordedRuns(t *testing.T) {
	sum, worst, runs := 0.0, 0.0, 0
	for recorded, dilation := range recordedRuns(t) {
		for _, n := range []int{2, 4, 8, 16} {
			p := recorded.Replan()
			p.Pipelined = false // nobody helps here
			ranks, slots := make([]schedule.Rank, n), make([]int, n)
			for i := range ranks {
				ranks[i].Slots, slots[i] = 1, 1
			}
			for i := range p.Actions {
				a := &p.Actions[i]
				a.Cost, a.Lead = a.Cost/dilation, a.Lead/dilation
			}
			took := recorded.Durations(p)
			best := schedule.Place(p, ranks, schedule.Network{})
			estimated(p, recorded)
			schedule.Place(p, ranks, schedule.Gigabit)
			end, err := replay.Run(p, took, slots, nil, superstep.Split, schedule.Network{Latency: 2000})
			if err != nil {
				t.Fatal(err)
			}
			ratio := float64(end) / float64(best)
			t.Logf("dilation %d on %d ranks: %.3f of the list schedule", dilation, n, ratio)
			sum, worst, runs = sum+ratio, max(worst, ratio), runs+1
		}
	}
	if mean := sum / float64(runs); mean > 0.97 || worst > 1.07 {
		t.Errorf("%.3f of the list schedule in the mean, %.3f at worst", mean, worst)
	}
}
