package rank

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
)

// auditedBuild is a build of five packages on so many ranks, all of which are audited. The last two work in one
// directory, as actions of a package do that uses cgo: the first of them makes what the second reads there.
func auditedBuild(t *testing.T, tools string, size int) *smallBuild {
	t.Helper()
	var owners []plan.Rank
	for i := range 5 {
		owners = append(owners, plan.Rank((i+1)%size))
	}
	p := newPlan(t, tools, func(int) bool { return true }, owners, nil, []int{0}, []int{0}, []int{1, 2}, []int{3})
	inOne := strings.NewReplacer("b005/_pkg_.", "b004/second.")
	for _, f := range p.Actions[4].Outputs {
		p.Artifacts[f].Path = inOne.Replace(p.Artifacts[f].Path)
	}
	p.Actions[4].Node = "b004"
	for _, a := range []*plan.Action{&p.Actions[4], &p.Actions[5]} {
		for i := range a.Steps {
			for j := range a.Steps[i].Args {
				a.Steps[i].Args[j] = inOne.Replace(a.Steps[i].Args[j])
			}
		}
	}
	if err := p.Validate(size); err != nil {
		t.Fatal(err)
	}
	return &smallBuild{name: "audited", plan: p, slots: slices.Repeat([]int{1}, size), audit: 1}
}

