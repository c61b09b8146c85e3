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

// A share is held for an action that is more urgent than what is left of the share, its front end included, and for no
// other, and goes on then.
func TestShareIsHeld(t *testing.T) {
	// 0 is rank 1's, helped by rank 2; 1 and 2 are rank 2's, of which 2 imports 0.
	p := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, nil, []plan.ActionID{0})
	p.Actions[0].Cost, p.Actions[0].Lead = 1000, 200
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{2}, nil, nil, nil}
	share := Execution{Action: 0, Share: true}
	for _, c := range []struct {
		urgency int64
		holds   bool
	}{{599, false}, {601, true}} {
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
		if held := slices.Equal(e.Threads, []Threads{{share, 0}}); held != c.holds || (len(e.Start) == 1) != c.holds || len(e.Stop) > 0 {
			t.Errorf("an action of urgency %d waits for a share of urgency 600: %+v", c.urgency, e)
		}
		if c.holds {
			if e, err := r.Finished(2, true); err != nil || !slices.Equal(e.Threads, []Threads{{share, 1}}) {
				t.Errorf("the action has ended: %+v, %v", e, err)
			}
		}
		if _, wanted, e, err := r.Helped(0); err != nil || !wanted || (len(e.Start) == 1) == c.holds {
			t.Errorf("the share has ended: wanted %v, %+v, %v", wanted, e, err)
		}
	}
}

// Where it cannot be held it is ended, once, for the same.
func TestShareGivesWay(t *testing.T) {
	p := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, nil, []plan.ActionID{0})
	p.Actions[0].Cost, p.Actions[0].Lead = 1000, 200
	p.Pipelined, p.Aside, p.Helpers = true, 0, [][]plan.Rank{{2}, nil, nil, nil}
	for urgency, stops := range map[int64][]plan.ActionID{599: nil, 601: {0}} {
		p.Priority = []int64{5000, 100, urgency, 0}
		r, _ := NewRank(p, 2, 1, Split)
		if _, err := r.Called(0, 1); err != nil {
			t.Fatal(err)
		}
		if e, err := r.Finished(1, true); err != nil || len(e.Help) != 1 {
			t.Fatalf("the slot is free: %+v, %v", e, err)
		}
		if e := r.Arrived(p.Actions[2].Inputs[0]); !slices.Equal(e.Stop, stops) || len(e.Start)+len(e.Threads) > 0 {
			t.Errorf("an action of urgency %d waits for a share of urgency 600: %+v", urgency, e)
		}
		if e := r.Arrived(p.Actions[2].Inputs[0]); len(e.Stop) > 0 {
			t.Errorf("ended again: %+v", e)
		}
		if _, wanted, e, err := r.Helped(0); err != nil || wanted == (stops != nil) || len(e.Start) != 1 || e.Start[0].Action != 2 {
			t.Errorf("the share has ended: wanted %v, %+v, %v", wanted, e, err)
		}
	}
}

// One that nobody wants any more is ended, held or not, and its slot is counted once.
func TestHeldShareIsDismissed(t *testing.T) {
	p := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, nil, []plan.ActionID{0})
	p.Actions[0].Cost, p.Actions[0].Lead = 1000, 200
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{2}, nil, nil, nil}
	p.Priority = []int64{5000, 100, 900, 0}
	for _, held := range []bool{true, false} {
		r, _ := NewRank(p, 2, 1, Split)
		if _, err := r.Called(0, 1); err != nil {
			t.Fatal(err)
		}
		if e, err := r.Finished(1, true); err != nil || len(e.Help) != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
		if held {
			r.Arrived(p.Actions[2].Inputs[0])
		}
		if e := r.Dismissed(0, 1); !slices.Equal(e.Stop, []plan.ActionID{0}) {
			t.Errorf("held %v: dismissed: %+v", held, e)
		}
		if _, wanted, _, err := r.Helped(0); wanted || err != nil {
			t.Errorf("held %v: the share has ended: wanted %v, %v", held, wanted, err)
		}
		if want := map[bool]int{true: 1}[held]; r.active != want || len(r.shares.ids) > 0 {
			t.Errorf("held %v: %d slots are taken, want %d; shares of %v wait", held, r.active, want, r.shares.ids)
		}
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
