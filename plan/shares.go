package plan

import (
	"fmt"
	"slices"

	"github.com/badbubble/distgo/plan/transcript"
)

// The functions of a package are compiled one by one once the front end is
// through, and can be divided: into share 0, which its own compile does, and
// one for each helper, Helpers[a][j-1] for share j. A share is a hint: a compile
// that does not have one does that part too, and its bytes are the same.

// MaxShares is into how many shares a package's functions are divided at most.
// Each helper repeats the front end, a quarter of a compile: more bring nothing.
const MaxShares = 8

// HelpersOf lists the helpers of an action, share 1's first.
func (p *Plan) HelpersOf(a ActionID) []Rank {
	if len(p.Helpers) == 0 {
		return nil
	}
	return p.Helpers[a]
}

// Share is the number of the share that a rank compiles of an action, 0 for a
// rank that does not help, and into how many shares the action is divided.
func (p *Plan) Share(a ActionID, rank Rank) (share, of int) {
	helpers := p.HelpersOf(a)
	return slices.Index(helpers, rank) + 1, len(helpers) + 1
}

// ShareUrgency is to an action's share what Priority is to the action: the cost of
// the longest chain that it is at the beginning of, its front end included.
func (p *Plan) ShareUrgency(a ActionID) int64 { return p.Actions[a].Lead + p.BackEndUrgency(a) }

// BackEndUrgency is that of an action whose front end is through: the cost of the
// longest chain that its functions are at the beginning of, as many as its helpers
// leave to it.
func (p *Plan) BackEndUrgency(a ActionID) int64 {
	action := &p.Actions[a]
	return (action.Cost-action.Lead)/int64(len(p.HelpersOf(a))+1) + p.afterObject(a)
}

// Slack is how long an action's object can be on its way before the end of the build
// waits for it, since that waits for the chain of the action's importers too.
func (p *Plan) Slack(a ActionID) int64 {
	return p.Priority[a] - p.Actions[a].Cost - p.afterObject(a)
}

// afterObject is the cost of the longest chain that begins with what reads an action's
// object.
func (p *Plan) afterObject(a ActionID) (after int64) {
	for _, out := range p.Actions[a].Outputs {
		f := &p.Artifacts[out]
		if f.Kind != Object {
			continue
		}
		for _, c := range f.Consumers {
			after = max(after, p.Priority[c])
		}
	}
	return after
}

// CompileStep is the index of the only command of a that runs the compiler, -1
// where there is none or more than one.
func (a *Action) CompileStep() int {
	step := -1
	for i := range a.Steps {
		switch {
		case !isTool(&a.Steps[i], "compile"):
		case step >= 0:
			return -1
		default:
			step = i
		}
	}
	return step
}

// MayBeShared reports whether helpers can do a part of an action.
func (p *Plan) MayBeShared(a ActionID) bool {
	action := &p.Actions[a]
	return p.Pipelined && action.Kind == Compile && (len(action.Steps) == 0 || action.CompileStep() >= 0)
}

// MayBegin reports whether an action can be begun on its imports' types: it is a
// compile before which nothing runs that takes long.
func (p *Plan) MayBegin(a ActionID) bool {
	if !p.MayBeShared(a) {
		return false
	}
	action := &p.Actions[a]
	for i := range max(0, action.CompileStep()) {
		if c := &action.Steps[i]; c.Op == transcript.Run && !isTool(c, "asm") {
			return false
		}
	}
	return true
}

func (p *Plan) validateHelpers(size int) error {
	if p.Helpers == nil {
		return nil
	}
	if len(p.Helpers) != len(p.Actions) {
		return fmt.Errorf("plan of %d actions has helpers of %d", len(p.Actions), len(p.Helpers))
	}
	for i, helpers := range p.Helpers {
		a := &p.Actions[i]
		if len(helpers) >= MaxShares {
			return fmt.Errorf("action %d of the plan is divided into %d shares, at most %d are possible", i, len(helpers)+1, MaxShares)
		}
		if len(helpers) > 0 && !p.MayBeShared(a.ID) {
			return fmt.Errorf("action %d of the plan, a %s, has helpers, and cannot be shared", i, a.Kind)
		}
		for j, h := range helpers {
			if h < 0 || int(h) >= size || h == p.Owner[i] || slices.Contains(helpers[:j], h) {
				return fmt.Errorf("action %d of rank %d is helped by ranks %v of %d", i, p.Owner[i], helpers, size)
			}
		}
	}
	return nil
}
