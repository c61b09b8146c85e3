package replay_test

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/superstep/replay"
)

// One rank takes ten times as long, and nobody knows beforehand. What that costs is compared with a world that has not
// got that rank: what is on it when it shows is lost, or nearly so, and the rest is not given to it.
func TestSlowRank(t *testing.T) {
	sum, worst, runs := 0.0, 0.0, 0
	for recorded, dilation := range recordedRuns(t) {
		run := func(n, slots int, times []float64) int64 {
			p := recorded.Replan()
			took := recorded.Durations(p)
			for i := range took {
				took[i] = took[i].Each(func(part int64) int64 { return part / dilation })
			}
			estimated(p, recorded)
			schedule.Help(p, slices.Repeat([]schedule.Rank{{Slots: slots}}, n), schedule.Gigabit)
			end, err := replay.Run(p, took, slices.Repeat([]int{slots}, n), times, superstep.Split, schedule.Network{Latency: 500, Bandwidth: 118})
			if err != nil {
				t.Fatal(err)
			}
			return end
		}
		for _, size := range [][2]int{{2, 1}, {4, 1}, {8, 1}, {4, 2}} {
			n, slots := size[0], size[1]
			equal := slices.Repeat([]float64{1}, n)
			if all, none := run(n, slots, equal), run(n, slots, nil); all != none {
				t.Errorf("dilation %d on %dx%d: %d where all are as fast, %d where nothing is said of that", dilation, n, slots, all, none)
			}
			without := run(n-1, slots, nil)
			for victim := 1; victim < n; victim++ {
				times := slices.Clone(equal)
				times[victim] = 10
				ratio := float64(run(n, slots, times)) / float64(without)
				t.Logf("dilation %d on %dx%d, rank %d is slow: %.3f of the world without it", dilation, n, slots, victim, ratio)
				sum, worst, runs = sum+ratio, max(worst, ratio), runs+1
			}
		}
	}
	// Were slow ranks not looked for, they would be 1.192 and 1.534.
	if mean := sum / float64(runs); mean > 1.13 || worst > 1.32 {
		t.Errorf("%.3f of the world without the slow rank in the mean, %.3f at worst", mean, worst)
	}
}
