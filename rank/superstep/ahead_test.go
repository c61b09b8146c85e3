package superstep

import (
	"slices"
	"strconv"
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

// Types go to who has a reader of them, not to who helps one, and begins when export data is there.
func TestTypesGo(t *testing.T) {
	// 1 and 2 import 0, which imports nothing.
	p := smallPlan(t, 4, []plan.Rank{1, 2, 1}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	p.Pipelined, p.Helpers = true, [][]plan.Rank{{0}, {3, 1}, nil, nil}
	export := p.Actions[0].Outputs[0]
	for mode, want := range map[Mode][]Put{Split: {{export, 2}}, Blocking: nil} {
		r, _ := NewRank(p, 1, 1, mode)
		if e := r.Typed(export); !slices.Equal(e.Types, want) {
			t.Errorf("%s: sent %v, want %v", mode, e.Types, want)
		}
	}
}

// The most urgent is begun first, where nothing more urgent takes the slot, and no more than the plan has room for.
func TestAheadOrder(t *testing.T) {
	for _, aside := range []int{0, 3, 6} {
		t.Run(strconv.Itoa(aside), func(t *testing.T) { aheadOrder(t, aside) })
	}
}

func aheadOrder(t *testing.T, aside int) {
	// 0 is rank 0's; 1 depends on nothing; 2 to 8 import 0.
	owners, imports := []plan.Rank{0, 1}, [][]plan.ActionID{nil, nil}
	for range 7 {
		owners, imports = append(owners, 1), append(imports, []plan.ActionID{0})
	}
	p, r, e := typedRank(t, 1, owners, imports...)
	p.Aside, p.Priority[4], p.Priority[6] = aside, 100, 200
	order := []plan.ActionID{6, 4, 2, 3, 5, 7, 8}
	if len(e.Start) != 1 {
		t.Fatalf("%+v", e)
	}
	export := p.Actions[0].Outputs[0]
	idles(t, "something runs", r.TypesArrived(export))
	e, err := r.Finished(1, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range order[:aside] {
		if !slices.Equal(e.Ahead, []Help{{a, 1}}) {
			t.Fatalf("%d is next, begun were %v", a, e.Ahead)
		}
		e = pause(t, r, a)
	}
	idles(t, "all that can be have been begun", e)
	// Started, the first makes room for another, which is ready by then.
	e = r.Arrived(export)
	for i, a := range order {
		if len(e.Start) != 1 || e.Start[0].Action != a || len(e.Ahead) > 0 {
			t.Fatalf("%d is next: %+v", a, e)
		}
		if e, err = r.Finished(order[i], true); err != nil {
			t.Fatal(err)
		}
	}
	if r.begun != 0 {
		t.Errorf("%d are counted as begun", r.begun)
	}
}

// What is more urgent comes first, whether it is ready or to be begun.
func TestAheadCompetes(t *testing.T) {
	for urgency, want := range map[int64]Effects{
		200: {Ahead: []Help{{2, 1}}},
		50:  {Start: []Start{{3, 1, false}}},
	} {
		// 0 is rank 0's; 1 and 3 depend on nothing, and 1 runs; 2 imports 0.
		p, r, _ := typedRank(t, 1, []plan.Rank{0, 1, 1, 1}, nil, nil, []plan.ActionID{0}, nil)
		p.Priority[2], p.Priority[3] = urgency, 100
		r.TypesArrived(p.Actions[0].Outputs[0])
		e, err := r.Finished(1, true)
		if err != nil || !slices.Equal(e.Ahead, want.Ahead) || !slices.Equal(e.Start, want.Start) {
			t.Errorf("its urgency is %d: %+v, %v", urgency, e, err)
		}
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

// The last input comes while a head start runs: the action is started in the slot of that, which ends nothing when it
// has paused. Given back before, it has left its slot all the same.
func TestAheadLastInput(t *testing.T) {
	for _, back := range []bool{false, true} {
		// 1 and 2 import 0.
		p, r, _ := typedRank(t, 1, []plan.Rank{0, 1, 1}, nil, []plan.ActionID{0}, []plan.ActionID{0})
		p.Priority[1], p.Priority[2] = 50, 40
		export := p.Actions[0].Outputs[0]
		if e := r.TypesArrived(export); !slices.Equal(e.Ahead, []Help{{1, 1}}) {
			t.Fatalf("%+v", e)
		}
		if e := r.Arrived(export); !slices.Equal(e.Start, []Start{{1, 1, false}}) || len(e.Quit)+len(e.Ahead) > 0 {
			t.Errorf("the last input is here: %+v", e)
		}
		end := func() (Effects, error) { return r.Finished(1, true) }
		if back {
			end = func() (Effects, error) { return r.GaveBack(1) }
		} else {
			idles(t, "it has paused", pause(t, r, 1))
		}
		if e, err := end(); err != nil || !slices.Equal(e.Start, []Start{{2, 1, false}}) {
			t.Errorf("it has left its slot, given back %v: %+v, %v", back, e, err)
		}
		if back {
			idles(t, "it has paused", pause(t, r, 1))
		}
		if _, err := r.Paused(1); err == nil {
			t.Error("it has paused twice")
		}
	}
}

// What has not started is yielded, and what was begun of it quit.
func TestAheadYields(t *testing.T) {
	p, r, _ := typedRank(t, 1, []plan.Rank{0, 1}, nil, []plan.ActionID{0})
	export := p.Actions[0].Outputs[0]
	r.TypesArrived(export)
	for _, begun := range []string{"it is being begun", "it has paused"} {
		if begun == "it has paused" {
			pause(t, r, 1)
		}
		if e, ok := r.Yield(1); !ok || !slices.Equal(e.Quit, []plan.ActionID{1}) {
			t.Errorf("%s: yielded %v, %+v", begun, ok, e)
		}
		if _, err := r.Assigned(1, []plan.Rank{0}); err != nil {
			t.Fatal(err)
		}
		if begun == "it is being begun" {
			pause(t, r, 1) // what was quit; it is begun anew
		}
	}
	pause(t, r, 1)
	r.Arrived(export) // it runs
	if e, ok := r.Yield(1); ok || len(e.Quit) > 0 {
		t.Errorf("it runs: yielded %v, %+v", ok, e)
	}
}

// What was begun is quit when the action is given up, dropped, or another rank's after a loss; once, whether it has paused
// or not. If it comes back, it is begun or started anew, after the end of what was quit.
func TestAheadQuit(t *testing.T) {
	for name, lose := range map[string]func(*Rank) Effects{
		"give up": func(r *Rank) Effects { _, _, e := r.GiveUp(1); return e },
		"drop":    func(r *Rank) Effects { return r.Failed(0) },
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
			if name == "give up" {
				e, err := r.Assigned(1, []plan.Rank{0})
				if err != nil || len(e.Ahead) > 0 == !paused {
					t.Errorf("%s, paused %v: assigned again: %+v, %v", name, paused, e, err)
				}
			}
			if !paused {
				if e := pause(t, r, 1); len(e.Quit) > 0 || name == "drop" && len(e.Ahead) > 0 || name == "give up" && len(e.Ahead) == 0 {
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
	if _, ok, e := r.GiveUp(1); !ok || len(e.Quit) != 1 {
		t.Fatalf("given up %v: %+v", ok, e)
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
