package replay

import (
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/superstep"
)

// build is a plan of compiles, and of a link that reads all their objects.
type build struct {
	plan.Plan
	took []Duration
}

// compile adds a compile that reads the export data of others.
func (b *build) compile(cost, lead int64, imports ...plan.ActionID) plan.ActionID {
	id := b.add(plan.Compile, cost, lead)
	for _, i := range imports {
		b.read(id, i, 0)
	}
	return id
}

func (b *build) add(kind plan.ActionKind, cost, lead int64) plan.ActionID {
	id := plan.ActionID(len(b.Actions))
	a := plan.Action{ID: id, Kind: kind, Cost: cost, Lead: lead}
	for _, f := range []plan.ArtifactKind{plan.Export, plan.Object} {
		out := plan.ArtifactID(len(b.Artifacts))
		a.Outputs = append(a.Outputs, out)
		b.Artifacts = append(b.Artifacts, plan.Artifact{ID: out, Kind: f, Producer: id})
	}
	b.Actions = append(b.Actions, a)
	b.took = append(b.took, Duration{cost, lead, lead * 2 / 5, lead * 3 / 5})
	return id
}

func (b *build) read(id, of plan.ActionID, output int) {
	f := b.Actions[of].Outputs[output]
	b.Actions[id].Inputs = append(b.Actions[id].Inputs, f)
	b.Actions[id].Group = max(b.Actions[id].Group, b.Actions[of].Group+1)
	b.Artifacts[f].Consumers = append(b.Artifacts[f].Consumers, id)
}

// link ends the build, with all on root.
func (b *build) link(cost int64) *build {
	id := b.add(plan.Link, cost, cost)
	for a := range id {
		b.read(id, a, 1)
	}
	b.Owner, b.Aside = make([]plan.Rank, len(b.Actions)), plan.MostAside
	b.Priority = plan.BottomLevels(&b.Plan)
	return b
}

// on places actions, in order; the link stays on root.
func (b *build) on(owner ...plan.Rank) *build {
	copy(b.Owner, owner)
	return b
}

// helped gives the first action helpers.
func (b *build) helped(by ...plan.Rank) *build {
	b.Pipelined, b.Helpers = true, make([][]plan.Rank, len(b.Actions))
	b.Helpers[0] = by
	return b
}

// late has an action take longer than it is expected to.
func (b *build) late(a plan.ActionID, took Duration) *build {
	b.took[a] = took
	return b
}