// marked has a rank's compiler do something that no compiler should.
func marked(t *testing.T, rank int, what string) func([]string) {
	return func(works []string) {
		if err := os.WriteFile(filepath.Join(works[rank], what), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runAudited builds, and returns what root knows of the audits and of the actions that they are about.
func (b *smallBuild) runAudited(t *testing.T, tools string) (u *report.Report, made map[int32]report.Action, o outcome) {
	t.Helper()
	made = map[int32]report.Action{}
	b.ended = func(l *loop) {
		if l.lead == nil {
			return
		}
		u = &report.Report{Audit: l.lead.audits.report(), Seconds: l.lead.seconds, Relieved: l.lead.reliefs.taken}
		for _, a := range l.lead.records {
			made[a.ID] = a
		}
	}
	o = b.run(t, tools)
	return u, made, o
}

// All actions but links are executed a second time, by a rank that has not made them where there is one; and the program
// is what it is without.
func TestAudit(t *testing.T) {
	tools := toolDir(t)
	want := ""
	for _, size := range []int{1, 2, 3, 5, 8} {
		b := auditedBuild(t, tools, size)
		u, made, o := b.runAudited(t, tools)
		if want == "" {
			want = o.program
		}
		if err := errors.Join(o.errs...); err != nil || o.program != want || want == "" {
			t.Fatalf("%d ranks: %v, program\n%s\nexpected\n%s", size, err, o.program, want)
		}
		if !slices.Equal(u.Audit.Chosen, []int32{0, 1, 2, 3, 4}) || u.Audit.Equal != 5 || len(u.Seconds) != 5 {
			t.Errorf("%d ranks: %+v", size, u)
		}
		for _, s := range u.Seconds {
			if a := made[s.Action]; size > 1 && a.Rank == s.Rank || s.CPU == 0 || s.End < s.Start {
				t.Errorf("%d ranks: rank %d made %s, and the audit is %+v", size, a.Rank, a.Package, s)
			}
		}
	}
}

// A rank that makes something else than another ends the run, whichever of the two it is; so does one that makes nothing
// of what another made something of. Who could not try says nothing.
func TestAuditFindsDifferences(t *testing.T) {
	tools := toolDir(t)
	for name, c := range map[string]struct {
		size, rank int
		what       string
		words      []string // of the error; none where there is none
	}{
		"who made it is strange": {2, 1, "strange", []string{"the audit of p", "rank 1 (", "rank 0 (", "object", "-a"}},
		"who audits is strange":  {3, 0, "strange", []string{"the audit of p", "rank 0 (", "made different files of the same inputs", "object"}},
		"who audits refuses":     {2, 0, "refuses", []string{"the audit of p", "rank 1 (", "made it", "and rank 0 (", "says: ", "I know better"}},
		"who audits cannot try":  {3, 0, "dies", nil},
		"all is as it should be": {2, 0, "sane", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := auditedBuild(t, tools, c.size)
			b.setUp = marked(t, c.rank, c.what)
			u, _, o := b.runAudited(t, tools)
			err := o.errs[root]
			if c.words == nil {
				troubles := 0
				for _, s := range u.Seconds {
					if strings.Contains(s.Trouble, "was ended by a signal") && s.Rank == c.rank {
						troubles++
					}
				}
				if err != nil || len(u.Seconds) != 5 || len(u.Audit.Chosen) != 5 || u.Audit.Equal+troubles != 5 || (troubles > 0) != (c.what == "dies") {
					t.Errorf("%v, %+v", err, u)
				}
				return
			}
			if err == nil || failure(err).Code != ExitWorld {
				t.Fatalf("the error is %v", err)
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
		})
	}
}

// What comes out of a store is not executed, and so not audited.
func TestStoredActionsAreNotAudited(t *testing.T) {
	tools := toolDir(t)
	b := helpedBuild(t, tools, 2)
	b.plan.Helpers, b.audit = nil, 1
	b.stores = storeOf(t, tools, b)
	if u, _, o := b.runAudited(t, tools); errors.Join(o.errs...) != nil || len(u.Audit.Chosen) > 0 || len(u.Seconds) > 0 {
		t.Errorf("%v, %+v", o.errs, u)
	}
}

// The same actions are chosen whenever a run has the same name, others in another, about as many as were asked for.
func TestAuditChooses(t *testing.T) {
	const actions = 10000
	for _, c := range []struct {
		share    AuditShare
		low, top int
	}{{0, 0, 0}, {0.05, 400, 600}, {0.5, 4800, 5200}, {1, actions, actions}} {
		var chosen, other, both int
		for a := range plan.ActionID(actions) {
			one, two := c.share.chooses("one", a), c.share.chooses("two", a)
			if one != c.share.chooses("one", a) {
				t.Fatalf("action %d is chosen or not", a)
			}
			if one {
				chosen++
			}
			if two {
				other++
			}
			if one && two {
				both++
			}
		}
		if chosen < c.low || chosen > c.top || other < c.low || other > c.top || c.share == 0.5 && both > 2700 {
			t.Errorf("%v: %d and %d of %d actions are chosen, %d in both runs", c.share, chosen, other, actions, both)
		}
	}
}

func TestAuditShare(t *testing.T) {
	for text, want := range map[string]AuditShare{"5%": 0.05, "0.5%": 0.005, "100%": 1, "0%": 0} {
		var s AuditShare
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "5", "%", "five%", "-1%", "101%", "NaN%", "Inf%", "5%%"} {
		var s AuditShare
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	r := run{cfg: Config{Audit: 0.05, Mode: superstep.Blocking}}
	if err := r.mayAudit(); err == nil || failure(err).Code != ExitUsage {
		t.Errorf("in blocking mode: %v", err)
	}
}

const audited = `package main

// static int twice(int n) { return 2*n; }
import "C"

func main() { println(C.twice(21)) }
`

// Whatever tools make of a whole program, C compilers among them, they make again on another rank, from the same files or
// from what was sent there; what only root can make, root makes again.
func TestAuditedWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime twice")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no C compiler")
	}
	w := newWholeWorld(t, 3, audited)
	output, reported := filepath.Join(w.project, "made"), filepath.Join(w.project, "report.json")
	w.change = func(cfg *Config) {
		cfg.All, cfg.Audit, cfg.SendFiles = true, 1, true
		cfg.Request.Output, cfg.Report = output, reported
	}
	if err := errors.Join(w.run(t.Context(), t)...); err != nil {
		t.Fatalf("%v\n%s", err, w.words.String())
	}
	r := readReport(t, reported)
	if n := len(r.Actions) - 1; r.Audit == nil || len(r.Audit.Chosen) != n || r.Audit.Equal != n || len(r.Seconds) != n || n < 40 {
		t.Fatalf("%d actions beside the link, the audit is %+v", n, r.Audit)
	}
	away, own := 0, 0
	for _, s := range r.Seconds {
		made := r.Actions[slices.IndexFunc(r.Actions, func(a report.Action) bool { return a.ID == s.Action })]
		if s.Rank != root {
			away++
		}
		if s.Rank == made.Rank {
			own++
			if made.Kind == plan.Compile.String() && made.Package != "runtime/cgo" && made.Package != "example.com/tiny" {
				t.Errorf("rank %d made %s and audits it", s.Rank, made.Package)
			}
		}
	}
	if away == 0 || own == 0 {
		t.Errorf("%d audits were made elsewhere than at root, %d by who made the action", away, own)
	}
	if out, err := exec.Command(output).CombinedOutput(); err != nil || string(out) != "42\n" {
		t.Errorf("the program says %q, %v", out, err)
	}
}

// What an action reads from its own directory is found in the directory aside, also when that was there before.
func TestPrepareAside(t *testing.T) {
	p := auditedBuild(t, t.TempDir(), 2).plan
	l := &loop{plan: p, runner: &execute.Runner{Work: t.TempDir()}}
	a := &p.Actions[4]
	b := aside(a, "-again")
	if err := l.runner.Prepare(a); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.runner.Work, "b004", "_pkg_.x"), []byte("export"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.prepareAside(a, &b); err != nil {
			t.Fatal(err)
		}
	}
	last := b.Steps[0].Args[len(b.Steps[0].Args)-1]
	if last != "$WORK/b004-again/_pkg_.x" {
		t.Fatalf("aside, %s is read", last)
	}
	if text, err := os.ReadFile(filepath.Join(l.runner.Work, "b004-again", "_pkg_.x")); err != nil || string(text) != "export" {
		t.Errorf("there is %q, %v", text, err)
	}
}
