package superstep

import (
	"fmt"
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
	reliefs := 0
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
				}
			}
		}
	}
	if reliefs == 0 {
		t.Error("no rank was relieved")
	}
	t.Logf("%d actions were given up for what another had made", reliefs)
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
	if _, err := r.Repeat(0, []plan.Rank{1}, false); err == nil && len(p.Actions[0].Inputs) == 0 {
		t.Error("an action without inputs has a holder of one")
	}
	if _, err := r.Repeat(plan.ActionID(len(p.Actions)-1), make([]plan.Rank, 20), false); err == nil {
		t.Error("a link is executed a second time")
	}
}
