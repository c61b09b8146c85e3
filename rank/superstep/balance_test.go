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