func run(t *testing.T, b *build, slots []int, network schedule.Network) int64 {
	t.Helper()
	end, err := Run(&b.Plan, b.took, slots, nil, superstep.Split, network)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// alone is one compile with a front end of 100 and a back end of 900, and its link.
func alone() *build {
	var b build
	b.compile(1000, 100)
	return b.link(10)
}

// beside is alone, with a compile of no back end that helpers do first.
func beside(cost int64) *build {
	var b build
	b.compile(1000, 100)
	b.compile(cost, cost)
	return b.link(10)
}

// following is a compile that imports another, which exports early.
func following() *build {
	var b build
	b.compile(1000, 100, b.compile(500, 50))
	return b.link(10)
}

// Helpers repeat the front end, and take 6/5 of their share; who waits for one compiles that share until it comes, and
// takes the rest of it, and the others, in a fifth of the time.
func TestRun(t *testing.T) {
	instant, slow := schedule.Network{}, schedule.Network{Latency: 7}
	two, three := []int{1, 1}, []int{1, 1, 1}
	for name, c := range map[string]struct {
		build    *build
		slots    []int
		network  schedule.Network
		makespan int64
	}{
		"nobody helps":                  {alone(), two, instant, 1010},
		"an object on its way":          {alone().on(1), two, slow, 1017},
		"one helps":                     {alone().helped(1), two, instant, 640 + 360/5 + 10},
		"a call and a share take time":  {alone().helped(1), two, slow, 654 + (450-104)/5 + 10},
		"two help":                      {alone().helped(1, 2), three, instant, 460 + 240/5 + 300/5 + 10},
		"a helper begins late":          {beside(300).on(0, 1).helped(1), two, instant, 940 + (1000-940)/5 + 10},
		"a helper is too late":          {beside(900).on(0, 1).helped(1), two, instant, 1010},
		"a helper has the action":       {alone().on(1).helped(0), two, instant, 640 + 360/5 + 10},
		"an import is on its way":       {following().on(0, 1), two, slow, 50 + 7 + 1000 + 7 + 10},
		"one idles, and is given more":  {beside(700), two, instant, 1010},
		"it takes longer than expected": {beside(700).late(0, Duration{Cost: 3000, Lead: 100}), two, instant, 3010},
		"a share is as long as it is":   {alone().helped(1).late(0, Duration{Cost: 1900, Lead: 100}), two, instant, 1180 + 720/5 + 10},
	} {
		if end := run(t, c.build, c.slots, c.network); end != c.makespan {
			t.Errorf("%s: %d, expected %d", name, end, c.makespan)
		}
	}
}

// Rank 1 takes ten times as long. What rank 0 idles beside, it executes as well, when that takes 1 s more than twice what
// it should, as at 2 s of 0.3 s, and at once when rank 1 is known to be slow. What rank 1 has not begun is not left to it.
func TestSlow(t *testing.T) {
	const second = 1_000_000
	begun := func() *build {
		var b build
		b.compile(second, second)
		b.compile(5*second, 5*second, b.compile(3*second/10, 3*second/10))
		return b.link(10).on(0, 1, 1)
	}
	waits := func() *build {
		var b build
		import_ := b.compile(5*second, 5*second, b.compile(second, second))
		b.compile(3*second, 3*second, import_)
		b.compile(3*second/10, 3*second/10)
		return b.link(10).on(0, 0, 1, 1)
	}
	for name, c := range map[string]struct {
		build    *build
		makespan int64
	}{
		"begun":     {begun(), 2*second + 3*second/10 + 5*second + 10},
		"not begun": {waits(), 9*second + 10},
	} {
		end, err := Run(&c.build.Plan, c.build.took, []int{1, 1}, []float64{1, 10}, superstep.Split, schedule.Network{})
		if err != nil || end != c.makespan {
			t.Errorf("%s: %d, %v, expected %d", name, end, err, c.makespan)
		}
	}
}

// What the scheduler expects of helpers is what becomes of them, while all takes as long as it expects. Where one imports
// another it may be sooner: the scheduler knows nothing of head starts and of what is held.
func TestAsExpected(t *testing.T) {
	for name, build := range map[string]func() *build{"alone": alone, "following": following} {
		for _, n := range []int{1, 2, 3, 5, 8} {
			b := build()
			b.Pipelined = true
			ranks, slots := make([]schedule.Rank, n), make([]int, n)
			for i := range ranks {
				ranks[i].Slots, slots[i] = 1, 1
			}
			expected, end := schedule.Help(&b.Plan, ranks, schedule.Network{}), run(t, b, slots, schedule.Network{})
			if end > expected || end < expected && name == "alone" {
				t.Errorf("%s on %d ranks: %d, the scheduler expects %d", name, n, end, expected)
			}
		}
	}
}

// A back end of 900 is held from 100 on while what is more urgent takes 300, and goes on at 400 while rank 1 executes what
// waited for that. Is it not held, rank 1 executes both, from 350 on.
func TestHold(t *testing.T) {
	for aside, want := range map[int]int64{24: 100 + 300 + 2000 + 10, 0: 350 + 300 + 2000 + 10} {
		var b build
		second := b.compile(300, 300, b.compile(1000, 100))
		b.compile(2000, 2000, second)
		b.compile(350, 350)
		b.link(10).on(0, 0, 1, 1)
		b.Aside = aside
		if end := run(t, &b, []int{1, 1}, schedule.Network{}); end != want {
			t.Errorf("%d may be held: %d, expected %d", aside, end, want)
		}
	}
}

// Rank 0 holds a back end of 400 behind something of 2000, and would come to it at 2100. Rank 1 idles from 600 on, and is
// through with all of the action at 1100.
func TestStuck(t *testing.T) {
	var b build
	b.compile(500, 100)
	b.compile(2000, 2000)
	b.compile(600, 600)
	b.link(10).on(0, 0, 1)
	b.Priority[0], b.Priority[1] = 5000, 4000
	if end := run(t, &b, []int{1, 1}, schedule.Network{}); end != 100+2000+10 {
		t.Errorf("%d, expected 2110", end)
	}
}

// Behind blocking barriers nobody helps, and who is through waits for who is not, and to hear of it.
func TestBlocking(t *testing.T) {
	b := beside(300).helped(1).on(0, 1)
	b.Actions[0].Group, b.Actions[2].Group = 1, 2 // an empty group of rank 0's, first
	end, err := Run(&b.Plan, b.took, []int{1, 1}, nil, superstep.Blocking, schedule.Network{Latency: 7})
	if want := int64(300 + 7 + 1000 + 10); err != nil || end != want {
		t.Errorf("%d, %v; expected %d", end, err, want)
	}
}

func TestRefuses(t *testing.T) {
	b := alone()
	b.Actions[0].Inputs = []plan.ArtifactID{b.Actions[1].Outputs[0]} // a cycle
	b.Artifacts[b.Actions[1].Outputs[0]].Consumers = []plan.ActionID{0}
	if _, err := Run(&b.Plan, b.took, []int{1}, nil, superstep.Split, schedule.Network{}); err == nil || !strings.Contains(err.Error(), "2 of 2 actions wait") {
		t.Errorf("%v of a cycle", err)
	}
}
