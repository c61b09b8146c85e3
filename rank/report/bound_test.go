package report

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan/schedule"
)

var instant = schedule.Network{}

// randomRun is what was recorded of a few actions that depend on each other, some of them pipelined; the last is a link.
func randomRun(rng *rand.Rand, n int) []Action {
	actions := make([]Action, n)
	for i := range actions {
		a := &actions[i]
		*a = Action{ID: int32(10 + i), Kind: "compile", Start: rng.Int64N(50)}
		a.End = a.Start + 1 + rng.Int64N(20)
		if rng.IntN(2) == 0 {
			a.Exported = a.Start + 1 + rng.Int64N(a.End-a.Start)
		}
		if i == n-1 {
			a.Kind, a.Exported = "link", 0
		}
		for j := range i {
			if a.Kind == "link" || rng.IntN(3) == 0 {
				a.Deps = append(a.Deps, actions[j].ID)
				a.Group = max(a.Group, actions[j].Group+1)
			}
		}
	}
	rng.Shuffle(n, func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	return actions
}

// graph is the same run by plain definition: who may start how long after whom.
type graph struct {
	cost  []int64
	after []map[int]int64 // by action: dependencies, and how long after their start it may start
}

func newGraph(actions []Action) graph {
	g := graph{after: make([]map[int]int64, len(actions))}
	for i := range actions {
		g.cost = append(g.cost, actions[i].End-actions[i].Start)
		g.after[i] = map[int]int64{}
		for _, d := range actions[i].Deps {
			j := slices.IndexFunc(actions, func(a Action) bool { return a.ID == d })
			lead := actions[j].End - actions[j].Start
			if actions[j].Exported > 0 && actions[i].Kind != "link" {
				lead = actions[j].Exported - actions[j].Start
			}
			g.after[i][j] = lead
		}
	}
	return g
}

// earliest is when i can start on any number of slots.
func (g graph) earliest(i int) (at int64) {
	for j, lead := range g.after[i] {
		at = max(at, g.earliest(j)+lead)
	}
	return at
}

// follows is how long after the end of i the last one cannot end earlier.
func (g graph) follows(i int) (rest int64) {
	for c := range g.cost {
		if lead, ok := g.after[c][i]; ok {
			rest = max(rest, lead+g.cost[c]+g.follows(c)-g.cost[i])
		}
	}
	return rest
}

// lower is the bound by its formula.
func (g graph) lower(slots int64) (lower, work, chain int64) {
	for i := range g.cost {
		work += g.cost[i]
		chain = max(chain, g.earliest(i)+g.cost[i])
	}
	lower = max(chain, work/slots)
	for first := range g.cost {
		for last := range g.cost {
			r, t, inside := g.earliest(first), g.follows(last), int64(0)
			for i := range g.cost {
				if g.earliest(i) >= r && g.follows(i) >= t {
					inside += g.cost[i]
				}
			}
			if inside > 0 {
				lower = max(lower, r+inside/slots+t)
			}
		}
	}
	return lower, work, chain
}

// best is the shortest schedule: every order in which actions can be taken up, each as early as its dependencies and a
// slot allow. An optimal schedule is among them: the one that takes actions up in the order of its own starts.
func (g graph) best(slots int) int64 {
	best := int64(1) << 60
	start := make([]int64, len(g.cost))
	free := make([]int64, slots)
	taken := make([]bool, len(g.cost))
	var take func(n int, end int64)
	take = func(n int, end int64) {
		if end >= best {
			return
		}
		if n == len(g.cost) {
			best = end
			return
		}
	next:
		for i := range g.cost {
			if taken[i] {
				continue
			}
			at := int64(0)
			for j, lead := range g.after[i] {
				if !taken[j] {
					continue next
				}
				at = max(at, start[j]+lead)
			}
			slot := slices.Index(free, slices.Min(free))
			before := free[slot]
			at = max(at, before)
			taken[i], start[i], free[slot] = true, at, at+g.cost[i]
			take(n+1, max(end, at+g.cost[i]))
			taken[i], free[slot] = false, before
		}
	}
	take(0, 0)
	return best
}

// The bound is what its formula says, and no schedule beats it.
func TestBound(t *testing.T) {
	tight := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 0))
		headStarts, most := seed%2 == 0, 7
		if headStarts {
			most = 5 // they are in three parts, and all their orders are tried
		}
		actions := parts(randomRun(rng, 1+rng.IntN(most)), headStarts)
		g := newGraph(actions)
		for slots := 1; slots <= 3; slots++ {
			b := newBound(actions, slots, 1)
			lower, work, chain := g.lower(int64(slots))
			if b.Lower != lower || b.Work != work || b.Chain != chain || b.Slots != slots {
				t.Fatalf("seed %d, %d slots: bound %d, work %d, chain %d; by definition %d, %d, %d", seed, slots, b.Lower, b.Work, b.Chain, lower, work, chain)
			}
			best := g.best(slots)
			if b.Lower > best {
				t.Fatalf("seed %d, %d slots: the bound is %d, but %d is possible", seed, slots, b.Lower, best)
			}
			if b.Lower == best {
				tight++
			}
			checkPath(t, seed, actions, b)
		}
	}
	if tight < 400 {
		t.Errorf("the bound is reached in %d of 1200 cases only", tight)
	}
}

