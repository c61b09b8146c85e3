package superstep

import (
	"math"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

const seconds = 1_000_000

// paced is what root knows of two ranks, or more that nothing is known of, with one slot each.
func paced(p *plan.Plan, size int, first, second pace) *Root {
	r := NewRoot(p, slices.Repeat([]int{1}, size), Split)
	r.paces.of[0].pace, r.paces.of[1].pace = first, second
	r.paces.all = pace{first.expected + second.expected, first.took + second.took}
	return r
}

// costing sets what actions are expected to take.
func costing(p *plan.Plan, costs ...int64) *plan.Plan {
	for a, cost := range costs {
		p.Actions[a].Cost, p.Actions[a].Lead = cost, cost
	}
	p.Priority = plan.BottomLevels(p)
	return p
}

var (
	sane   = pace{20 * evidence, 22 * evidence}
	slow   = pace{9 * evidence, 43 * evidence} // 4 times as long as that
	tenth  = pace{evidence, 10 * evidence}     // all are slow
	little = pace{evidence / 2, evidence / 2}
)

func TestTimes(t *testing.T) {
	p := smallPlan(t, 2, []plan.Rank{0}, nil)
	for name, c := range map[string]struct {
		own, others pace
		want        float64
	}{
		"nothing is known":         {pace{}, pace{}, 1},
		"nothing of the others":    {slow, little, 1},
		"nothing of this one":      {pace{}, sane, 1},
		"it is as the others":      {sane, sane, 1},
		"all take what they take":  {tenth, tenth, 1},
		"it is slow":               {slow, sane, 4},
		"it is, but of how little": {pace{evidence / 10, 44 * evidence / 100}, sane, 1.27},
		"it is fast":               {pace{9 * evidence, 33 * evidence / 10}, sane, 0.4},
	} {
		if got := paced(p, 2, c.own, c.others).Times(0); math.Abs(got-c.want) > 0.02 {
			t.Errorf("%s: %.2f times, expected %.2f", name, got, c.want)
		}
	}
}

// What runs much longer than it should tells of its rank before it ends: the front end, whose export data is not out yet,
// and then the back end. It tells nothing before, and nothing that a link takes does. When it has ended it tells that.
func TestTimesOfRunning(t *testing.T) {
	for _, c := range []struct {
		kind         plan.ActionKind
		led, elapsed int64 // in seconds; 0: it has not given out export data
		want         float64
	}{
		{plan.Compile, 0, 3, 1},     // a second of it may be that its inputs are on their way
		{plan.Compile, 0, 4, 3.61},  // 4 for 1, with a prior of 1 for as much as is evidence
		{plan.Link, 0, 40, 1},       // as it is for no rank
		{plan.Compile, 8, 10, 7.09}, // 8 for 1
		{plan.Compile, 8, 35, 3.46}, // 35 for 10
	} {
		p := costing(smallPlan(t, 2, []plan.Rank{0}, nil), 10*seconds)
		p.Actions[0].Kind, p.Actions[0].Lead = c.kind, seconds
		root := paced(p, 2, pace{}, pace{20 * seconds, 20 * seconds})
		root.Begin()
		root.Look(LookEvery)
		if c.led > 0 {
			root.Led(0, 0, c.led*seconds)
		}
		root.Look(c.elapsed * seconds)
		if got := root.Times(0); math.Abs(got-c.want) > 0.01 {
			t.Errorf("export data after %d s, %d s until now: %.2f times, expected %.2f", c.led, c.elapsed, got, c.want)
		}
		root.Took(0, 0, c.elapsed*seconds)
		if _, err := root.Done(0, 0, true); err != nil {
			t.Fatal(err)
		}
		once := (float64(c.elapsed*seconds) + evidence) / (10*seconds + evidence)
		if got := root.Times(0); math.Abs(got-once) > 0.01 {
			t.Errorf("it has ended after %d s: %.2f times, expected %.2f", c.elapsed, got, once)
		}
	}
}

// What was held is given up, and tells nothing of its rank; what took too long does.
func TestTimesOfGivenUp(t *testing.T) {
	for elapsed, want := range map[int64]float64{1: 1, 50: 4.94} {
		p := costing(smallPlan(t, 2, []plan.Rank{0}, nil), 10*seconds)
		root := paced(p, 2, pace{}, pace{20 * seconds, 20 * seconds})
		root.Begin()
		root.Look(LookEvery)
		root.Look(elapsed * seconds)
		if _, err := root.GaveUp(0, 0); err != nil {
			t.Fatal(err)
		}
		if got := root.Times(0); math.Abs(got-want) > 0.01 {
			t.Errorf("given up after %d of 10 s: %.2f times, expected %.2f", elapsed, got, want)
		}
	}
}

// Rank 0 executes something, and rank 1 idles.
func TestLate(t *testing.T) {
	for name, c := range map[string]struct {
		own, others   pace
		elapsed, cost int64
		want          bool
	}{
		"nothing is known":                       {pace{}, pace{}, 100 * seconds, seconds, false},
		"others have hardly begun":               {pace{}, little, 100 * seconds, seconds, false},
		"it has just begun":                      {sane, sane, 0, 10 * seconds, false},
		"it takes a little longer":               {sane, sane, 20 * seconds, 10 * seconds, false},
		"it takes much longer":                   {sane, sane, 40 * seconds, 10 * seconds, true},
		"it takes much longer, and is short":     {sane, sane, seconds, seconds / 100, false},
		"all take much longer than expected":     {tenth, tenth, 20 * seconds, seconds, false},
		"all are, and it is short":               {tenth, tenth, 5 * seconds, seconds / 100, false},
		"the rank is slow":                       {slow, sane, 0, 10 * seconds, true},
		"the rank is slow, and has nearly ended": {slow, sane, 35 * seconds, 10 * seconds, false},
		"the rank is slow, the action short":     {slow, sane, 0, sooner / 10, false},
		"the rank is a little slow":              {pace{9 * evidence, 12 * evidence}, sane, 0, 10 * seconds, false},
		"the rank is slower than others":         {pace{9 * evidence, 15 * evidence}, sane, 0, 10 * seconds, true},
	} {
		root := paced(costing(smallPlan(t, 2, []plan.Rank{0}, nil), c.cost), 2, c.own, c.others)
		root.Begin()
		root.Look(LookEvery) // has seen it
		o := root.Look(c.elapsed)
		if got := len(o.Repeat) > 0; got != c.want && c.elapsed > 0 || c.elapsed == 0 && root.late(0, 0) != c.want {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// Who is as slow does not relieve a rank.
func TestNotRelievedByAsSlow(t *testing.T) {
	for times, want := range map[float64]bool{1: true, 1.3: true, 1.7: false} {
		p := costing(smallPlan(t, 3, []plan.Rank{0, 1, 1}, nil, nil, nil), 10*seconds, 10*seconds, 10*seconds)
		root := NewRoot(p, []int{1, 1, 1}, Split)
		for rank, of := range []float64{1.5, 1, times} {
			root.paces.of[rank].pace = pace{100 * evidence, int64(100 * of * evidence)}
			root.paces.all.expected += 100 * evidence
			root.paces.all.took += int64(100 * of * evidence)
		}
		root.load[1] = []plan.ActionID{1, 2}
		if got := root.reliever(0) == 2; got != want {
			t.Errorf("rank 2 takes %.1f times as long: it relieves rank 0, which takes 1.5 times as long: %v", times, got)
		}
	}
}

// Where several are late, the one that most waits for is executed as well, by the rank that idles most, or is not slow.
func TestRelieves(t *testing.T) {
	p := costing(smallPlan(t, 3, []plan.Rank{0, 0, 0}, nil, nil, []plan.ActionID{1}), 10*seconds, 10*seconds, 10*seconds)
	root := NewRoot(p, []int{2, 1, 1}, Split)
	for range 3 {
		root.Took(0, 0, 40*seconds)
		root.Took(0, 1, 40*seconds)
	}
	for range 30 {
		root.Took(0, 2, 10*seconds)
	}
	o := root.Begin()
	if len(o.Repeat) != 1 || o.Repeat[0].Action != 1 || o.Repeat[0].To != 2 {
		t.Errorf("%+v; 2 waits for 1, and rank 1 is as slow as rank 0", o.Repeat)
	}
}

// What the end does not wait for may be a slow rank's, and only that is moved to one that idles.
func TestSuits(t *testing.T) {
	for cost, suits := range map[int64]bool{2 * seconds: true, 4 * seconds: false} {
		// 1 imports 0, and both take 10 s, which is more than all take on one slot and a quarter of one.
		p := costing(smallPlan(t, 2, []plan.Rank{1, 1, 1}, nil, []plan.ActionID{0}, nil), seconds, 9*seconds, cost)
		root := paced(p, 2, slow, sane)
		for a, want := range []bool{false, false, suits} {
			if got := root.suits(plan.ActionID(a), 0, root.remaining()); got != want {
				t.Errorf("%d suits a rank that takes 4 times as long: %v; %.1f s remain", a, got, root.remaining()/seconds)
			}
			if !root.suits(plan.ActionID(a), 1, root.remaining()) {
				t.Errorf("%d does not suit a rank like any other", a)
			}
		}
		o := root.Begin() // rank 0 idles, and 2 waits for 0 on rank 1
		if moved := slices.Equal(o.Yield, []Yield{{2, 1}}); moved != suits {
			t.Errorf("2 takes %d s, root moves %v", cost/seconds, o.Yield)
		}
	}
}

// What is given to another after a loss is given to who is through first.
func TestLightestIsFast(t *testing.T) {
	p := costing(smallPlan(t, 3, []plan.Rank{2, 1}, nil, nil), 10*seconds, 5*seconds)
	root := paced(p, 3, pace{}, slow)
	root.paces.all = pace{100 * seconds, 100 * seconds}
	if to := root.lightest([]int64{15 * seconds, 5 * seconds, 0}, 0); to != 2 {
		t.Errorf("rank %d, and rank 2 has nothing to do", to)
	}
	root.Lost(2)
	if to := root.lightest([]int64{15 * seconds, 5 * seconds, 0}, 0); to != 0 {
		t.Errorf("rank %d, which takes 20 s for what it has", to)
	}
}
