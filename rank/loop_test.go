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

// alone is the loop of a world of one rank, which nothing has begun yet.
func alone(t *testing.T, p *plan.Plan, slots int) *loop {
	l := &loop{plan: p, slots: slots, runner: &execute.Runner{Work: t.TempDir()}, events: make(chan func() error), begun: time.Now()}
	l.exchange = exchange.New(nil, l.runner.Work, func(id int32) (exchange.File, bool) { return l.file(plan.ArtifactID(id)), true })
	l.lead = &leader{state: superstep.NewRoot(p, []int{slots}, superstep.Split), exists: make([]bool, len(p.Artifacts))}
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

// A node whose disk is full makes no statement about the code.
func TestNodeTrouble(t *testing.T) {
	for _, words := range []string{
		"# net/http\ncompile: writing output: write $WORK/b045/_pkg_.x: no space left on device\n",
		"# internal/cpu\nasm: writing output: write $WORK/b003/cpu.o: no space left on device\n",
		"# m\nlink: mapping output file failed: disk quota exceeded\n",
		"# m\ngcc: fatal error: error writing to /tmp/ccJJExPu.s: No space left on device\n",
		"# m\n/tmp/x.s: Fatal error: can't fill 256 bytes in section .data of c.o: 'No space left on device'\n",
		"# m\nopen $WORK/b001/importcfg: input/output error",
	} {
		l := &loop{plan: independent(1), runner: &execute.Runner{Work: "/local/me/distgo"}}
		err := l.finished(doneMessage{}, &execute.Failure{Output: words})
		if err == nil || failure(err).Code != ExitWorld || !strings.Contains(err.Error(), "/local/me/distgo") {
			t.Errorf("%s: exit code %d, %v", words, failure(err).Code, err)
		}
	}
	for _, words := range []string{
		"# m\n./x.go:4:2: \"no space left on device\" (untyped string constant) is not used\n",
		"# m\n./x.go:4:2: undefined: space\n",
		"",
	} {
		if trouble := nodeTrouble(words); trouble != "" {
			t.Errorf("%s: %s", words, trouble)
		}
	}
}