// checkPath checks that the critical path is a chain of dependencies as long as is said.
func checkPath(t *testing.T, seed uint64, actions []Action, b Bound) {
	t.Helper()
	at, adds := int64(0), int64(0)
	for n, id := range b.Path {
		adds += b.Adds[n]
		a := &actions[slices.IndexFunc(actions, func(a Action) bool { return a.ID == id })]
		if n+1 == len(b.Path) {
			at += a.End - a.Start
			break
		}
		c := &actions[slices.IndexFunc(actions, func(c Action) bool { return c.ID == b.Path[n+1] })]
		if !slices.Contains(c.Deps, id) {
			t.Fatalf("seed %d: %d does not depend on %d", seed, c.ID, id)
		}
		if a.Exported > 0 && c.Kind != "link" {
			at += a.Exported - a.Start
		} else {
			at += a.End - a.Start
		}
	}
	if at != b.Chain || adds != at {
		t.Fatalf("seed %d: the path %v takes %d, adds up to %d, and the chain is said to take %d", seed, b.Path, at, adds, b.Chain)
	}
}

// An importer begins with the types, two fifths of the way to the export data, works for another fifth, and goes on when
// that is there.
func TestBoundWithTypes(t *testing.T) {
	actions := []Action{
		{ID: 3, Kind: "compile", Start: 100, Exported: 160, End: 200},
		{ID: 4, Kind: "compile", Start: 100, Exported: 130, End: 140, Deps: []int32{3}, Group: 1},
		{ID: 5, Kind: "compile", Start: 100, Exported: 130, End: 200, Deps: []int32{4}, Group: 2},
		{ID: 6, Kind: "link", Start: 300, End: 350, Deps: []int32{3, 4, 5}, Group: 3},
	}
	// Types: 24, 36, 48; it waits at 36, 42, 54; export data: 60, 72, 84; objects: 100, 82, 154.
	b := NewBound(actions, 3, true)
	if b.Chain != 204 || !slices.Equal(b.Path, []int32{3, 4, 5, 6}) || !slices.Equal(b.Adds, []int64{60, 12, 82, 50}) {
		t.Errorf("chain of %d: %v, which add %v", b.Chain, b.Path, b.Adds)
	}
	actions[2].Exported = 190 // types: 24, 36, 72; it waits at 36, 42, 90; export data: 60, 72, 126; objects: 100, 82, 136
	if b := NewBound(actions, 3, true); b.Chain != 186 || !slices.Equal(b.Adds, []int64{24, 12, 100, 50}) {
		t.Errorf("with a long front end, a chain of %d: %v, which add %v", b.Chain, b.Path, b.Adds)
	}
	if b := NewBound(actions, 3, false); b.Chain != 240 || !slices.Equal(b.Adds, []int64{60, 30, 100, 50}) {
		t.Errorf("without head starts, a chain of %d: %v", b.Chain, b.Adds)
	}
	if b := NewBound(actions, 1, true); b.Work != 290 || b.Lower != 290 {
		t.Errorf("work %d, bound %d", b.Work, b.Lower)
	}
}

// What came out of a store is no dependency, and nothing is no work.
func TestBoundOfLittle(t *testing.T) {
	if b := NewBound(nil, 4, true); b.Lower != 0 || b.Path != nil {
		t.Errorf("of nothing: %+v", b)
	}
	if b := NewBound([]Action{{ID: 3, Start: 5, End: 15, Deps: []int32{1, 2}}}, 2, true); b.Lower != 10 || b.Chain != 10 || b.Work != 10 {
		t.Errorf("of one: %+v", b)
	}
	if b := NewBound([]Action{{End: 15}}, 0, true); b.Chain != 15 || b.Lower != 0 {
		t.Errorf("without slots: %+v", b)
	}
}

