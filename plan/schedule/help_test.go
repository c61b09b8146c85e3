package schedule

import (
	"reflect"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
)

// tail is a program that ends with a package whose back end takes most of the time; others keep their ranks busy until then.
func tail(lead, cost int64, others ...int64) *plan.Plan {
	var b builder
	all := []plan.ActionID{b.compile(cost, lead)}
	for _, c := range others {
		all = append(all, b.compile(c, c))
	}
	b.link(10, all...)
	p := b.plan()
	p.Pipelined = true
	return p
}

// A back end that the link waits for is divided, where that pays. A helper is ready after the front end and 6/5 of its
// share; who waits has begun with the last share by then, and takes the rest of it, and the others, in a fifth of the time.
func TestHelp(t *testing.T) {
	bytes := func(p *plan.Plan, n int64) *plan.Plan {
		p.Artifacts[p.Actions[0].Outputs[1]].Size = n
		return p
	}
	var b builder
	first := b.compile(350, 100)
	b.link(10, first, b.compile(1000, 100, first), b.compile(1000, 100)) // one ends after 1000, the other after 1100
	sideBySide := b.plan()
	sideBySide.Pipelined = true
	stock := tail(100, 1000)
	stock.Pipelined = false
	for name, c := range map[string]struct {
		plan     *plan.Plan
		ranks    []Rank
		network  Network
		makespan int64
		helpers  int
	}{
		"one rank":                          {tail(100, 1000), ranks(4), instant, 1010, 0},
		"two":                               {tail(100, 1000), ranks(1, 1), instant, 640 + 360/5 + 10, 1},
		"four":                              {tail(100, 1000), ranks(1, 1, 1, 1), instant, 370 + 180/5 + 2*225/5 + 10, 3},
		"more than there may be shares":     {tail(200, 1000), make([]Rank, 20), instant, 320 + 80/5 + 6*100/5 + 10, 7},
		"others are busy":                   {tail(100, 1000, 1000, 1000), ranks(1, 1, 1), instant, 1010, 0},
		"others are busy at first":          {tail(100, 1000, 300), ranks(1, 1), instant, 0, 1},
		"the stock compiler":                {stock, ranks(1, 1), instant, 1010, 0},
		"there is hardly a back end":        {tail(995, 1000), ranks(1, 1), instant, 1010, 0},
		"no back end":                       {tail(1000, 1000), ranks(1, 1), instant, 1010, 0},
		"shares take as long to travel":     {bytes(tail(100, 1000), 200_000), ranks(1, 1), Network{Bandwidth: 100}, 1010, 0},
		"a helper is slow":                  {tail(100, 1000), []Rank{{Slots: 1}, {Slots: 1, Speed: 0.1}}, instant, 1010, 0},
		"two back ends, one as long":        {tail(100, 1000, 950), ranks(1, 1, 1), instant, 0, 1},
		"two back ends, which end together": {both(1000), ranks(1, 1, 1, 1, 1, 1), instant, 460 + 240/5 + 300/5 + 10, 4},
		"two, and to help one costs more":   {sideBySide, ranks(1, 1, 1, 1), instant, 878, 2},
	} {
		t.Run(name, func(t *testing.T) {
			makespan := Help(c.plan, c.ranks, c.network)
			if err := c.plan.Validate(len(c.ranks)); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, of := range c.plan.Helpers {
				n += len(of)
			}
			if c.makespan > 0 && makespan != c.makespan || n != c.helpers {
				t.Errorf("it takes %d with helpers %v, expected %d and %d of them", makespan, c.plan.Helpers, c.makespan, c.helpers)
			}
			if c.helpers == 0 && c.plan.Helpers != nil {
				t.Errorf("helpers of nothing: %v", c.plan.Helpers)
			}
		})
	}
}

// both is two packages with equal back ends, which have to be helped both.
func both(cost int64) *plan.Plan {
	var b builder
	b.link(10, b.compile(cost, 100), b.compile(cost, 100))
	p := b.plan()
	p.Pipelined = true
	return p
}

// A share that comes late is compiled by the owner, as far as it is not there.
func TestNobodyWaitsForAShare(t *testing.T) {
	for name, c := range map[string]struct {
		arrive []int64 // of shares 1 and up; fewer came to a helper
		end    int64
	}{
		"all in time":        {[]int64{90, 100, 100}, 160},
		"none":               {nil, 400},
		"one of three":       {[]int64{50}, 320},
		"while it compiles":  {[]int64{150, 160, 170}, 216}, // 30 of the last, and the two others
		"too late":           {[]int64{1000, 1000, 1000}, 400},
		"the second in time": {[]int64{1000, 100, 1000}, 320},
	} {
		p := tail(0, 400)
		s := newSimulation(p, ranks(1, 1, 1, 1), instant, map[plan.ActionID]int{0: 4})
		s.divided[0].arrive = c.arrive
		s.gather(0, 100)
		if end := s.running[0].at; end != c.end {
			t.Errorf("%s: it ends at %d, expected %d", name, end, c.end)
		}
	}
}

// Whatever the plan: helpers never make it longer, are what a plan may have, and are the same each time.
func TestHelpIsSafe(t *testing.T) {
	helped := 0
	for seed := range uint64(60) {
		for _, slots := range [][]int{{1}, {1, 1}, {2, 1, 1}, {1, 1, 1, 1, 4}, {1, 1, 1, 1, 1, 1, 1, 1}} {
			var before *plan.Plan
			for range 2 {
				p := random(seed, 1+int(seed)*2)
				p.Pipelined = true
				alone := Place(p, ranks(slots...), Gigabit)
				if with := Help(p, ranks(slots...), Gigabit); with > alone {
					t.Errorf("seed %d, slots %v: %d µs with helpers, %d without", seed, slots, with, alone)
				}
				if err := p.Validate(len(slots)); err != nil {
					t.Fatalf("seed %d, slots %v: %v", seed, slots, err)
				}
				if before != nil && !reflect.DeepEqual(before, p) {
					t.Fatalf("seed %d, slots %v: placed on %v with helpers %v, then on %v with helpers %v", seed, slots, before.Owner, before.Helpers, p.Owner, p.Helpers)
				}
				before = p
			}
			if before.Helpers != nil {
				helped++
			}
		}
	}
	if helped < 20 {
		t.Errorf("%d of 300 builds had helpers", helped)
	}
}

// BenchmarkHelp is BenchmarkPlace with a search for helpers that goes on to its bound, under the same limit for both together.
func BenchmarkHelp(b *testing.B) {
	p := random(1, 3000)
	p.Pipelined = true
	for i := range 20 { // back ends that the end waits for, one after the other
		a := &p.Actions[2999-i]
		a.Cost, a.Lead = int64(60_000_000+i*10_000), 1_000_000
	}
	p.Priority = plan.BottomLevels(p)
	all := make([]Rank, 64)
	for i := range all {
		all[i].Slots = 1
	}
	for b.Loop() {
		Help(p, all, Gigabit)
	}
	if p.Helpers == nil {
		b.Error("nobody helps")
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 300*time.Millisecond {
		b.Errorf("placing took %s, more than 0.3 s", each)
	}
}
