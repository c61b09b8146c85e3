package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// urgent is a plan of a slow rank 0, which executes 0, and of rank 1, which executes 1. 2 imports 1 and is rank 0's, as
// is 3, which is short.
func urgent(t *testing.T) (*plan.Plan, *Root) {
	p := costing(smallPlan(t, 2, []plan.Rank{0, 1, 0, 0}, nil, nil, []plan.ActionID{1}, nil), 3*seconds, 5*seconds, 9*seconds, seconds)
	root := paced(p, 2, slow, sane)
	root.Begin()
	return p, root
}

// What a slow rank would hold the build up with is withdrawn before its inputs exist, and assigned when they do.
func TestWithdrawn(t *testing.T) {
	p, root := urgent(t)
	o := root.Look(LookEvery)
	if want := []Yield{{2, 0}}; !slices.Equal(o.Yield, want) || len(o.Repeat) > 0 {
		t.Fatalf("%+v, expected %v", o, want)
	}
	if o = root.Look(LookEvery); len(o.Yield) > 0 {
		t.Fatalf("asked again for %v", o.Yield)
	}
	o, err := root.Yielded(2, 0, true)
	if err != nil || len(o.Assign) > 0 {
		t.Fatalf("%+v, %v; nobody has made what it imports", o, err)
	}
	o = root.Exists(p.Actions[1].Outputs[0], 1)
	if len(o.Assign) != 1 || o.Assign[0].Action != 2 || o.Assign[0].To != 1 || !slices.Equal(o.Assign[0].Holders, []plan.Rank{1}) {
		t.Errorf("%+v; rank 1 would end it first", o.Assign)
	}
}

// A rank may have heard of the last input before root, and have begun.
func TestWithdrawnTooLate(t *testing.T) {
	p, root := urgent(t)
	root.Look(LookEvery)
	if o, err := root.Yielded(2, 0, false); err != nil || len(o.Assign) > 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	if o := root.Exists(p.Actions[1].Outputs[0], 1); len(o.Assign) > 0 {
		t.Errorf("%v", o.Assign)
	}
	if o := root.Look(LookEvery); len(o.Yield) > 0 {
		t.Errorf("asked again for %v", o.Yield)
	}
	for _, end := range []struct {
		a  plan.ActionID
		on plan.Rank
	}{{0, 0}, {1, 1}, {2, 0}, {3, 0}} {
		if _, err := root.Done(end.a, end.on, true); err != nil {
			t.Error(err)
		}
	}
}

// Who has an action withdrawn from it, and is lost, loses it to another; what the others have withdrawn waits on.
func TestWithdrawnAndLost(t *testing.T) {
	p := costing(smallPlan(t, 3, []plan.Rank{1, 2, 1}, nil, nil, []plan.ActionID{1}), 3*seconds, 5*seconds, 9*seconds)
	for _, lost := range []plan.Rank{1, 2} {
		root := NewRoot(p, []int{1, 1, 1}, Split)
		root.paces.of[1].pace, root.paces.all = slow, pace{slow.expected + sane.expected, slow.took + sane.took}
		root.Begin()
		if o := root.Look(LookEvery); !slices.Equal(o.Yield, []Yield{{2, 1}}) {
			t.Fatalf("%+v", o)
		}
		if _, err := root.Yielded(2, 1, true); err != nil {
			t.Fatal(err)
		}
		root.Lost(lost)
		var o Orders
		for rank := range plan.Rank(3) {
			if rank != lost {
				o = root.Held(1, rank, nil)
			}
		}
		given := slices.ContainsFunc(o.Recover.Owners, func(o Owner) bool { return o.Action == 2 && !o.Stays })
		if given != (lost == 1) || len(o.Assign) > 0 {
			t.Errorf("rank %d is lost: %+v, %v", lost, o.Recover, o.Assign)
		}
		maker := root.owner[1]
		o = root.Exists(p.Actions[1].Outputs[0], maker)
		if assigned := slices.ContainsFunc(o.Assign, func(a Assign) bool { return a.Action == 2 && a.To != 1 }); assigned != (lost == 2) {
			t.Errorf("rank %d is lost, and 1 is made by rank %d: %+v", lost, maker, o.Assign)
		}
	}
}
