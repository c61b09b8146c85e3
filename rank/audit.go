package rank

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/transport"
)

// An audit takes nobody's word for what a compile makes: a share of the actions
// that were executed is executed a second time, on another rank where there is
// one (see second.go), and the digests of all outputs are compared. What differs
// was made by a node that cannot be relied upon, or by a tool that does not make
// the same of the same, and ends the run.

// AuditShare is how many of the executed actions are audited, from 0 to 1.
type AuditShare float64

// UnmarshalText reads a percentage: "5%".
func (s *AuditShare) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("%q is no share of the actions: give a percentage, as in 5%%", text)
	}
	*s = AuditShare(percent / 100)
	return nil
}

// chooses reports whether an action of a run is audited: the same ones in every
// run of that name and plan.
func (s AuditShare) chooses(run string, a plan.ActionID) bool {
	sum := sha256.Sum256(fmt.Appendf(nil, "distgo audit\x00%s\x00%d", run, a))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11)/(1<<53) < float64(s)
}

// audits is what root knows of them. It belongs to the loop.
type audits struct {
	share AuditShare
	run   string // its ID
	made  map[plan.ActionID]made
	equal int  // of those, that came out the same
	said  bool // that the run waits for audits
}

// made is who made an action, and what.
type made struct {
	by      plan.Rank
	digests [][]byte
}

// mayAudit refuses --audit where nothing could be audited.
func (r *run) mayAudit() error {
	if r.cfg.Audit > 0 && r.cfg.Mode == superstep.Blocking {
		return usage("--audit needs --barrier=split: in blocking mode no rank executes anything but its own actions")
	}
	return nil
}

// audit notes what an action made that is about to end, if it is one of those
// that are audited.
func (l *loop) audit(on plan.Rank, m doneMessage, compared bool) error {
	a, u := &l.plan.Actions[m.Action], l.lead.audits
	if u == nil || !m.OK || m.Cached || a.Kind == plan.Link || !u.share.chooses(u.run, a.ID) {
		return nil
	}
	if len(m.Digests) != len(a.Outputs) || slices.ContainsFunc(m.Digests, func(d []byte) bool { return len(d) == 0 }) {
		return usage("%s does not tell what it made: start all ranks with the same --audit", l.who(on))
	}
	_, again := u.made[a.ID] // after a loss
	u.made[a.ID] = made{on, m.Digests}
	if compared && !again {
		u.equal++ // with what was made in its relief
	}
	if !again {
		l.lead.state.Audit(a.ID)
	}
	return nil
}

// audited is what root does when an action was executed a second time.
func (l *loop) audited(by plan.Rank, m repeatedMessage) error {
	awaited, orders := l.lead.state.Repeated(m.Action, by, true)
	if !awaited {
		return nil
	}
	a, u := &l.plan.Actions[m.Action], l.lead.audits
	first := u.made[m.Action]
	l.lead.seconds = append(l.lead.seconds, l.secondRecord(by, m, false))
	switch {
	case m.Trouble != "":
		l.lead.progress.Say("distgo: %s is not audited: %s: %s", a.Package, l.who(by), m.Trouble)
	case m.Refused:
		return l.unequal("audit", a, first.by, by, fmt.Sprintf("%s made it, and %s says: %s", l.who(first.by), l.who(by), strings.TrimSpace(m.Output)))
	case !slices.EqualFunc(m.Digests, first.digests, slices.Equal):
		return l.unequal("audit", a, first.by, by, l.difference(a, first, made{by, m.Digests}))
	default:
		u.equal++
	}
	return l.orders(orders, nil)
}

// difference says which of an action's outputs differ.
func (l *loop) difference(a *plan.Action, first, second made) string {
	if len(second.digests) != len(a.Outputs) {
		return fmt.Sprintf("%s made %d files, %s %d", l.who(first.by), len(first.digests), l.who(second.by), len(second.digests))
	}
	var differ []string
	for i, out := range a.Outputs {
		if f := &l.plan.Artifacts[out]; !slices.Equal(first.digests[i], second.digests[i]) {
			differ = append(differ, fmt.Sprintf("its %s (%s) is %.12x and %.12x", f.Kind, f.Path, first.digests[i], second.digests[i]))
		}
	}
	return fmt.Sprintf("%s and %s made different files of the same inputs: %s", l.who(first.by), l.who(second.by), strings.Join(differ, ", "))
}

// unequal ends the run: two executions of an action did not come to the same.
func (l *loop) unequal(kind string, a *plan.Action, first, second plan.Rank, what string) error {
	cause := "One of these nodes, its memory or its disk, is not to be trusted"
	remedy := "build again without the one and without the other of these nodes"
	if first == second {
		cause, remedy = "This node, its memory or its disk, is not to be trusted", "build again on another node"
	}
	targets := ""
	if l.lead.state.Left() == 0 {
		for _, target := range l.plan.Targets() {
			targets += fmt.Sprintf(" %s was linked of it: do not use that.", target)
		}
	}
	return &nodeError{fmt.Sprintf("the %s of %s: %s.%s %s, unless a file that is compiled was changed during the run or a tool does not make the same of the same. To find out, %s, with -a: the stores may hold either",
		kind, a.Package, what, targets, cause, remedy)}
}

// who names a rank and its node.
func (l *loop) who(rank plan.Rank) string {
	if l.world == nil {
		return fmt.Sprintf("rank %d", rank)
	}
	return fmt.Sprintf("rank %d (%s)", rank, l.world.Peer(transport.Rank(rank)).Host)
}

// sayWaiting tells, once, that all is executed and the run goes on.
func (l *loop) sayWaiting() {
	if u, n := l.lead.audits, l.lead.state.Audits(); u != nil && n > 0 && l.lead.state.Left() == 0 && !u.said {
		u.said = true
		l.lead.progress.Say("distgo: all is executed; %d of %d audits are still to be waited for", n, len(u.made))
	}
}

// report is what the audits came to; nil where there were none to be.
func (u *audits) report() *report.Audit {
	if u == nil {
		return nil
	}
	r := &report.Audit{Share: float64(u.share), Seed: u.run, Equal: u.equal}
	for _, a := range slices.Sorted(maps.Keys(u.made)) {
		r.Chosen = append(r.Chosen, int32(a))
	}
	return r
}

// secondRecord is the record of a second execution.
func (l *loop) secondRecord(by plan.Rank, m repeatedMessage, relief bool) report.Second {
	return report.Second{
		Action: int32(m.Action), Relief: relief, Rank: int(by), Slot: m.Slot, Start: m.Start, End: m.End, CPU: m.CPU, RSS: m.RSS, Held: m.Held, Trouble: m.Trouble,
	}
}

// digests are of what an action made, empty where they are not known.
func (l *loop) digests(a *plan.Action) [][]byte {
	all := make([][]byte, len(a.Outputs))
	for i, out := range a.Outputs {
		if d, ok := l.exchange.Digest(l.file(out)); ok {
			all[i] = d[:]
		}
	}
	return all
}
