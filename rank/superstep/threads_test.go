package superstep

import (
	"testing"

	"github.com/badbubble/distgo/plan"
)

// What waited for an action that ends gets the action's core too.
func TestThreads(t *testing.T) {
	// 0 and 1 depend on nothing, 2 imports 0, 3 imports 2; the link is 4.
	p := smallPlan(t, 1, []plan.Rank{0, 0, 0, 0}, nil, nil, []plan.ActionID{0}, []plan.ActionID{2})
	r, e := NewRank(p, 0, 4, Split)
	want := func(when string, e Effects, err error, starts ...Start) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Start) != len(starts) {
			t.Fatalf("%s: started %+v, want %+v", when, e.Start, starts)
		}
		for i, s := range starts {
			if e.Start[i] != s {
				t.Errorf("%s: started %+v, want %+v", when, e.Start[i], s)
			}
		}
	}
	want("at the beginning", e, nil, Start{0, 2, false}, Start{1, 2, false})
	e, err := r.Finished(1, true)
	want("with nothing that waits", e, err)
	e, err = r.Finished(0, true)
	want("alone", e, err, Start{2, 4, false})
	e, err = r.Produced(p.Actions[2].Outputs[0]) // the export data; the back end goes on
	want("beside a back end", e, err, Start{3, 2, false})
	e, err = r.Finished(2, true)
	want("with nothing that waits", e, err)
	e, err = r.Finished(3, true)
	want("the link", e, err, Start{4, 4, false})
}
