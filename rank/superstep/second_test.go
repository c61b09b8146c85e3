package superstep

import (
	"fmt"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// Every action that is to be audited is executed a second time by a rank that did not make it, where there is another;
// the first executions are what they are without audits.
func TestAudits(t *testing.T) {
	audited, stops := 0, 0
	for _, size := range []int{1, 2, 3, 5, 8} {
		for _, early := range []bool{false, true} {
			for seed := range seeds(t, 60) {
				w := newWorld(t, seed, 60, size, Split)
				w.early, w.audits = early, 1+w.rng.IntN(4)
				w.run()
				name := fmt.Sprintf("size %d, early %v, seed %d", size, early, seed)
				if !w.over {
					t.Fatalf("%s: stuck with %d actions left and %d audits", name, w.root.Left(), w.root.Audits())
				}
				for i := range w.plan.Actions {
					a := plan.ActionID(i)
					by, twice := w.twice[a]
					if n := w.runs[a]; n != 1 {
						t.Fatalf("%s: action %d was executed %d times", name, i, n)
					}
					if want := i%w.audits == 0 && w.plan.Actions[i].Kind != plan.Link; twice != want {
						t.Fatalf("%s: action %d of those that one in %d of is audited: %v", name, i, w.audits, twice)
					}
					if twice && by == w.last[a] && size > 1 {
						t.Fatalf("%s: rank %d made action %d, and audited it", name, by, i)
					}
				}
				audited += len(w.twice)
				stops += w.stops
			}
		}
	}
	if stops == 0 {
		t.Error("no second execution gave way")
	}
	t.Logf("%d actions were audited, %d second executions were ended", audited, stops)
}

// Ranks are lost while actions are audited: the build comes to its end, and what still can be audited is.
func TestAuditsAndLosses(t *testing.T) {
	missed, lost := 0, 0
	for _, size := range []int{2, 3, 5, 8} {
		for _, early := range []bool{false, true} {
			for seed := range seeds(t, 100) {
				w := newWorld(t, seed, 60, size, Split)
				w.early, w.audits = early, 1+w.rng.IntN(3)
				w.kills = map[plan.Rank]int{}
				for range 1 + w.rng.IntN(2) {
					w.kills[plan.Rank(1+w.rng.IntN(size-1))] = w.rng.IntN(900)
				}
				w.flaky = map[plan.ActionID]int{plan.ActionID(w.rng.IntN(60)): 1}
				w.run()
				name := fmt.Sprintf("size %d, early %v, seed %d, lost %v", size, early, seed, w.kills)
				if !w.over {
					t.Fatalf("%s: stuck with %d actions left and %d audits", name, w.root.Left(), w.root.Audits())
				}
				for i := range w.plan.Actions {
					a := plan.ActionID(i)
					if w.runs[a] == 0 {
						t.Fatalf("%s: action %d was never executed", name, i)
					}
					if _, twice := w.twice[a]; !twice && i%w.audits == 0 && w.plan.Actions[i].Kind != plan.Link {
						if w.root.readable(a) {
							t.Fatalf("%s: action %d was not audited, and all that it reads is there", name, i)
						}
						missed++
					}
				}
				for _, dead := range w.dead {
					if dead {
						lost++
					}
				}
			}
		}
	}
	if missed == 0 || lost == 0 {
		t.Errorf("%d ranks were lost, %d actions could not be audited then", lost, missed)
	}
	t.Logf("%d ranks were lost, %d actions could not be audited then", lost, missed)
}

// Whatever root takes to be slow, and whatever is lost or given back meanwhile: the build comes to its end, and where no
// rank is lost every action is executed once.
func TestReliefs(t *testing.T) {
	reliefs, given := 0, 0
	for _, size := range []int{2, 3, 5, 8} {
		for _, lossy := range []bool{false, true} {
			for _, early := range []bool{false, true} {
				for seed := range seeds(t, 100) {
					w := newWorld(t, seed, 60, size, Split)
					w.early, w.slow, w.audits = early, 1+w.rng.IntN(20), w.rng.IntN(3)
					w.flaky = map[plan.ActionID]int{plan.ActionID(w.rng.IntN(60)): 1}
					if lossy {
						w.kills = map[plan.Rank]int{plan.Rank(1 + w.rng.IntN(size-1)): w.rng.IntN(900), plan.Rank(1 + w.rng.IntN(size-1)): w.rng.IntN(900)}
					}
					w.run()
					name := fmt.Sprintf("size %d, early %v, seed %d, lost %v", size, early, seed, w.kills)
					if !w.over {
						t.Fatalf("%s: stuck with %d actions left and %d audits", name, w.root.Left(), w.root.Audits())
					}
					for i := range w.plan.Actions {
						if n := w.runs[plan.ActionID(i)]; n == 0 || n > 1 && !lossy {
							t.Fatalf("%s: action %d was executed %d times", name, i, n)
						}
					}
					for r := range w.ranks {
						if !w.dead[r] && !lossy && w.ranks[r].active > 0 {
							t.Fatalf("%s: %d slots of rank %d are taken at the end", name, w.ranks[r].active, r)
						}
					}
					reliefs += w.reliefs
					given += w.given
				}
			}
		}
	}
	if reliefs == 0 || given == 0 {
		t.Errorf("ranks were relieved of %d actions, and export data given out of %d", reliefs, given)
	}
	t.Logf("%d actions were given up for what another had made, export data was given out of %d", reliefs, given)
}

// What a relief comes to first is given out, once.
func TestGivesOut(t *testing.T) {
	// 0 is rank 1's, which helps nobody, and 1, which imports it, too.
	p := compiles(smallPlan(t, 2, []plan.Rank{1, 1}, nil, []plan.ActionID{0}), 50, 50)
	p.Pipelined = true
	export := p.Actions[0].Outputs[0]
	for name, c := range map[string]struct {
		why    Reason
		before func(*Rank)
		gives  bool
	}{
		"in relief":                      {Late, func(*Rank) {}, true},
		"for an audit":                   {ForAudit, func(*Rank) {}, false},
		"when it is here":                {Late, func(r *Rank) { r.Arrived(export) }, false},
		"when it existed":                {BackEndLate, func(*Rank) {}, false},
		"when nobody wants that":         {Late, func(r *Rank) { r.Dismiss(0) }, false},
		"when the action is executed":    {Late, func(r *Rank) { r.Recover(Recovery{Owners: []Owner{{Action: 0, Rank: 0}}}) }, false},
		"when a rank was lost meanwhile": {Late, func(r *Rank) { r.Recover(Recovery{Lost: true}) }, false},
	} {
		r, _ := NewRank(p, 0, 2, Split)
		if e, err := r.Repeat(0, nil, c.why); err != nil || len(e.Repeat) != 1 {
			t.Fatalf("%s: %+v, %v", name, e, err)
		}
		c.before(r)
		if r.GivesOut(export) != c.gives {
			t.Errorf("%s: %v", name, !c.gives)
		}
		e, err := r.GaveOut(export)
		if (err == nil) != c.gives || slices.Contains(e.Put, Put{export, 1}) != c.gives {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if _, err := r.GaveOut(export); err == nil {
			t.Errorf("%s: it is given out again", name)
		}
	}
}

// What competes is held for what is more urgent, shares too, and goes on before what is less; what cannot be held is ended
// for anything that is ready.
func TestReliefsCompete(t *testing.T) {
	// 0, 1 and 2 are rank 1's; 3 and 4 are rank 0's and import 1 and 2. 3 is more urgent than 0, 4 less.
	for pipelined, held := range map[bool]bool{true: true, false: false} {
		p := compiles(smallPlan(t, 2, []plan.Rank{1, 1, 1, 0, 0}, nil, nil, nil, []plan.ActionID{1}, []plan.ActionID{2}), 50, 0, 0, 500, 0)
		p.Pipelined = pipelined
		r, _ := NewRank(p, 0, 1, Split)
		relief := Execution{Action: 0, Second: true}
		if e, err := r.Repeat(0, nil, Late); err != nil || len(e.Repeat) != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
		e := r.Arrived(p.Actions[2].Outputs[0]) // 4 is ready
		if held != (len(e.Start)+len(e.Threads)+len(e.Cease) == 0) {
			t.Errorf("pipelined %v: 4 is ready, and less urgent: %+v", pipelined, e)
		}
		if !held {
			continue
		}
		e = r.Arrived(p.Actions[1].Outputs[0]) // 3 is ready
		if !slices.Equal(e.Threads, []Threads{{relief, 0}}) || !slices.Equal(e.Start, []Start{{3, 1, false}}) {
			t.Errorf("3 is ready, and more urgent: %+v", e)
		}
		if e, err := r.Finished(3, true); err != nil || !slices.Equal(e.Threads, []Threads{{relief, 1}}) || len(e.Start) > 0 {
			t.Errorf("3 has ended: %+v, %v", e, err)
		}
		if tell, e, err := r.Repeated(0, true); !tell || err != nil || !slices.Equal(e.Start, []Start{{4, 1, false}}) {
			t.Errorf("what was executed in relief has ended: %v, %+v, %v", tell, e, err)
		}
	}
}

// Nobody goes on in relief after a failure.
func TestNoReliefAfterFailure(t *testing.T) {
	p := costing(smallPlan(t, 3, []plan.Rank{0, 1}, nil, nil), 10*seconds, 10*seconds)
	root := NewRoot(p, []int{1, 1, 1}, Split)
	root.Begin()
	root.relieve(0, 2)
	root.take()
	o, err := root.Done(1, 1, false)
	if err != nil || len(o.Dismiss) != 1 || o.Dismiss[0].Action != 0 || o.Dismiss[0].To != 2 {
		t.Errorf("%+v, %v", o, err)
	}
}

// Nothing is audited in blocking mode, in a build that fails, or after a failure.
func TestNotAudited(t *testing.T) {
	for seed := range uint64(40) {
		w := newWorld(t, seed, 60, 3, Blocking)
		w.audits = 1
		w.run()
		if !w.over || len(w.twice) > 0 {
			t.Fatalf("seed %d: over %v, %d actions were audited in blocking mode", seed, w.over, len(w.twice))
		}
		w = newWorld(t, seed, 60, 3, Split)
		w.audits, w.early = 1, true
		w.fail[plan.ActionID(w.rng.IntN(40))] = true
		w.run()
		if !w.over || w.root.Audits() > 0 {
			t.Fatalf("seed %d: over %v, with %d audits left", seed, w.over, w.root.Audits())
		}
	}
	p := newWorld(t, 1, 20, 2, Split).plan
	r, _ := NewRank(p, 0, 1, Split)
	if _, _, err := r.Repeated(0, true); err == nil {
		t.Error("a second execution ended that had not begun")
	}
	if _, err := r.Repeat(0, []plan.Rank{1}, ForAudit); err == nil && len(p.Actions[0].Inputs) == 0 {
		t.Error("an action without inputs has a holder of one")
	}
	if _, err := r.Repeat(plan.ActionID(len(p.Actions)-1), make([]plan.Rank, 20), ForAudit); err == nil {
		t.Error("a link is executed a second time")
	}
}
