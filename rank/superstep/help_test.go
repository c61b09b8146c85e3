package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// helpedPlan is two actions of which rank 2 has the first and helps rank 1 with the second.
func helpedPlan(t *testing.T) *plan.Plan {
	p := smallPlan(t, 3, []plan.Rank{2, 1}, nil, nil)
	p.Pipelined, p.Helpers = true, make([][]plan.Rank, len(p.Actions))
	p.Helpers[1] = []plan.Rank{2}
	return p
}

// A share that was called for by a rank that is lost is not begun; who takes over calls for it again.
func TestShareOfLostCaller(t *testing.T) {
	r, _ := NewRank(helpedPlan(t), 2, 1, Split)
	if e, err := r.Called(1, 1); err != nil || len(e.Help) > 0 {
		t.Fatalf("the slot is taken: %+v, %v", e, err)
	}
	r.Recover(Recovery{Owners: []Owner{{Action: 1, Rank: 0}}, Lost: true})
	if e, err := r.Finished(0, true); err != nil || len(e.Help) > 0 {
		t.Errorf("begun for a rank that is lost: %+v, %v", e, err)
	}
	if e, err := r.Called(1, 0); err != nil || !slices.Equal(e.Help, []Help{{1, 1}}) {
		t.Errorf("called for by who took over: %+v, %v", e, err)
	}
}

// A helper that takes over the action does not wait for its own share.
func TestHelperTakesOver(t *testing.T) {
	r, _ := NewRank(helpedPlan(t), 2, 1, Split)
	if _, err := r.Finished(0, true); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Called(1, 1); err != nil || len(e.Help) != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	e := r.Recover(Recovery{Owners: []Owner{{Action: 1, Rank: 2}}, Lost: true})
	if !slices.Equal(e.Stop, []plan.ActionID{1}) || len(e.Start) > 0 {
		t.Errorf("taken over: %+v", e)
	}
	to, wanted, e, err := r.Helped(1)
	if err != nil || wanted || len(e.Start) != 1 || e.Start[0].Action != 1 {
		t.Errorf("the share has ended: for rank %d %v, %+v, %v", to, wanted, e, err)
	}
}

// A share gives its slot to an action that is more urgent than what waits for the share, and to no other.
func TestShareGivesWay(t *testing.T) {
	// 0 is rank 1's, helped by rank 2; 1 and 2 are rank 2's, of which 2 imports 0.
	p := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, nil, []plan.ActionID{0})
	p.Actions[0].Cost, p.Actions[0].Lead = 1000, 200
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{2}, nil, nil, nil}
	for _, c := range []struct {
		urgency int64
		stops   []plan.ActionID
	}{{799, nil}, {801, []plan.ActionID{0}}} {
		p.Priority = []int64{5000, 100, c.urgency, 0}
		r, _ := NewRank(p, 2, 1, Split)
		if _, err := r.Called(0, 1); err != nil {
			t.Fatal(err)
		}
		e, err := r.Finished(1, true)
		if err != nil || len(e.Help) != 1 {
			t.Fatalf("the slot is free: %+v, %v", e, err)
		}
		e = r.Arrived(p.Actions[2].Inputs[0])
		if !slices.Equal(e.Stop, c.stops) || len(e.Start) > 0 {
			t.Errorf("an action of urgency %d waits for a share of urgency 800: %+v", c.urgency, e)
		}
		if e = r.Arrived(p.Actions[2].Inputs[0]); len(e.Stop) > 0 {
			t.Errorf("stopped again: %+v", e)
		}
		if _, wanted, e, err := r.Helped(0); err != nil || wanted == (c.stops != nil) || len(e.Start) != 1 || e.Start[0].Action != 2 {
			t.Errorf("the share has ended: wanted %v, %+v, %v", wanted, e, err)
		}
	}
}

// It does where something could be begun that is more urgent still.
func TestShareGivesWayBesideHeadStart(t *testing.T) {
	// 0 is rank 0's, helped by rank 1; 2 and 4 are rank 1's, and import 1 and 3.
	p := compiles(smallPlan(t, 2, []plan.Rank{0, 0, 1, 0, 1}, nil, nil, []plan.ActionID{1}, nil, []plan.ActionID{3}), 20, 0, 20, 0, 20)
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{1}, nil, nil, nil, nil, nil}
	p.Priority[2], p.Priority[4] = 1000, 500
	r, _ := NewRank(p, 1, 1, Split)
	if e, err := r.Called(0, 0); err != nil || len(e.Help) != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	if e := r.TypesArrived(p.Actions[1].Outputs[0]); len(e.Stop)+len(e.Ahead) > 0 {
		t.Errorf("2 could be begun, and is not ready: %+v", e)
	}
	if e := r.Arrived(p.Actions[3].Outputs[0]); !slices.Equal(e.Stop, []plan.ActionID{0}) {
		t.Errorf("4 is ready: %+v", e)
	}
}

// What waits for a share to end is moved to a rank that idles.
func TestMovedFromBehindAShare(t *testing.T) {
	// 0 is rank 1's, helped by rank 2, whose 1 becomes ready when 0 has exported.
	p := smallPlan(t, 4, []plan.Rank{1, 2}, nil, []plan.ActionID{0})
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{2}, nil, nil}
	root := NewRoot(p, []int{1, 1, 1, 1}, Split)
	if o := root.Begin(); len(o.Yield) > 0 {
		t.Fatalf("root moves %v", o.Yield)
	}
	if o, want := root.Exists(p.Actions[1].Inputs[0], 1), []Yield{{Action: 1, From: 2}}; !slices.Equal(o.Yield, want) {
		t.Errorf("action 1 waits behind a share, rank 0 idles, root moves %v, want %v", o.Yield, want)
	}
}