// predict is Predict of a run.
func predict(t *testing.T, r *Report, ranks, slots int) int64 {
	t.Helper()
	end, err := r.Predict(ranks, slots, instant)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// One slot has all the work; on more, nothing is sooner than the bound, helpers or not.
func TestPredict(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := &Report{Plan: 1000, Actions: randomRun(rng, 8), Compiler: "pipelined", HeadStarts: seed%2 == 0}
		one := predict(t, r, 1, 1)
		if b := r.BoundOn(1, 1); one != r.Plan+b.Work {
			t.Errorf("seed %d: on one slot %d, but the work is %d", seed, one, b.Work)
		}
		many := predict(t, r, 8, 1)
		if b := r.BoundOn(8, 1); many < r.Plan+b.Lower || many > one {
			t.Errorf("seed %d: on eight ranks %d; the bound is %d, one takes %d", seed, many, r.Plan+b.Lower, one)
		}
	}
}

// helped is a run of a package with half a second of front end and two of back end on so many ranks, each but one of
// which has helped, and the link: what is recorded of it is as its helpers left it.
func helped(ranks int) *Report {
	const ms = 1000
	r := &Report{Compiler: "pipelined", Size: ranks}
	own, each := int64(2500*ms), int64(2000*ms)/int64(ranks)
	for h := 1; h < ranks; h++ {
		share := Share{Action: 0, Rank: h, End: 500*ms + each + each/5, Taken: true}
		own -= schedule.Spared(share.End - 500*ms)
		if h%2 == 0 { // it was held for a while
			share.Held = []Hold{{From: 100 * ms, To: 150 * ms}, {From: 400 * ms, To: 420 * ms, Slot: 1}}
			share.End += 70 * ms
		}
		r.Shares = append(r.Shares, share)
	}
	r.Shares = append(r.Shares, Share{Action: 0, Rank: 1, End: 700 * ms}) // in vain
	r.Actions = []Action{
		{ID: 0, Kind: "compile", Package: "big", Exported: 500 * ms, End: own, Cost: 2500 * ms},
		{ID: 1, Kind: "link", Package: "x", Group: 1, Start: own, End: own + 300*ms, Cost: 300 * ms, Deps: []int32{0}},
	}
	return r
}

// Whoever helped in the recorded run: a world has the helpers that would be planned for it, and only a bound that knows
// of them holds.
func TestPredictHelpers(t *testing.T) {
	alone := &Report{Compiler: "pipelined", Size: 1, Actions: helped(2).Undivided()}
	for _, recorded := range []int{2, 4} {
		r := helped(recorded)
		if d := r.Undivided()[0]; d.End != 2500*1000 {
			t.Errorf("helped on %d ranks, without helpers %d", recorded, d.End)
		}
		for _, ranks := range []int{1, 2, 4, 8} {
			if got, want := predict(t, r, ranks, 1), predict(t, alone, ranks, 1); got != want {
				t.Errorf("from %d ranks to %d: %d, from a run without helpers %d", recorded, ranks, got, want)
			}
		}
	}
	one, eight := predict(t, alone, 1, 1), predict(t, alone, 8, 1)
	if most := one * 2 / 3; eight > most {
		t.Errorf("with helpers %d, alone %d", eight, one)
	}
	if b := alone.BoundOn(8, 1); eight < b.Lower || b.Lower >= alone.BoundOn(1, 1).Lower {
		t.Errorf("on eight ranks %d, the bound is %+v", eight, b)
	}
	alone.Actions[0].Cost = 2000 // nobody knew
	if surprise := predict(t, alone, 8, 1); surprise != one {
		t.Errorf("with a back end that was expected to be short %d, alone %d", surprise, one)
	}
	alone.Actions[0].Cost, alone.Compiler = 2500*1000, "stock"
	if stock := predict(t, alone, 8, 1); stock != one {
		t.Errorf("with a compiler that cannot be helped %d, alone %d", stock, one)
	}
}

// What is no run is refused.
func TestPredictRefuses(t *testing.T) {
	r := &Report{Actions: []Action{{ID: 0, Kind: "compile", Deps: []int32{1}, End: 1}, {ID: 1, Kind: "compile", Deps: []int32{0}, End: 1}}}
	if _, err := r.Predict(2, 1, instant); err == nil {
		t.Error("a cycle has been predicted")
	}
}

// Where memory was short little or nothing was begun or held, and as little is in a prediction.
func TestPredictAside(t *testing.T) {
	for _, aside := range []int{0, 3} {
		if p := (&Report{Compiler: "pipelined", Aside: aside}).Replan(); p.Aside != aside {
			t.Errorf("%d could wait: planned anew, %d", aside, p.Aside)
		}
	}
}
