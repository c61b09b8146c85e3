package rank

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/report"
)

// slowBuild is a build in which rank 1 dawdles over p1 when its export data is out, for so many hundredths of a second,
// and root takes it to be slow with that as soon as it sees that.
func slowBuild(t *testing.T, tools string, dawdle string, setUp ...func([]string)) *smallBuild {
	t.Helper()
	p := newPlan(t, tools, func(int) bool { return true }, []plan.Rank{0, 1, 2, 2}, nil, []int{0}, []int{1}, []int{2})
	return &smallBuild{
		name: "slow", plan: p, slots: []int{1, 1, 4}, // so that it is rank 2 that idles most
		slow: func(d *leader, on plan.Rank, a *plan.Action) bool {
			return on == 1 && a.ID == 1 && slices.ContainsFunc(d.records, func(r report.Action) bool { return r.ID == 2 }) // which read that export data
		},
		setUp: func(works []string) {
			if err := os.WriteFile(filepath.Join(works[1], "dawdles"), []byte(dawdle), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, f := range setUp {
				f(works)
			}
		},
	}
}

const forever = "2000" // twenty seconds

// What a slow rank does not get done, an idle one makes, and the program is what it is without; audits included.
func TestRelief(t *testing.T) {
	tools := toolDir(t)
	sane := slowBuild(t, tools, "0")
	sane.slow = func(*leader, plan.Rank, *plan.Action) bool { return false }
	want := sane.run(t, tools).program
	for i, share := range []AuditShare{0, 1, 0, 1} {
		b := slowBuild(t, tools, forever)
		b.audit = share
		if i >= 2 { // before any export data is there
			b.slow = func(_ *leader, on plan.Rank, a *plan.Action) bool { return on == 1 && a.ID == 1 }
		}
		r, made, o := b.runAudited(t, tools)
		if errors.Join(o.errs...) != nil || o.program != want {
			t.Fatalf("%v, program\n%s\nexpected\n%s", o.errs, o.program, want)
		}
		if r.Relieved != 1 || made[1].Rank == 1 || made[1].CPU == 0 {
			t.Errorf("%d actions were taken from slow ranks, p1 is %+v", r.Relieved, made[1])
		}
		if share == 1 && (r.Audit.Equal != 4 || len(r.Seconds) != 4) {
			t.Errorf("%+v, %+v", r.Audit, r.Seconds)
		}
	}
}

// What was made in relief, and used, is in the store of who made it.
func TestRelievedIsKept(t *testing.T) {
	tools, filled := toolDir(t), t.TempDir()
	b := slowBuild(t, tools, forever)
	b.stores = t.TempDir()
	b.kept = func(stores string) {
		if err := os.CopyFS(filepath.Join(filled, "2"), os.DirFS(filepath.Join(stores, "2"))); err != nil {
			t.Fatal(err)
		}
	}
	if r, _, o := b.runAudited(t, tools); errors.Join(o.errs...) != nil || r.Relieved != 1 {
		t.Fatalf("%v, %d actions were taken from slow ranks", o.errs, r.Relieved)
	}
	b = slowBuild(t, tools, "0")
	b.stores, b.slow = filled, nil
	if _, made, o := b.runAudited(t, tools); errors.Join(o.errs...) != nil || !made[1].Cached {
		t.Errorf("%v, p1 is %+v in the next run", o.errs, made[1])
	}
}

// A relief that comes to nothing is no harm: who is slow ends first, or the reliever cannot execute the action.
func TestReliefInVain(t *testing.T) {
	tools := toolDir(t)
	sane := slowBuild(t, tools, "0")
	want := sane.run(t, tools).program
	for name, setUp := range map[string]func([]string){
		"they die":    func(works []string) { marked(t, 0, "dies")(works); marked(t, 2, "dies")(works) },
		"they refuse": func(works []string) { marked(t, 0, "refuses")(works); marked(t, 2, "refuses")(works) },
	} {
		b := slowBuild(t, tools, "50", setUp)
		r, made, o := b.runAudited(t, tools)
		if errors.Join(o.errs...) != nil || o.program != want || r.Relieved != 0 || made[1].Rank != 1 || len(r.Seconds) == 0 {
			t.Errorf("%s: %v, %d relieved, p1 is %+v, %+v, program\n%s", name, o.errs, r.Relieved, made[1], r.Seconds, o.program)
		}
	}
}

// What a slow rank has not begun is not left to it, and the program is what it is where no rank is slow.
func TestWithdrawn(t *testing.T) {
	tools := toolDir(t)
	p := newPlan(t, tools, func(int) bool { return true }, []plan.Rank{0, 1, 1, 2}, nil, []int{0}, []int{1}, nil)
	for i := range p.Actions {
		p.Actions[i].Cost, p.Actions[i].Lead = 1_000_000, 1_000_000
	}
	p.Priority = plan.BottomLevels(p)
	b := &smallBuild{name: "withdrawn", plan: p, slots: []int{1, 1, 1}}
	want := b.run(t, tools).program
	b.times = []int64{1, 10, 1}
	r, made, o := b.runAudited(t, tools)
	if errors.Join(o.errs...) != nil || o.program != want || r.Relieved > 0 {
		t.Fatalf("%v, %d relieved, program\n%s\nexpected\n%s", o.errs, r.Relieved, o.program, want)
	}
	if made[1].Rank == 1 || made[2].Rank == 1 {
		t.Errorf("rank 1 is slow, p1 is %+v, p2 %+v", made[1], made[2])
	}
}

// What is made in relief is what the slow rank has given out, or the run ends.
func TestReliefDiffers(t *testing.T) {
	tools := toolDir(t)
	b := slowBuild(t, tools, forever, func(works []string) {
		marked(t, 0, "strangers")(works)
		marked(t, 2, "strangers")(works)
	})
	o := b.run(t, tools)
	err := o.errs[root]
	if err == nil || failure(err).Code != ExitWorld || !strings.Contains(err.Error(), "its export (") || !strings.Contains(err.Error(), "p1") {
		t.Errorf("%v, program\n%s", err, o.program)
	}
}
