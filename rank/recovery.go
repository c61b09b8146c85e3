package rank

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/transport"
)

// isLost reports whether a message could not be sent because its receiver is
// gone.
func isLost(err error) bool {
	_, ok := errors.AsType[*transport.LostError](err)
	return ok
}

// size is how many ranks there are.
func (l *loop) size() int {
	if l.world == nil {
		return 1
	}
	return l.world.Size()
}

// lost is what root does when a rank can no longer be reached, by root or by
// the rank that says so: it is left out.
func (l *loop) lost(by plan.Rank, m cutOffMessage) error {
	if m.Rank <= root || int(m.Rank) >= l.size() || !l.lead.state.Alive(m.Rank) {
		return nil
	}
	farewell := ""
	if by != l.self {
		farewell = fmt.Sprintf("rank %d was left out: rank %d cannot reach it", m.Rank, by)
	}
	return l.leaveOut(m.Rank, m.Cause, farewell)
}

// leaveOut goes on without a rank. It is told so, in case it lives, and then
// ends as if all were well: launchers end a run of which a rank fails.
func (l *loop) leaveOut(r plan.Rank, cause, farewell string) error {
	l.lead.progress.Say("distgo: going on without rank %d (%s): %s", r, l.world.Peer(transport.Rank(r)).Host, cause)
	if farewell != "" {
		if err := l.send(r, kindAbort, abortMessage{ExitBuilt, farewell}); err != nil {
			return err
		}
	}
	return l.orders(l.lead.state.Lost(r), nil)
}

// surveyed answers root's question what is here.
func (l *loop) surveyed(s superstep.Survey) error {
	for _, f := range s.Artifacts {
		if f < 0 || int(f) >= len(l.plan.Artifacts) {
			return fmt.Errorf("a survey asks for artifact %d of %d", f, len(l.plan.Artifacts))
		}
	}
	return l.tell(kindHeld, surveyMessage{s.Epoch, l.rank.Surveyed(s)})
}

// reassign tells every rank what root decided after a loss.
func (l *loop) reassign(rec superstep.Recovery) error {
	moved := 0
	for _, o := range rec.Owners {
		if !o.Stays {
			moved++
		}
	}
	if rec.Lost {
		l.lead.progress.Say("distgo: %d actions go to other ranks, %d of them are executed again", moved, rec.Redone)
	}
	for to := range l.size() {
		if !l.lead.state.Alive(plan.Rank(to)) {
			continue
		}
		m := recoverMessage{Recovery: rec}
		for _, o := range rec.Owners {
			if o.Rank == plan.Rank(to) && !o.Stays {
				m.Steps = append(m.Steps, actionSteps{o.Action, l.lead.steps[o.Action]})
			}
		}
		if plan.Rank(to) == l.self {
			l.later(func() error { return l.recover(m) })
		} else if err := l.send(plan.Rank(to), kindRecover, m); err != nil {
			return err
		}
	}
	return nil
}

// recover takes on what root decided.
func (l *loop) recover(m recoverMessage) error {
	for _, o := range m.Recovery.Owners {
		if o.Action < 0 || int(o.Action) >= len(l.plan.Actions) || o.Rank < 0 || int(o.Rank) >= l.size() {
			return fmt.Errorf("action %d of %d went to rank %d", o.Action, len(l.plan.Actions), o.Rank)
		}
	}
	for _, h := range m.Recovery.Holders {
		if h.Artifact < 0 || int(h.Artifact) >= len(l.plan.Artifacts) {
			return fmt.Errorf("artifact %d of %d has a holder", h.Artifact, len(l.plan.Artifacts))
		}
	}
	for _, s := range m.Steps {
		if s.ID < 0 || int(s.ID) >= len(l.plan.Actions) {
			return fmt.Errorf("commands for action %d of %d", s.ID, len(l.plan.Actions))
		}
		if err := l.plan.Actions[s.ID].ValidateSteps(s.Steps); err != nil {
			return err
		}
		l.plan.Actions[s.ID].Steps = s.Steps
	}
	return l.effects(l.rank.Recover(m.Recovery), nil)
}

// makeAgain executes an action of a lost rank some of whose outputs are here
// and may be being read. It works in a directory of its own and adds what is
// missing.
func (l *loop) makeAgain(ctx context.Context, a *plan.Action, threads *execute.Threads, m *doneMessage) error {
	elsewhere := aside(a, "-again")
	if err := l.prepareAside(a, &elsewhere); err != nil {
		return err
	}
	result, err := l.execute(ctx, &elsewhere, threads, execute.Moments{})
	m.End = l.now()
	m.CPU, m.RSS, m.Commands, m.Output = result.CPU.Microseconds(), result.MaxRSS, result.Commands, result.Output
	if err != nil {
		return err
	}
	return l.fill(a, elsewhere.Node, m)
}

// prepareAside makes the directory of b, which is a aside. What a reads from its
// own directory, where several actions of one package work that uses cgo, is to
// be found there too.
func (l *loop) prepareAside(a, b *plan.Action) error {
	if err := l.runner.Prepare(b); err != nil {
		return err
	}
	for _, in := range a.Inputs {
		path := l.plan.Artifacts[in].Path
		name, own := strings.CutPrefix(path, a.Node+"/")
		if !own {
			continue
		}
		place := filepath.Join(l.runner.Work, b.Node, name)
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join(l.runner.Work, path), place); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// aside is an action that works in another directory than a, whose name ends so.
func aside(a *plan.Action, suffix string) plan.Action {
	b := *a
	b.Node = a.Node + suffix
	move := strings.NewReplacer(transcript.Work+a.Node+"/", transcript.Work+b.Node+"/", transcript.Work+a.Node+"=", transcript.Work+b.Node+"=")
	b.Steps = slices.Clone(a.Steps)
	for i := range b.Steps {
		s := &b.Steps[i]
		s.Args = slices.Clone(s.Args)
		for j := range s.Args {
			s.Args[j] = move.Replace(s.Args[j])
		}
		s.Body, s.Stdout = move.Replace(s.Body), move.Replace(s.Stdout)
		if s.Dir == transcript.Work+a.Node {
			s.Dir = transcript.Work + b.Node
		} else {
			s.Dir = move.Replace(s.Dir)
		}
	}
	return b
}
