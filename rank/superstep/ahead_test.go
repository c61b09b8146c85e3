package superstep

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// typedRank is rank 1 of two, with so many slots, in a build whose compiles hand out types.
func typedRank(t *testing.T, slots int, owners []plan.Rank, imports ...[]plan.ActionID) (*plan.Plan, *Rank, Effects) {
	p := smallPlan(t, 2, owners, imports...)
	p.Pipelined = true
	r, e := NewRank(p, 1, slots, Split)
	return p, r, e
}

func pause(t *testing.T, r *Rank, a plan.ActionID) Effects {
	t.Helper()
	e, err := r.Paused(a)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// idles checks that nothing is begun, started or quit.
func idles(t *testing.T, when string, e Effects) {
	t.Helper()
	if len(e.Ahead)+len(e.Start)+len(e.Quit) > 0 {
		t.Errorf("%s: %+v", when, e)
	}
}

// An action is begun when all that is missing are exports whose types are here, and hands its own on to its readers.
func TestAhead(t *testing.T) {
	// 2 imports 0 and 1, and is imported by 3 and 4.
	p, r, _ := typedRank(t, 2, []plan.Rank{0, 0, 1, 0, 1}, nil, nil, []plan.ActionID{0, 1}, []plan.ActionID{2}, []plan.ActionID{2})
	export := func(a plan.ActionID) plan.ArtifactID { return p.Actions[a].Outputs[0] }
	idles(t, "with the types of one import", r.TypesArrived(export(0)))
	if e := r.TypesArrived(export(1)); !slices.Equal(e.Ahead, []Help{{2, 2}}) || len(e.Start) > 0 {
		t.Errorf("with the types of both: %+v", e)
	}
	if e := r.Typed(export(2)); !slices.Equal(e.Types, []Put{{export(2), 0}}) || !slices.Equal(e.Ahead, []Help{{4, 1}}) {
		t.Errorf("with types of its own: %+v", e)
	}
	if e := pause(t, r, 2); !slices.Equal(e.Threads, []Threads{{Execution{Action: 4, Ahead: true}, 2}}) || len(e.Start) > 0 {
		t.Errorf("it has paused: %+v", e)
	}
	idles(t, "with the export data of one import", r.Arrived(export(0)))
	if e := r.Arrived(export(1)); !slices.Equal(e.Start, []Start{{2, 1, false}}) || len(e.Quit) > 0 {
		t.Errorf("with that of both: %+v", e)
	}
	if _, err := r.Paused(2); err == nil {
		t.Error("what was started has paused")
	}
}

// Types that come after export data, or in a build without them, are of no use.
func TestAheadOfNothing(t *testing.T) {
	p := smallPlan(t, 2, []plan.Rank{0, 0, 1}, nil, nil, []plan.ActionID{0, 1})
	exports := []plan.ArtifactID{p.Actions[0].Outputs[0], p.Actions[1].Outputs[0]}
	for mode, pipelined := range map[Mode]bool{Split: false, Blocking: true} {
		p.Pipelined = pipelined
		r, _ := NewRank(p, 1, 1, mode)
		idles(t, mode.String(), r.TypesArrived(exports[0]))
		idles(t, mode.String(), r.TypesArrived(exports[1]))
	}
	p.Pipelined = true
	r, _ := NewRank(p, 1, 1, Split)
	r.Arrived(exports[0])
	if e := r.Arrived(exports[1]); len(e.Start) != 1 {
		t.Fatalf("%+v", e)
	}
	idles(t, "the types of what is here", r.TypesArrived(exports[0]))
}

// Types go to who has a reader of them, and to who helps one.
func TestTypesGo(t *testing.T) {
	// 1 and 2 import 0, which imports nothing.
	p := smallPlan(t, 4, []plan.Rank{1, 2, 1}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{0}, {3, 1}, nil, nil}
	export := p.Actions[0].Outputs[0]
	for mode, want := range map[Mode][]Put{Split: {{export, 2}, {export, 3}}, Blocking: nil} {
		r, _ := NewRank(p, 1, 1, mode)
		if e := r.Typed(export); !slices.Equal(e.Types, want) {
			t.Errorf("%s: sent %v, want %v", mode, e.Types, want)
		}
	}
}

// The most urgent is begun first, in slots that nothing else is ready for, and no more than are worth their memory.
func TestAheadOrder(t *testing.T) {
	// 0 is rank 0's; 1 depends on nothing; 2 to 7 import 0.
	of0 := []plan.ActionID{0}
	p, r, e := typedRank(t, 1, []plan.Rank{0, 1, 1, 1, 1, 1, 1, 1}, nil, nil, of0, of0, of0, of0, of0, of0)
	p.Priority[4], p.Priority[6] = 100, 200
	if len(e.Start) != 1 {
		t.Fatalf("%+v", e)
	}
	export := p.Actions[0].Outputs[0]
	idles(t, "something runs", r.TypesArrived(export))
	e, err := r.Finished(1, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []plan.ActionID{6, 4, 2, 3} {
		if !slices.Equal(e.Ahead, []Help{{a, 1}}) {
			t.Fatalf("%d is next, begun were %v", a, e.Ahead)
		}
		e = pause(t, r, a)
	}
	idles(t, "four have been begun", e)
	// Started, the first makes room for another, which is ready by then.
	if e := r.Arrived(export); len(e.Start) != 1 || e.Start[0].Action != 6 || len(e.Ahead) > 0 {
		t.Errorf("all are ready: %+v", e)
	}
	for _, next := range []plan.ActionID{4, 2, 3, 5, 7} {
		e, err := r.Finished(map[plan.ActionID]plan.ActionID{4: 6, 2: 4, 3: 2, 5: 3, 7: 5}[next], true)
		if err != nil || len(e.Start) != 1 || e.Start[0].Action != next || len(e.Ahead) > 0 {
			t.Errorf("%d is next: %+v, %v", next, e, err)
		}
	}
	if r.begun != 0 {
		t.Errorf("%d are counted as begun", r.begun)
	}
}

// A second execution takes what head starts leave.
func TestAheadOfSecond(t *testing.T) {
	p, r, _ := typedRank(t, 1, []plan.Rank{0, 0, 1}, nil, nil, []plan.ActionID{0})
	r.seconds = []second{{action: 1, wanted: true}}
	if e := r.TypesArrived(p.Actions[0].Outputs[0]); !slices.Equal(e.Ahead, []Help{{2, 1}}) || len(e.Repeat) > 0 {
		t.Errorf("one slot: %+v", e)
	}
	if e := pause(t, r, 2); len(e.Repeat) != 1 {
		t.Errorf("it has paused: %+v", e)
	}
}

// The last input comes while a head start runs: the action goes on from it when it has paused, in the order of priority.
func TestAheadLastInput(t *testing.T) {
	// 1 and 2 import 0.
	p, r, _ := typedRank(t, 1, []plan.Rank{0, 1, 1}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	p.Priority[1], p.Priority[2] = 50, 40
	export := p.Actions[0].Outputs[0]
	if e := r.TypesArrived(export); !slices.Equal(e.Ahead, []Help{{1, 1}}) {
		t.Fatalf("%+v", e)
	}
	idles(t, "the slot is taken", r.Arrived(export))
	if e := pause(t, r, 1); !slices.Equal(e.Start, []Start{{1, 1, false}}) || len(e.Quit)+len(e.Ahead) > 0 {
		t.Errorf("it has paused: %+v", e)
	}
}

// What was begun is quit when the action is yielded, dropped, or another rank's after a loss; once, whether it has paused
// or not. If it comes back, it is begun or started anew, after the end of what was quit.
func TestAheadQuit(t *testing.T) {
	for name, lose := range map[string]func(*Rank) Effects{
		"yield": func(r *Rank) Effects { e, _ := r.Yield(1); return e },
		"drop":  func(r *Rank) Effects { return r.Failed(0) },
		"loss": func(r *Rank) Effects {
			return r.Recover(Recovery{Owners: []Owner{{Action: 1, Rank: 0}}, Lost: true})
		},
	} {
		for _, paused := range []bool{false, true} {
			p, r, _ := typedRank(t, 1, []plan.Rank{0, 1}, nil, []plan.ActionID{0})
			if e := r.TypesArrived(p.Actions[0].Outputs[0]); len(e.Ahead) != 1 {
				t.Fatalf("%+v", e)
			}
			if paused {
				pause(t, r, 1)
			}
			e := lose(r)
			if !slices.Equal(e.Quit, []plan.ActionID{1}) {
				t.Errorf("%s, paused %v: quit %v", name, paused, e.Quit)
			}
			if _, ok := r.find(Execution{Action: 1, Ahead: true}); ok == paused {
				t.Errorf("%s, paused %v: it has a slot: %v", name, paused, ok)
			}
			if name == "yield" {
				e, err := r.Assigned(1, []plan.Rank{0})
				if err != nil || len(e.Ahead) > 0 == !paused {
					t.Errorf("%s, paused %v: assigned again: %+v, %v", name, paused, e, err)
				}
			}
			if !paused {
				if e := pause(t, r, 1); len(e.Quit) > 0 || name == "drop" && len(e.Ahead) > 0 || name == "yield" && len(e.Ahead) == 0 {
					t.Errorf("%s: it has ended: %+v", name, e)
				}
			}
		}
	}
}

// What comes back with all its inputs is started when what was quit has ended.
func TestAheadComesBack(t *testing.T) {
	p, r, _ := typedRank(t, 2, []plan.Rank{0, 1}, nil, []plan.ActionID{0})
	export := p.Actions[0].Outputs[0]
	r.TypesArrived(export)
	if e, ok := r.Yield(1); !ok || len(e.Quit) != 1 {
		t.Fatalf("yielded %v: %+v", ok, e)
	}
	idles(t, "it is nobody's", r.Arrived(export))
	e, err := r.Assigned(1, []plan.Rank{0})
	if err != nil {
		t.Fatal(err)
	}
	idles(t, "its head start runs", e)
	if e := pause(t, r, 1); !slices.Equal(e.Start, []Start{{1, 2, false}}) {
		t.Errorf("it has ended: %+v", e)
	}
}
