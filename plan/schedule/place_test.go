package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
)

// builder makes plans in a line or two.
type builder struct{ p plan.Plan }

// compile adds a package that imports others, and returns its number.
func (b *builder) compile(cost, lead int64, imports ...plan.ActionID) plan.ActionID {
	a := plan.Action{ID: plan.ActionID(len(b.p.Actions)), Kind: plan.Compile, Cost: cost, Lead: lead}
	for _, d := range imports {
		b.reads(&a, b.p.Actions[d].Outputs[0])
	}
	for _, kind := range []plan.ArtifactKind{plan.Export, plan.Object} {
		f := plan.Artifact{ID: plan.ArtifactID(len(b.p.Artifacts)), Kind: kind, Path: fmt.Sprintf("b%d/%d", a.ID, kind), Producer: a.ID}
		b.p.Artifacts = append(b.p.Artifacts, f)
		a.Outputs = append(a.Outputs, f.ID)
	}
	b.p.Actions = append(b.p.Actions, a)
	return a.ID
}

// link adds a program of packages.
func (b *builder) link(cost int64, of ...plan.ActionID) plan.ActionID {
	a := plan.Action{ID: plan.ActionID(len(b.p.Actions)), Kind: plan.Link, Cost: cost, Lead: cost}
	for _, d := range of {
		b.reads(&a, b.p.Actions[d].Outputs[1])
	}
	b.p.Actions = append(b.p.Actions, a)
	return a.ID
}

func (b *builder) reads(a *plan.Action, f plan.ArtifactID) {
	a.Inputs = append(a.Inputs, f)
	b.p.Artifacts[f].Consumers = append(b.p.Artifacts[f].Consumers, a.ID)
	a.Group = max(a.Group, b.p.Actions[b.p.Artifacts[f].Producer].Group+1)
}

func (b *builder) plan() *plan.Plan {
	b.p.Owner = make([]plan.Rank, len(b.p.Actions))
	b.p.Priority = plan.BottomLevels(&b.p)
	return &b.p
}

func ranks(slots ...int) []Rank {
	all := make([]Rank, len(slots))
	for i, n := range slots {
		all[i].Slots = n
	}
	return all
}

var instant = Network{}

// random is a plan like that of a program: most packages import a few of those before.
func random(seed uint64, n int) *plan.Plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	var b builder
	var all []plan.ActionID
	for i := range n {
		var imports []plan.ActionID
		for range min(i, rng.IntN(16)) {
			if d := plan.ActionID(rng.IntN(i)); !slices.Contains(imports, d) {
				imports = append(imports, d)
			}
		}
		cost := 1000 * (1 + rng.Int64N(500))
		lead := cost
		if rng.IntN(2) == 0 {
			lead = 1 + cost/3
		}
		all = append(all, b.compile(cost, lead, imports...))
	}
	b.link(2_000_000, all...)
	return b.plan()
}

// Two long packages and a short one, on two ranks: the long ones go apart.
func TestPlaceSpreads(t *testing.T) {
	var b builder
	x, y, z := b.compile(100, 100), b.compile(90, 90), b.compile(5, 5)
	b.link(10, x, y, z)
	p := b.plan()
	if makespan := Place(p, ranks(1, 1), instant); makespan != 110 {
		t.Errorf("it takes %d, expected 110", makespan)
	}
	if p.Owner[x] == p.Owner[y] || p.Owner[z] != p.Owner[y] {
		t.Errorf("placed on %v", p.Owner)
	}
}

// A chain stays where its inputs are when moving them costs something.
func TestPlaceFavoursInputs(t *testing.T) {
	var b builder
	last := b.compile(10, 10)
	for range 5 {
		last = b.compile(10, 10, last)
	}
	p := b.plan()
	if makespan := Place(p, ranks(2, 2, 2), Network{Latency: 1000}); makespan != 60 {
		t.Errorf("it takes %d, expected 60", makespan)
	}
	if slices.ContainsFunc(p.Owner, func(r plan.Rank) bool { return r != p.Owner[0] }) {
		t.Errorf("placed on %v", p.Owner)
	}
}

