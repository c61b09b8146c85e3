package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// compiles gives all compiles of a plan a back end of so long.
func compiles(p *plan.Plan, backEnds ...int64) *plan.Plan {
	for a, backEnd := range backEnds {
		p.Actions[a].Cost, p.Actions[a].Lead = 10+backEnd, 10
	}
	p.Priority = plan.BottomLevels(p)
	return p
}

func produced(t *testing.T, r *Rank, f plan.ArtifactID) Effects {
	t.Helper()
	e, err := r.Produced(f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Where no slot is free, the least urgent back end makes room for what is more urgent; it goes on in the first slot that
// nothing more urgent takes, and what is divided goes to those that run.
func TestHold(t *testing.T) {
	// 0, 1 and 2 depend on nothing, 3 imports 1, 4 imports 3.
	p := compiles(smallPlan(t, 1, make([]plan.Rank, 5), nil, nil, nil, []plan.ActionID{1}, []plan.ActionID{3}), 20, 5, 0, 0, 5)
	r, e := NewRank(p, 0, 2, Split)
	if !slices.Equal(e.Start, []Start{{0, 1, false}, {1, 1, false}}) && !slices.Equal(e.Start, []Start{{1, 1, false}, {0, 1, false}}) {
		t.Fatalf("%+v", e)
	}
	if e = produced(t, r, p.Actions[0].Outputs[0]); len(e.Threads)+len(e.Start) > 0 {
		t.Errorf("2 is less urgent than the back end of 0: %+v", e)
	}
	e = produced(t, r, p.Actions[1].Outputs[0]) // 3 is ready, and more urgent than both, 1 the least
	if !slices.Equal(e.Threads, []Threads{{Execution{Action: 1}, 0}}) || !slices.Equal(e.Start, []Start{{3, 1, false}}) {
		t.Errorf("3 is ready: %+v", e)
	}
	e = produced(t, r, p.Actions[3].Outputs[0])
	if !slices.Equal(e.Threads, []Threads{{Execution{Action: 3}, 0}}) || !slices.Equal(e.Start, []Start{{4, 1, false}}) {
		t.Errorf("4 is ready: %+v", e)
	}
	e, err := r.Finished(0, true)
	if err != nil || !slices.Equal(e.Start, []Start{{2, 1, false}}) || len(e.Threads) > 0 {
		t.Errorf("2 is more urgent than what is held: %+v, %v", e, err)
	}
	e, err = r.Finished(3, true) // its end was on its way
	if err != nil || len(e.Start)+len(e.Threads) > 0 {
		t.Errorf("one that is held has ended: %+v, %v", e, err)
	}
	e, err = r.Finished(2, true)
	if err != nil || !slices.Equal(e.Threads, []Threads{{Execution{Action: 1}, 1}}) {
		t.Errorf("a slot is free: %+v, %v", e, err)
	}
	e, err = r.Finished(4, true)
	if err != nil || !slices.Equal(e.Threads, []Threads{{Execution{Action: 1}, 2}}) || len(r.held.ids) > 0 {
		t.Errorf("it is alone: %+v, %v", e, err)
	}
}

// Nothing is held behind blocking barriers, without memory for it, or when it has begun just now. What others help is held as well, and shares and
// head starts are reason enough, if they are more urgent.
func TestHeldWhen(t *testing.T) {
	// 0 and 3 are rank 0's, the others rank 1's; 2 imports 1, and 4 imports 0. 1 is the first to run.
	build := func() *plan.Plan {
		p := compiles(smallPlan(t, 2, []plan.Rank{0, 1, 1, 0, 1, 1}, nil, nil, []plan.ActionID{1}, nil, []plan.ActionID{0}, nil), 20, 20, 20, 90, 20, 0)
		p.Pipelined, p.Helpers = true, make([][]plan.Rank, len(p.Actions))
		return p
	}
	helped, helps, urgent := build(), build(), build()
	helped.Helpers[1], helps.Helpers[3] = []plan.Rank{0}, []plan.Rank{1}
	urgent.Priority[4], urgent.Priority[2] = 1000, 1
	for name, c := range map[string]struct {
		plan   *plan.Plan
		mode   Mode
		before func(*Rank)
		held   bool
	}{
		"an action is ready":       {build(), Split, func(*Rank) {}, true},
		"behind blocking barriers": {build(), Blocking, func(r *Rank) { r.plan.Priority[5] = 1000 }, false},
		"there is no memory":       {build(), Split, func(r *Rank) { r.plan.Aside = 0 }, false},
		"others help":              {helped, Split, func(*Rank) {}, true},
		"a share is ready":         {helps, Split, func(r *Rank) { r.plan.Priority[2] = 1; r.Called(3, 0) }, true},
		"a head start is possible": {urgent, Split, func(r *Rank) { r.TypesArrived(r.plan.Actions[0].Outputs[0]) }, true},
	} {
		r, _ := NewRank(c.plan, 1, 1, c.mode)
		c.before(r)
		e := produced(t, r, c.plan.Actions[1].Outputs[0])
		if held := slices.Equal(e.Threads, []Threads{{Execution{Action: 1}, 0}}); held != c.held || len(e.Start)+len(e.Help)+len(e.Ahead) > 0 != held {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// No more are held than there is memory for.
func TestHeldByMemory(t *testing.T) {
	for aside, want := range map[int]int{1: 1, 2: 2, 3: 2} {
		// 1 imports 0, and 2 imports 1.
		p := compiles(smallPlan(t, 1, make([]plan.Rank, 3), nil, []plan.ActionID{0}, []plan.ActionID{1}), 5, 5, 5)
		p.Aside = aside
		r, _ := NewRank(p, 0, 1, Split)
		started := produced(t, r, p.Actions[0].Outputs[0]).Start
		if started = append(started, produced(t, r, p.Actions[1].Outputs[0]).Start...); len(started) != want || len(r.held.ids) != want {
			t.Errorf("%d may be held: %v are, and started were %v", aside, r.held.ids, started)
		}
	}
}

// What is begun anew, its export data being out since, is not held before it has run.
func TestNotHeldAtOnce(t *testing.T) {
	// 1 imports 0, and is less urgent than that, but not than its back end.
	p := compiles(smallPlan(t, 1, []plan.Rank{0, 0}, nil, []plan.ActionID{0}), 0, 20)
	r, _ := NewRank(p, 0, 1, Split)
	produced(t, r, p.Actions[0].Outputs[0]) // 0 is held, 1 runs
	if _, err := r.GaveBack(0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.GaveBack(1); err != nil {
		t.Fatal(err)
	}
	e := r.Recover(Recovery{Owners: []Owner{{Action: 0, Rank: 0}, {Action: 1, Rank: 0}}})
	if len(e.Start) != 1 || e.Start[0].Threads != 1 || len(r.held.ids) > 0 {
		t.Errorf("%+v, held are %v", e, r.held.ids)
	}
}

// Root keeps what a rank has in the order in which it takes it: front ends that are begun, back ends that go on, and what
// waits, held or not, the most urgent first. In blocking mode nothing is held.
func TestLoadWithBackEnds(t *testing.T) {
	for _, mode := range []Mode{Split, Blocking} {
		// 1 to 4 are of rank 0's two slots, and 4 imports what rank 1 makes, 0.
		p := compiles(smallPlan(t, 2, []plan.Rank{1, 0, 0, 0, 0}, nil, nil, nil, nil, []plan.ActionID{0}), 0, 5, 60, 30, 70)
		root := NewRoot(p, []int{2, 1}, mode)
		root.load[0] = []plan.ActionID{1, 2, 3}
		for _, c := range []struct {
			export plan.ActionID
			want   []plan.ActionID
		}{
			{1, []plan.ActionID{2, 3, 1}},    // held for 3
			{2, []plan.ActionID{3, 2, 1}},    // goes on beside it
			{0, []plan.ActionID{3, 4, 2, 1}}, // 4 is ready, and 2 held for it
			{3, []plan.ActionID{4, 2, 3, 1}}, // held for 2, which was itself
			{4, []plan.ActionID{4, 2, 3, 1}},
		} {
			if mode == Blocking {
				c.want = map[int][]plan.ActionID{3: {1, 2, 3}, 4: {1, 2, 4, 3}}[len(c.want)]
			}
			root.Exists(p.Actions[c.export].Outputs[0], root.owner[c.export])
			if !slices.Equal(root.load[0], c.want) {
				t.Errorf("%s, %d has exported: %v, want %v", mode, c.export, root.load[0], c.want)
			}
		}
		if _, err := root.Done(4, 0, true); mode == Split && (err != nil || !slices.Equal(root.load[0], []plan.ActionID{2, 3, 1})) {
			t.Errorf("4 has ended: %v, %v", root.load[0], err)
		}
	}
}

// What is held goes on in place of what has become less urgent, and what is ready then comes after it.
func TestHeldForHeld(t *testing.T) {
	// 3 imports 2, which is rank 1's; the back end of 0 is more urgent than 3, and that than the back end of 1.
	p := compiles(smallPlan(t, 2, []plan.Rank{0, 0, 1, 0}, nil, nil, nil, []plan.ActionID{2}), 70, 10, 0, 40)
	p.Priority[0], p.Priority[1] = 2000, 1000
	r, _ := NewRank(p, 0, 1, Split)
	produced(t, r, p.Actions[0].Outputs[0]) // held, 1 runs
	e := produced(t, r, p.Actions[1].Outputs[0])
	if !slices.Equal(e.Threads, []Threads{{Execution{Action: 1}, 0}, {Execution{Action: 0}, 1}}) {
		t.Errorf("0 is more urgent than what is left of 1: %+v", e)
	}
	if e = r.Arrived(p.Actions[2].Outputs[0]); len(e.Start)+len(e.Threads) > 0 {
		t.Errorf("3 is less urgent than 0: %+v", e)
	}
	if e, err := r.Finished(0, true); err != nil || !slices.Equal(e.Start, []Start{{3, 1, false}}) || len(e.Threads) > 0 {
		t.Errorf("3 is more urgent than 1: %+v, %v", e, err)
	}
}

// What is executed again after a loss is in its front end, though its export data exists elsewhere, and can be moved.
func TestNotInBackEndAgain(t *testing.T) {
	// 0 and 2 are rank 2's, 2 links; rank 1 has a copy of what 0 exports.
	p := compiles(smallPlan(t, 3, []plan.Rank{2, 1, 0, 1}, nil, []plan.ActionID{0}, nil, nil), 50, 50, 50, 500)
	root := NewRoot(p, []int{1, 1, 1}, Split)
	root.Begin()
	export := p.Actions[0].Outputs[0]
	root.Exists(export, 2)
	if !root.inBackEnd(0) {
		t.Fatal("it is in its back end")
	}
	root.exists[export], root.holder[export], root.owner[0] = true, 1, 1
	if root.inBackEnd(0) {
		t.Error("it was rank 2 that was in its back end")
	}
}

// What a rank holds is executed on an idle rank as well if that is through much sooner than who holds it comes to it, and
// not otherwise; what it executes is not.
func TestStuck(t *testing.T) {
	for long, want := range map[int64]plan.Rank{100: nobody, 200: 1} {
		// 0 and 1 are rank 0's, and 1 takes 60 of which 50 are its back end; rank 1 has nothing to do.
		p := compiles(smallPlan(t, 2, []plan.Rank{0, 0, 1}, nil, nil, nil), long-60, 50, 0)
		p.Priority[0] = 1000
		root := NewRoot(p, []int{1, 1}, Split)
		root.Exists(p.Actions[1].Outputs[0], 0)
		root.load[0] = []plan.ActionID{0, 1} // 1 is held
		if o := root.Release(); len(o.Repeat) > 0 {
			t.Errorf("rank 1 is busy: %+v", o.Repeat)
		}
		o, err := root.Done(2, 1, true)
		if err != nil {
			t.Fatal(err)
		}
		to := nobody
		for _, a := range o.Repeat {
			if to = a.To; a.Action != 1 {
				t.Errorf("%d is relieved", a.Action)
			}
		}
		if to != want || len(o.Yield) > 0 {
			t.Errorf("rank 0 is through with all after %d: %+v", long, o)
		}
	}
}

// What is held takes the slot of a second execution, like anything that is ready.
func TestHeldBeforeSecond(t *testing.T) {
	// 0 is rank 1's; 1 and 2 are rank 0's, which executes 0 a second time, and 2 imports 1.
	p := compiles(smallPlan(t, 2, []plan.Rank{1, 0, 0}, nil, nil, []plan.ActionID{1}), 0, 5, 20)
	r, _ := NewRank(p, 0, 2, Split)
	if e, err := r.Repeat(0, nil, ForAudit); err != nil || len(e.Repeat) != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	e := produced(t, r, p.Actions[1].Outputs[0])
	if len(e.Start) != 1 || !r.held.has(1) || !slices.Equal(e.Cease, []plan.ActionID{0}) {
		t.Errorf("2 is ready: %+v, held are %v", e, r.held.ids)
	}
	_, e, err := r.Repeated(0, false)
	if err != nil || len(r.held.ids) > 0 || !slices.Contains(e.Threads, Threads{Execution{Action: 1}, 1}) || len(e.Repeat) > 0 {
		t.Errorf("a slot is free: %+v, %v", e, err)
	}
}
