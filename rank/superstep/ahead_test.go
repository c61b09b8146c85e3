package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

func every(plan.ActionID) bool { return true }

// What waits while a slot idles is listed in the order of its urgency, until it is another rank's, dropped, or begins.
func TestAhead(t *testing.T) {
	// 0 is rank 1's, the rest rank 0's: 1 and 2 import 0, 3 imports 1.
	imports := [][]plan.ActionID{nil, {0}, {0}, {1}}
	p := smallPlan(t, 2, []plan.Rank{1, 0, 0, 0}, imports...)
	link := plan.ActionID(4)
	r, _ := NewRank(p, 0, 9, Split)
	want := func(when string, n int, wanted func(plan.ActionID) bool, ahead ...plan.ActionID) {
		t.Helper()
		if got := r.Ahead(n, wanted); !slices.Equal(got, ahead) {
			t.Errorf("%s: %v, want %v", when, got, ahead)
		}
	}
	want("at the beginning", 9, every, 1, 2, 3, link)
	want("two", 2, every, 1, 2)
	want("none", 0, every)
	want("but 1", 2, func(a plan.ActionID) bool { return a != 1 }, 2, 3)

	if few, _ := NewRank(p, 0, 2, Split); !slices.Equal(few.Ahead(9, every), []plan.ActionID{1, 2}) {
		t.Error("of two slots that idle each looks ahead")
	}

	if _, ok := r.Yield(2); !ok || r.Awaits(2) || !r.Awaits(1) {
		t.Error("given up, 2 is still awaited, or 1 is not")
	}
	want("when 2 was given up", 9, every, 1, 3, link)
	if e := r.Arrived(p.Actions[0].Outputs[0]); len(e.Start) != 1 || r.Awaits(1) {
		t.Errorf("1 begins: %+v", e)
	}
	want("while 1 runs", 9, every, 3, link)
	if _, err := r.Finished(1, false); err != nil || r.Awaits(3) || r.Awaits(link) {
		t.Errorf("1 failed, and what depends on it is awaited (%v)", err)
	}
	want("when 1 failed", 9, every)

	if r, _ := NewRank(p, 1, 1, Split); len(r.Ahead(9, every)) > 0 {
		t.Error("something is got ready while the only slot is busy")
	}
	if r, _ := NewRank(p, 0, 1, Blocking); len(r.Ahead(9, every)) > 0 {
		t.Error("nothing is got ready in blocking mode")
	}
}