// What the link waits for last goes to root, and what it has to wait for anyway goes elsewhere: where a long back end is
// on root still, it would stand in the way of that.
func TestPlaceKeepsRootForTheEnd(t *testing.T) {
	var b builder
	low := b.compile(500, 100)
	high := b.compile(500, 100, low)
	b.link(10, low, high)
	p := b.plan()
	makespan := Place(p, ranks(1, 1, 1), Network{Latency: 10, Bandwidth: 100})
	if p.Owner[low] == 0 || p.Owner[high] != 0 {
		t.Errorf("placed on %v", p.Owner)
	}
	arrives := int64(100 + 10 + typicalSize/100)
	if want := arrives + 500 + 10; makespan != want {
		t.Errorf("it takes %d, expected %d", makespan, want)
	}
	if a, z := p.Slack(low), p.Slack(high); a != 100 || z != 0 {
		t.Errorf("the objects have %d and %d to spare, expected 100 and none", a, z)
	}
}

// Bytes count: the importer goes to the rank with the large export data.
func TestPlaceCountsBytes(t *testing.T) {
	var b builder
	small, large := b.compile(10, 10), b.compile(10, 10)
	user := b.compile(10, 10, small, large)
	p := b.plan()
	p.Artifacts[p.Actions[small].Outputs[0]].Size = 1_000
	p.Artifacts[p.Actions[large].Outputs[0]].Size = 1_000_000
	makespan := Place(p, ranks(1, 1), Network{Latency: 1, Bandwidth: 100})
	if p.Owner[small] == p.Owner[large] || p.Owner[user] != p.Owner[large] || makespan != 10+1+10+10 {
		t.Errorf("placed on %v, it takes %d", p.Owner, makespan)
	}
}

// Links go to root, also when another rank is free and root is not.
func TestLinksAreRoots(t *testing.T) {
	for _, slots := range [][]int{{1}, {1, 4}, {2, 1, 1, 8}} {
		var b builder
		var all []plan.ActionID
		for range 6 {
			all = append(all, b.compile(10, 10))
		}
		links := []plan.ActionID{b.link(5, all[:2]...), b.link(5, all[2:4]...), b.link(50, all...)}
		p := b.plan()
		Place(p, ranks(slots...), instant)
		for _, link := range links {
			if p.Owner[link] != 0 {
				t.Errorf("slots %v: a link is on rank %d", slots, p.Owner[link])
			}
		}
	}
}

// A link that waits for root's slot keeps nobody else from starting.
func TestLinkDoesNotBlock(t *testing.T) {
	var b builder
	first := b.compile(1, 1)
	b.link(1000, first) // the most urgent, as soon as it may start
	long := b.compile(100, 100)
	var rest []plan.ActionID
	for range 4 {
		rest = append(rest, b.compile(20, 20))
	}
	p := b.plan()
	p.Priority[long] = 1 << 40 // takes root's only slot first
	p.Priority[first] = 1 << 39
	Place(p, ranks(1, 1), instant)
	for _, a := range rest {
		if p.Owner[a] != 1 {
			t.Errorf("action %d is on rank %d while root is busy for long", a, p.Owner[a])
		}
	}
}

// Importers start when export data is there, the link when the objects are.
func TestPipelinedLeads(t *testing.T) {
	var b builder
	x := b.compile(100, 10)
	y := b.compile(100, 10, x)
	z := b.compile(100, 10, y)
	b.link(7, x, y, z)
	p := b.plan()
	if makespan := Place(p, ranks(1, 1, 1), instant); makespan != 20+100+7 {
		t.Errorf("on three ranks it takes %d, expected 127", makespan)
	}
	if makespan := Place(p, ranks(1), instant); makespan != 307 {
		t.Errorf("on one slot it takes %d, expected 307", makespan)
	}
	for i := range p.Actions {
		p.Actions[i].Lead = p.Actions[i].Cost
	}
	if makespan := Place(p, ranks(1, 1, 1), instant); makespan != 307 {
		t.Errorf("without early export data it takes %d, expected 307", makespan)
	}
}

// A fast rank is worth its price, a slow one is left alone.
func TestSpeed(t *testing.T) {
	var b builder
	x := b.compile(100, 100)
	p := b.plan()
	makespan := Place(p, []Rank{{Slots: 1, Speed: 0.5}, {Slots: 1}, {Slots: 1, Speed: 2}}, instant)
	if p.Owner[x] != 2 || makespan != 50 {
		t.Errorf("placed on %v, it takes %d", p.Owner, makespan)
	}
}

