package rank

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/transport"
)

// maxTroubles is how many actions a rank may give back before it is left out.
// One may be the action's fault, or the moment's; of two, the rank is what they
// have in common.
const maxTroubles = 2

// alteredError says that a file changed while an action read it.
type alteredError struct{ text string }

func (e *alteredError) Error() string { return e.text }

// unaltered makes sure that what an action read is what was verified before: artifacts are links of files in the store,
// and those can be damaged meanwhile. Another rank may make the action from sound files; if its export data was given
// out already, the run ends.
func (l *loop) unaltered(a *plan.Action, m *doneMessage) error {
	for _, in := range a.Inputs {
		if l.exchange.Altered(l.file(in)) {
			f := &l.plan.Artifacts[in]
			m.Tainted = m.Exported != 0
			return &alteredError{fmt.Sprintf("%s of %s was changed while %s was made from it; somebody, or the disk, damages files of the store (the next run makes them anew)",
				f.Path, l.plan.Actions[f.Producer].Package, a.Package)}
		}
	}
	return nil
}

// A shortage is what the system refuses for want of something that another node,
// or another moment, may have.
var shortages = [...]syscall.Errno{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, // in the scratch directory
	syscall.ENOMEM, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, // memory, processes, descriptors
}

// nodeTrouble says what kept the node from executing a, if it was the node.
// Lasting trouble does not depend on what is executed.
func (l *loop) nodeTrouble(a *plan.Action, err error) (trouble string, lasting bool) {
	failed, ok := errors.AsType[*execute.Failure](err)
	altered, changed := errors.AsType[*alteredError](err)
	switch {
	case err == nil:
		return "", false
	case changed:
		return altered.text, false
	case ok && failed.Signal != "":
		return fmt.Sprintf("a tool compiling %s was ended by a signal (%s) that distgo did not send (is the node out of memory?)", a.Package, failed.Signal), false
	case ok:
		if what := shortageIn(failed.Output); what != "" {
			return fmt.Sprintf("a tool compiling %s had %s, in or near the scratch directory %s (--scratch names another)", a.Package, what, l.runner.Work), true
		}
	default:
		if i := slices.IndexFunc(shortages[:], func(e syscall.Errno) bool { return errors.Is(err, e) }); i >= 0 {
			return fmt.Sprintf("making %s: %v; the scratch directory is %s (--scratch names another)", a.Package, err, l.runner.Work), true
		}
	}
	return "", false
}

// shortageIn finds in the words of a tool that failed what says nothing about
// the code it was given: the system's own words, which tools put last in a line,
// and those of Go's runtime.
func shortageIn(output string) string {
	for line := range strings.Lines(strings.ToLower(output)) { // the C library's begin with a capital
		line = strings.TrimRight(line, "'\n")
		if strings.HasPrefix(line, "fatal error: runtime: out of memory") || strings.HasPrefix(line, "fatal error: runtime: cannot allocate memory") {
			return "not enough memory"
		}
		if strings.Contains(line, " signal terminated program ") { // gcc about what it started
			return "a part of it ended by a signal"
		}
		for _, e := range shortages {
			before, found := strings.CutSuffix(line, strings.ToLower(e.Error()))
			if found && strings.HasSuffix(strings.TrimRight(before, "'"), ": ") {
				return e.Error()
			}
		}
	}
	return ""
}

// givenBack is what root does about an action that a rank could not execute:
// another rank tries. Where the action is the only thing that both trials have
// in common, the run ends; where the rank is, it is left out.
func (l *loop) givenBack(on plan.Rank, m doneMessage) error {
	d := l.lead
	a := &l.plan.Actions[m.Action]
	before := slices.Clone(d.state.Tried(a.ID))
	who := fmt.Sprintf("rank %d", on)
	if l.world != nil {
		who += fmt.Sprintf(" (%s)", l.world.Peer(transport.Rank(on)).Host)
	}
	if m.Tainted {
		return &nodeError{who + ": " + m.Trouble}
	}
	again := slices.Contains(before, on)
	if again || len(before) > 0 && !m.Lasting {
		return &nodeError{fmt.Sprintf("%s: %s; it was tried before, on rank %d", who, m.Trouble, before[len(before)-1])}
	}
	d.progress.Say("distgo: %s: %s; it is tried again", who, m.Trouble)
	if err := l.orders(d.state.GaveBack(a.ID, on)); err != nil {
		return err
	}
	if d.troubles[on]++; d.troubles[on] < maxTroubles || on == root {
		return nil
	}
	cause := fmt.Sprintf("it could not execute %d actions", d.troubles[on])
	if d.abortOnLoss {
		return &nodeError{who + ": " + cause}
	}
	return l.leaveOut(on, cause, who+" was left out: "+cause)
}
