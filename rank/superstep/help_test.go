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