// The same plan is placed the same every time, wherever its actions were before.
func TestDeterministic(t *testing.T) {
	for seed := range uint64(20) {
		var before []plan.Rank
		var took int64
		for round := range 4 {
			p := random(seed, 150)
			if round > 1 {
				Place(p, ranks(1, 1, 1, 1, 1, 1, 1, 1), instant) // leaves owners behind
			}
			makespan := Place(p, ranks(2, 1, 4), Gigabit)
			if round > 0 && (!slices.Equal(p.Owner, before) || makespan != took) {
				t.Fatalf("seed %d: placed in %d µs, then in %d, on %v, then on %v", seed, took, makespan, before, p.Owner)
			}
			before, took = p.Owner, makespan
		}
	}
}

// Whatever the plan and the ranks: everything is placed on a rank that is there, within the bounds of any schedule that
// never idles a slot in vain (Graham, 1969).
func TestBounds(t *testing.T) {
	for seed := range uint64(60) {
		for _, slots := range [][]int{{1}, {1, 1}, {2, 1, 1}, {1, 1, 1, 1, 4}, {2, 2, 2, 2, 2, 2, 2, 2}} {
			p := random(seed, 1+int(seed)*3)
			makespan := Place(p, ranks(slots...), instant)
			total, work, chain := int64(0), int64(0), int64(0)
			for _, n := range slots {
				total += int64(n)
			}
			var link int64
			for i := range p.Actions {
				work += p.Actions[i].Cost
				chain = max(chain, p.Priority[i])
				if p.Actions[i].Kind == plan.Link {
					link = p.Actions[i].Cost
				}
			}
			if lower := max(chain, work/total); makespan < lower {
				t.Errorf("seed %d, slots %v: %d is less than the bound %d", seed, slots, makespan, lower)
			}
			if upper := work/total + chain + link; makespan > upper {
				t.Errorf("seed %d, slots %v: %d is more than a greedy schedule takes, %d", seed, slots, makespan, upper)
			}
			if err := p.Validate(len(slots)); err != nil {
				t.Errorf("seed %d, slots %v: %v", seed, slots, err)
			}
		}
	}
}

func TestNetworkCost(t *testing.T) {
	for _, c := range []struct {
		n    Network
		size int64
		cost int64
	}{
		{Network{Latency: 200}, 1 << 30, 200},
		{Network{Latency: 200, Bandwidth: 100}, 1000, 210},
		{Network{Latency: 200, Bandwidth: 60}, 0, 200 + typicalSize/60},
	} {
		if got := c.n.Cost(&plan.Artifact{Size: c.size}); got != c.cost {
			t.Errorf("%+v: %d bytes cost %d, expected %d", c.n, c.size, got, c.cost)
		}
	}
}

func TestNothingToPlace(t *testing.T) {
	if makespan := Place(&plan.Plan{}, ranks(1, 1), Gigabit); makespan != 0 {
		t.Errorf("nothing takes %d", makespan)
	}
}

// BenchmarkPlace places 3000 actions on 64 ranks of 16 slots; root does so while all others wait. It is to take less than
// 0.3 s.
func BenchmarkPlace(b *testing.B) {
	p := random(1, 3000)
	all := make([]Rank, 64)
	for i := range all {
		all[i].Slots = 16
	}
	for b.Loop() {
		Place(p, all, Gigabit)
	}
	if each := b.Elapsed() / time.Duration(b.N); each > 300*time.Millisecond {
		b.Errorf("placing took %s, more than 0.3 s", each)
	}
}

// An action goes to the rank from which its object is at root first, not to the one that makes it first. What is not known
// of an object's size is expected of its action's cost.
func TestObjectsWay(t *testing.T) {
	const size = 4 * 100 // bytes, as expected of a cost of 100
	for _, c := range []struct {
		known int64   // bytes, 0 where they are not known
		bytes float64 // a microsecond
		want  plan.Rank
	}{{0, size / 10, 1}, {0, size / 30, 0}, {2 * size, size / 15, 0}, {size / 2, size / 30, 1}} {
		var b builder
		b.link(10, b.compile(100, 100))
		p := b.plan()
		p.Artifacts[1].Size = c.known
		Place(p, []Rank{{Slots: 1}, {Slots: 1, Speed: 1.25}}, Network{Bandwidth: c.bytes}) // 80 there
		if p.Owner[0] != c.want {
			t.Errorf("%+v: rank %d has it", c, p.Owner[0])
		}
	}
}
