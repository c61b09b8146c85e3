package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// The slots are divided among what runs, whenever something starts or ends.
func TestThreads(t *testing.T) {
	// 0 and 1 depend on nothing, 2 imports 0, 3 imports 2; the link is 4.
	p := smallPlan(t, 1, []plan.Rank{0, 0, 0, 0}, nil, nil, []plan.ActionID{0}, []plan.ActionID{2})
	r, e := NewRank(p, 0, 4, Split)
	want := func(when string, e Effects, err error, told []Threads, starts ...Start) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(e.Start, starts) {
			t.Errorf("%s: started %+v, want %+v", when, e.Start, starts)
		}
		if !slices.Equal(e.Threads, told) {
			t.Errorf("%s: told %+v, want %+v", when, e.Threads, told)
		}
	}
	want("at the beginning", e, nil, nil, Start{0, 2, false}, Start{1, 2, false})
	e, err := r.Finished(1, true)
	want("with nothing that waits", e, err, []Threads{{Execution{Action: 0}, 4}})
	e, err = r.Finished(0, true)
	want("alone", e, err, nil, Start{2, 4, false})
	e, err = r.Produced(p.Actions[2].Outputs[0]) // the export data; the back end goes on
	want("beside a back end", e, err, []Threads{{Execution{Action: 2}, 2}}, Start{3, 2, false})
	e, err = r.Finished(2, true)
	want("with nothing that waits", e, err, []Threads{{Execution{Action: 3}, 4}})
	e, err = r.Finished(3, true)
	want("the link", e, err, nil, Start{4, 4, false})
}

// What cannot be divided evenly goes to back ends, and of equals to the most urgent.
func TestThreadsLeftOver(t *testing.T) {
	// 0, 1 and 2 depend on nothing, 3 imports 1: so 1 is the most urgent.
	p := smallPlan(t, 1, []plan.Rank{0, 0, 0, 0}, nil, nil, nil, []plan.ActionID{1})
	r, e := NewRank(p, 0, 5, Split)
	threads := map[plan.ActionID]int{}
	check := func(when string, e Effects, err error, want map[plan.ActionID]int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Start {
			threads[s.Action] = s.Threads
		}
		for _, n := range e.Threads {
			if threads[n.Action] == n.Threads {
				t.Errorf("%s: told %d again that it has %d threads", when, n.Action, n.Threads)
			}
			threads[n.Action] = n.Threads
		}
		for a, n := range want {
			if threads[a] != n {
				t.Errorf("%s: %d has %d threads, want %d", when, a, threads[a], n)
			}
		}
	}
	check("three front ends", e, nil, map[plan.ActionID]int{0: 2, 1: 2, 2: 1})
	e, err := r.Produced(p.Actions[2].Outputs[0])
	check("one of them is through", e, err, map[plan.ActionID]int{0: 1, 1: 2, 2: 2})
	e, err = r.GaveBack(1)
	check("one is gone", e, err, map[plan.ActionID]int{0: 2, 2: 3})
}

// What is executed in relief of a slow rank has what idles; an audit has one thread, beside those of the others.
func TestThreadsOfSeconds(t *testing.T) {
	// 0 and 1 are rank 1's and depend on nothing, 2 is rank 0's and imports 1.
	p := smallPlan(t, 2, []plan.Rank{1, 1, 0}, nil, nil, []plan.ActionID{1})
	for why, c := range map[Reason]struct {
		alone  int
		told   []Threads
		starts int
	}{
		Late:     {4, []Threads{{Execution{Action: 0, Second: true}, 2}}, 2},
		ForAudit: {1, nil, 4},
	} {
		r, _ := NewRank(p, 0, 4, Split)
		e, err := r.Repeat(0, nil, why)
		if err != nil || !slices.Equal(e.Repeat, []Help{{0, c.alone}}) {
			t.Errorf("reason %d, alone: %+v, %v", why, e.Repeat, err)
		}
		e = r.Arrived(p.Actions[1].Outputs[0])
		if !slices.Equal(e.Start, []Start{{2, c.starts, false}}) || !slices.Equal(e.Threads, c.told) {
			t.Errorf("reason %d, beside 2: %+v, %+v", why, e.Start, e.Threads)
		}
	}
}
