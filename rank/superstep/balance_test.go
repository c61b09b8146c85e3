package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// A rank that refuses to give an action up runs it. What root took to run there in its place has waited since, perhaps
// for seconds, and goes to the rank that has nothing to do.
func TestRefusalFreesWhatWaits(t *testing.T) {
	// Actions 0 and 1 are rank 0's, 2 is rank 1's; nothing depends on anything but the link.
	p := smallPlan(t, 2, []plan.Rank{0, 0, 1}, nil, nil, nil)
	root := NewRoot(p, []int{1, 1}, Split)
	begin := root.Begin()
	if len(begin.Yield) > 0 {
		t.Fatalf("root moves %v while every rank has something to do", begin.Yield)
	}
	o, err := root.Done(2, 1, true)
	if err != nil || len(o.Yield) != 1 || o.Yield[0].From != 0 {
		t.Fatalf("rank 1 idles and rank 0 queues: %+v, %v", o, err)
	}
	asked := o.Yield[0].Action
	o, err = root.Yielded(asked, 0, false)
	if want := []Yield{{Action: 1 - asked, From: 0}}; err != nil || !slices.Equal(o.Yield, want) {
		t.Errorf("after the refusal of %d root asks for %v, want %v (%v)", asked, o.Yield, want, err)
	}
}

// A rank may begin what has just become ready there before what was moved to it, which then waits behind it and is moved on.
func TestMovedAgain(t *testing.T) {
	// 0 is rank 0's, 1 and 2 are rank 1's, 3 is rank 2's; 4 is rank 0's and imports 3.
	p := smallPlan(t, 3, []plan.Rank{0, 1, 1, 2, 0}, nil, nil, nil, nil, []plan.ActionID{3})
	root := NewRoot(p, []int{1, 1, 1}, Split)
	root.Begin()
	o, err := root.Done(0, 0, true)
	if err != nil || len(o.Yield) != 1 || o.Yield[0].From != 1 {
		t.Fatalf("rank 0 idles and rank 1 queues: %+v, %v", o, err)
	}
	moved := o.Yield[0].Action
	if o, err = root.Yielded(moved, 1, true); err != nil || len(o.Assign) != 1 || o.Assign[0].To != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	root.Exists(p.Actions[3].Outputs[0], 2) // 4 is ready on rank 0, which begins it at once
	root.Exists(p.Actions[3].Outputs[1], 2)
	o, err = root.Done(3, 2, true)
	if err != nil || len(o.Yield) != 1 || o.Yield[0] != (Yield{4, 0}) {
		t.Fatalf("rank 2 idles and rank 0 queues: %+v, %v", o, err)
	}
	o, err = root.Yielded(4, 0, false)
	if want := []Yield{{moved, 0}}; err != nil || !slices.Equal(o.Yield, want) {
		t.Errorf("after the refusal of 4 root asks for %v, want %v (%v)", o.Yield, want, err)
	}
}

// What stores hold stays where it is; the first rank that has something to execute makes the others help.
func TestNothingMovesWhileHeld(t *testing.T) {
	p := smallPlan(t, 2, []plan.Rank{0, 0, 0}, nil, nil, nil)
	root := NewRoot(p, []int{1, 1}, Split)
	root.Hold()
	if o := root.Begin(); len(o.Yield) > 0 {
		t.Fatalf("root moves %v", o.Yield)
	}
	if o, err := root.Done(0, 0, true); err != nil || len(o.Yield) > 0 {
		t.Fatalf("root moves %v, %v", o.Yield, err)
	}
	if o := root.Release(); len(o.Yield) != 1 || o.Yield[0].From != 0 {
		t.Errorf("rank 1 idles and rank 0 queues, root moves %v", o.Yield)
	}
}

// While everybody is busy, what many wait for does not stand behind something long where another rank has just begun
// something short and less urgent.
func TestShortActionsRelieve(t *testing.T) {
	// 0 and 1 are rank 0's, 2, 3 and 4 rank 1's; 5 imports 1 and is long.
	p := smallPlan(t, 2, []plan.Rank{0, 0, 1, 1, 1, 1}, nil, nil, nil, nil, nil, []plan.ActionID{1})
	for a, cost := range []int64{1000, 10, 100, 100, 100, 1000} {
		p.Actions[a].Cost, p.Actions[a].Lead = cost, cost
	}
	p.Priority = []int64{5000, 4000, 300, 200, 100, 1000}
	root := NewRoot(p, []int{1, 1}, Split)
	if o := root.Begin(); len(o.Yield) > 0 {
		t.Fatalf("root moves %v at the beginning", o.Yield)
	}
	o, err := root.Done(2, 1, true)
	if want := []Yield{{Action: 1, From: 0}}; err != nil || !slices.Equal(o.Yield, want) {
		t.Errorf("rank 1 has begun 3, and 1 waits for 0: root moves %v, want %v (%v)", o.Yield, want, err)
	}
	if o, err = root.Done(3, 1, true); err != nil || len(o.Yield) > 0 {
		t.Errorf("nothing else waits, root moves %v (%v)", o.Yield, err)
	}
}
