package rank

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
)

// patience bounds what a test waits for: far above what it takes, below the test binary's own limit.
const patience = 30 * time.Second

// independent is a plan of n actions on root that have nothing to do with each other; their commands are steps.
func independent(n int, steps ...transcript.Command) *plan.Plan {
	p := &plan.Plan{Owner: make([]plan.Rank, n), Priority: make([]int64, n)}
	for i := range n {
		p.Actions = append(p.Actions, plan.Action{
			ID: plan.ActionID(i), Kind: plan.Compile, Package: fmt.Sprintf("p%d", i), Node: fmt.Sprintf("b%03d", i+1), Steps: steps,
		})
	}
	return p
}

// thereAlready stands for makeScratch where the test has made the directory.
func thereAlready() error { return nil }

// alone is the loop of a world of one rank, which nothing has begun yet.
func alone(t *testing.T, p *plan.Plan, slots int) *loop {
	l := &loop{plan: p, slots: slots, runner: &execute.Runner{Work: t.TempDir()}, events: make(chan func() error), begun: time.Now(), makeScratch: thereAlready}
	l.exchange = exchange.New(nil, l.runner.Work, func(id int32) (exchange.File, bool) { return l.file(plan.ArtifactID(id)), true })
	l.lead = &leader{state: superstep.NewRoot(p, []int{slots}, superstep.Split), troubles: make([]int, 1)}
	for i := range p.Actions {
		l.lead.steps = append(l.lead.steps, p.Actions[i].Steps)
	}
	l.ctx, l.cancel = context.WithCancelCause(t.Context())
	return l
}

// ended runs the loop and returns its error.
func ended(t *testing.T, l *loop) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- l.run(superstep.Split) }()
	select {
	case err := <-done:
		l.keeps.Wait()
		return err
	case <-time.After(patience):
		t.Fatal("the loop does not end")
		return nil
	}
}

// A loop that fails waits for its tools, which tell it of their ends. They must not wait for it in turn.
func TestLoopFailsWhileToolsRun(t *testing.T) {
	l := alone(t, independent(4, transcript.Command{Op: 99}), 4)
	if err := ended(t, l); err == nil || !strings.Contains(err.Error(), "unknown kind 99") {
		t.Fatalf("the loop ended with %v", err)
	}
}

func TestLoopAlone(t *testing.T) {
	l := alone(t, independent(5, transcript.Command{Op: transcript.Mkdir, Args: []string{"$WORK/b001/x"}}), 2)
	if err := ended(t, l); err != nil {
		t.Fatal(err)
	}
	if !l.over || !l.built || len(l.lead.records) != 5 {
		t.Errorf("over %v, built %v, %d actions recorded", l.over, l.built, len(l.lead.records))
	}
}
