package simulate

import (
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
)

// recorded are runs of wego as they were, on a cluster of one core a node.
var recorded = []struct {
	file     string
	dilation float64
	world    World
}{
	{"wego-1x1.json", 1, World{1, 1}},
	{"wego-4x1-f2.json", 2, World{4, 1}},
	{"wego-8x1-f4.json", 4, World{8, 1}},
}

func read(t *testing.T, name string) *report.Report {
	t.Helper()
	r, err := report.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func simulated(t *testing.T, r *report.Report, dilation float64, ranks, cores []int) *Result {
	t.Helper()
	result, err := Run(r, dilation, schedule.Gigabit, ranks, cores)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestRecordedWorld: what was recorded is predicted within a tenth, though nothing is fitted.
func TestRecordedWorld(t *testing.T) {
	for _, c := range recorded {
		r := simulated(t, read(t, c.file), c.dilation, []int{c.world.Ranks}, []int{c.world.Cores})
		percent, ok := r.Error()
		if !ok || r.Recorded != c.world || math.Abs(percent) > 10 {
			t.Errorf("%s: recorded on %s, predicted %+.1f %% from %.2f s", c.file, r.Recorded, percent, r.Measured)
		}
	}
}

// TestOtherWorld: so is the world of twice the ranks, where more helpers help, though its nodes' cores are slower.
func TestOtherWorld(t *testing.T) {
	half, whole := read(t, "wego-4x1-f2.json"), read(t, "wego-8x1-f4.json")
	p, ok := simulated(t, half, 2, []int{8}, []int{1}).At(World{8, 1})
	if measured := float64(whole.Wall) / 4 / 1e6; !ok || math.Abs(p.Seconds/measured-1) > 0.1 {
		t.Errorf("predicted %.2f s on %s, measured %.2f", p.Seconds, p.World, measured)
	}
}

// TestInvariants: no prediction beats its bound, and none is worse than list scheduling can be: work over slots, the
// longest chain, and each of its links once over the network.
func TestInvariants(t *testing.T) {
	for _, c := range recorded {
		r := simulated(t, read(t, c.file), c.dilation, PowersOfTwo(64), []int{1, 2, 16})
		if len(r.Worlds) != 7*3 {
			t.Fatalf("%d worlds", len(r.Worlds))
		}
		for _, p := range r.Worlds {
			if p.Seconds < p.Bound-1e-3 {
				t.Errorf("%s on %s: %.3f s is less than the bound %.3f", c.file, p.World, p.Seconds, p.Bound)
			}
			slots := float64(p.Ranks * p.Cores)
			if most := r.Before + r.Work/slots + 2*r.Chain + 1; p.Seconds > most {
				t.Errorf("%s on %s: %.3f s is more than %.3f", c.file, p.World, p.Seconds, most)
			}
			low := r.Before + r.Work/slots
			if p.Ranks == 1 { // nobody helps
				low = math.Max(low, r.Before+r.Chain)
			}
			if p.Bound < low-1e-3 {
				t.Errorf("%s on %s: the bound %.3f is less than %.3f", c.file, p.World, p.Bound, low)
			}
		}
	}
}

// TestMaking: the making of the compiler, which is once, is neither in what is predicted nor in what that is compared with.
func TestMaking(t *testing.T) {
	r, first := read(t, "wego-1x1.json"), read(t, "wego-1x1.json")
	const making = 60e6
	first.Making, first.Plan, first.Wall = making, first.Plan+making, first.Wall+making
	ranks, cores := []int{1, 8}, []int{1, 2}
	if got, want := simulated(t, first, 1, ranks, cores), simulated(t, r, 1, ranks, cores); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, and without the making %+v", got, want)
	}
}

// TestWhatBinds goes from a world that is all work to one that is all critical path; where each rank has one core and few
// of them help, what is left of chains of front ends is up to the order.
func TestWhatBinds(t *testing.T) {
	r := simulated(t, read(t, "wego-1x1.json"), 1, []int{1, MostRanks}, []int{1, MostCores})
	for world, want := range map[World]Binding{{1, 1}: Work, {1024, 1}: Schedule, {1, 64}: Chain} {
		if p, ok := r.At(world); !ok || p.Binds != want {
			t.Errorf("%s: %q binds, expected %q", world, p.Binds, want)
		}
	}
	if len(r.Path) < 5 || !slices.Contains(r.Path, "runtime") {
		t.Errorf("the critical path is %v", r.Path)
	}
	slow, err := Run(read(t, "wego-1x1.json"), 1, schedule.Network{Latency: 200, Bandwidth: 0.1}, []int{8}, []int{1})
	if err != nil || slow.Worlds[0].Binds != Transfer {
		t.Errorf("over a network of 100 kB/s: %+v, %v", slow, err)
	}
	late := read(t, "wego-1x1.json")
	late.Plan = 100e6
	if p, _ := simulated(t, late, 1, []int{64}, []int{1}).At(World{64, 1}); p.Binds != Planning {
		t.Errorf("after 100 s of planning %q binds", p.Binds)
	}
}

// TestDilation: the same run under twice the factor is half as long, but for the network, which is undilated.
func TestDilation(t *testing.T) {
	r := read(t, "wego-1x1.json")
	for i := range r.Actions { // that a tenth of each was done ahead, and that it was held then, is no matter
		a := &r.Actions[i]
		a.Begun, a.Paused = a.Start, a.Start+(a.End-a.Start)/10
		a.Start = a.Paused
		a.Held = []report.Hold{{From: a.End, To: a.End + 1e6}}
		a.End += 1e6
	}
	free := schedule.Network{}
	one, err := Run(r, 1, free, []int{1, 4}, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	two, err := Run(r, 2, free, []int{1, 4}, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range one.Worlds {
		if a, b := one.Worlds[i].Seconds, two.Worlds[i].Seconds; math.Abs(a/b-2) > 0.01 {
			t.Errorf("%s: %.2f s, and %.2f under dilation 2", one.Worlds[i].World, a, b)
		}
	}
}

func TestDoesNotChangeTheReport(t *testing.T) {
	r := read(t, "wego-4x1-f2.json")
	before := r.Actions[3]
	first := simulated(t, r, 2, []int{1, 4}, []int{1, 2})
	again := simulated(t, r, 2, []int{1, 4}, []int{1, 2})
	if r.Actions[3].Start != before.Start || r.Actions[3].End != before.End || r.Actions[3].Exported != before.Exported {
		t.Errorf("action 3 was %+v, is %+v", before, r.Actions[3])
	}
	for i := range first.Worlds {
		if first.Worlds[i] != again.Worlds[i] {
			t.Errorf("%+v, then %+v", first.Worlds[i], again.Worlds[i])
		}
	}
}

func TestRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*report.Report){
		"built nothing":         func(r *report.Report) { r.Outcome = "failed" },
		"no actions":            func(r *report.Report) { r.Actions = nil },
		"record one with -a":    func(r *report.Report) { r.Actions[1].Cached = true },
		"dilation 0 is less th": nil,
	} {
		r, dilation := read(t, "wego-1x1.json"), 1.0
		if spoil == nil {
			dilation = 0
		} else {
			spoil(r)
		}
		if _, err := Run(r, dilation, schedule.Gigabit, []int{1}, []int{1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func TestPath(t *testing.T) {
	packages := strings.Fields("a b c d e f g h i j k l m n")
	for n, want := range map[int]string{3: "a, b, c", 14: "… 2 packages, c, d, e, f, g, h, i, j, k, l, m, n"} {
		if got := path(packages[:n]); got != want {
			t.Errorf("%d packages: %q", n, got)
		}
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	if err := simulated(t, read(t, "wego-4x1-f2.json"), 2, []int{4, 512, MostRanks}, []int{1, MostCores}).Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"recorded on 4×1: 6.18 s", "simulated", "the critical path: ", "runtime, github.com/schachmat/wego", "ranks  cores  predicted, s", "  1024     64"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
