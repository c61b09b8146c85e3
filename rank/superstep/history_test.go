package superstep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
)

// A defect ends an exploration: what is wrong, and how it came to that.
type defect struct {
	what  string
	trail []string
}

func (d *defect) Error() string {
	if len(d.trail) == 0 {
		return d.what
	}
	return d.what + "; after\n\t" + strings.Join(d.trail, "\n\t")
}

// A history is a state in the making: one event and what follows from it at once.
type history struct {
	*cosmos
	x     *exploration
	queue []func() // what root tells itself
}

func (h *history) fail(format string, args ...any) {
	panic(&defect{what: fmt.Sprintf(format, args...)})
}

func (h *history) check(err error) {
	if err != nil {
		h.fail("%v", err)
	}
}

func (h *history) settle() {
	for len(h.queue) > 0 {
		f := h.queue[0]
		h.queue = h.queue[1:]
		f()
	}
}

func (h *history) send(from, to plan.Rank, m message) {
	switch {
	case h.dead[from] || h.dead[to]:
	case from == to:
		h.queue = append(h.queue, func() { h.deliver(from, to, m) })
	default:
		l := &h.links[int(from)*len(h.ranks)+int(to)]
		*l = append(*l, m)
	}
}

func (h *history) all(m message) {
	for to := range h.ranks {
		h.send(0, plan.Rank(to), m)
	}
}

func (h *history) effects(self plan.Rank, e Effects, err error) {
	h.check(err)
	for _, p := range e.Put {
		h.send(self, p.To, message{op: opPut, n: int32(p.Artifact)})
	}
	for _, w := range e.Want {
		h.send(self, w.From, message{op: opWant, n: int32(w.Artifact)})
	}
	for _, p := range e.Types {
		h.send(self, p.To, message{op: opTypes, n: int32(p.Artifact)})
	}
	for _, id := range e.Quit {
		h.quit(self, id)
	}
	for _, t := range e.Threads {
		h.hold(self, t)
	}
	for _, s := range e.Start {
		if i := h.begun(self, s.Action); i >= 0 {
			if j := &h.jobs[self][i]; j.quit || j.joined {
				h.fail("rank %d started %s while a head start runs that is of no use", self, h.x.plan.Actions[s.Action].Package)
			}
			h.jobs[self][i].joined = true
		}
		a := &h.x.plan.Actions[s.Action]
		for _, in := range a.Inputs {
			if !h.ranks[self].Holds(in) {
				h.fail("rank %d started %s without %s", self, a.Package, h.x.plan.Artifacts[in].Path)
			}
		}
		if h.x.mode == Blocking && a.Group > h.ranks[self].committed {
			h.fail("rank %d started %s of group %d after %d barriers", self, a.Package, a.Group, h.ranks[self].committed)
		}
		j := job{action: s.Action, exported: s.Again}
		if i := h.pausedAt(self, s.Action); i >= 0 {
			j.typed = h.paused[self][i].typed
			h.paused[self] = slices.Delete(h.paused[self], i, i+1)
		}
		h.jobs[self] = append(h.jobs[self], j)
		if !s.Again {
			h.tell(self, s.Action, opCall)
		}
	}
	for _, help := range e.Help {
		a := &h.x.plan.Actions[help.Action]
		for _, in := range a.Inputs {
			if !h.ranks[self].Holds(in) {
				h.fail("rank %d helps %s without %s", self, a.Package, h.x.plan.Artifacts[in].Path)
			}
		}
		h.jobs[self] = append(h.jobs[self], job{action: help.Action, exported: true, share: true})
	}
	for _, begin := range e.Ahead {
		r, a := &h.ranks[self], &h.x.plan.Actions[begin.Action]
		for _, in := range a.Inputs {
			if !r.Holds(in) && !r.typed[in] {
				h.fail("rank %d began %s without the types of %s", self, a.Package, h.x.plan.Artifacts[in].Path)
			}
		}
		for _, q := range []*queue{&r.queue, &r.shares} {
			if len(q.ids) > 0 && q.urgency() >= r.aheads.priority[a.ID] || h.x.mode == Blocking {
				h.fail("rank %d began %s in %s mode, and %v and shares of %v are ready", self, a.Package, h.x.mode, r.queue.ids, r.shares.ids)
			}
		}
		if h.begun(self, a.ID) >= 0 || h.pausedAt(self, a.ID) >= 0 {
			h.fail("rank %d began %s again", self, a.Package)
		}
		h.jobs[self] = append(h.jobs[self], job{action: a.ID, ahead: true})
	}
	for _, repeat := range e.Repeat {
		id := repeat.Action
		a := &h.x.plan.Actions[id]
		for _, in := range a.Inputs {
			if !h.ranks[self].Holds(in) {
				h.fail("rank %d executes %s a second time without %s", self, a.Package, h.x.plan.Artifacts[in].Path)
			}
		}
		_, relief := h.ranks[self].find(Execution{Action: id, Second: true})
		h.jobs[self] = append(h.jobs[self], job{action: id, exported: !relief, second: true, relief: relief})
	}
	for _, id := range e.Cease {
		if i := slices.IndexFunc(h.jobs[self], func(j job) bool { return j.action == id && j.second }); h.x.mutant != neverCeases {
			h.jobs[self][i].ceasing = true
		}
	}
	r := &h.ranks[self]
	audits, ceasing := 0, 0
	for _, j := range h.jobs[self] {
		competes := j.second && j.relief && h.x.plan.Pipelined
		audits += int(flag(j.second && !competes))
		ceasing += int(flag(j.ceasing && !competes))
		for _, q := range []*queue{&r.queue, &r.shares, &r.held} {
			urgency := r.reliefs.priority[j.action]
			if j.share {
				urgency = r.shares.priority[j.action]
			}
			if gives := competes && !j.ceasing || j.share && r.caller[j.action] != nobody; gives && !j.held && len(q.ids) > 0 && q.urgency() > urgency {
				h.fail("rank %d executes %s in relief, or a share of it, and one of %v is more urgent", self, h.x.plan.Actions[j.action].Package, q.ids)
			}
		}
	}
	if ready := len(r.queue.ids) + len(r.held.ids); ceasing < min(audits, ready) {
		h.fail("rank %d executes %v a second time, and something is ready", self, r.seconds)
	}
	runs, held, threads, once := 0, 0, 0, 0
	for _, t := range h.ranks[self].occupied {
		threads += t.Threads
	}
	for _, j := range h.jobs[self] {
		if j.held {
			held++
		} else if !j.joined {
			runs++
		}
		if (!j.second || j.relief) && !j.joined {
			once++
		}
	}
	if runs > h.x.slots[self] || held > h.x.plan.Aside*h.x.slots[self] || held > 0 && runs < h.x.slots[self] {
		h.fail("rank %d runs %d actions and shares in %d slots, and holds %d", self, runs, h.x.slots[self], held)
	}
	if n := len(h.ranks[self].occupied); n != once || n > 0 && threads != h.x.slots[self] {
		h.fail("rank %d runs %d actions, shares and reliefs, takes them for %d, and gives them %d threads of %d slots", self, once, n, threads, h.x.slots[self])
	}
	for _, k := range e.Notify {
		h.send(self, 0, message{op: opNotify, n: int32(k)})
	}
}

// hold has an action stand still, or go on.
func (h *history) hold(on plan.Rank, t Threads) {
	i := slices.IndexFunc(h.jobs[on], func(j job) bool {
		return j.action == t.Action && j.share == t.Share && j.second == t.Second && !j.ahead
	})
	if t.Ahead {
		return
	}
	j, a, r := &h.jobs[on][i], &h.x.plan.Actions[t.Action], &h.ranks[on]
	if j.held && (h.x.mutant == neverGoesOn || h.x.mutant == reliefStands && t.Second || h.x.mutant == shareStands && t.Share) {
		return
	}
	runs := 0
	for _, j := range h.jobs[on] {
		runs += int(flag(!j.held && !j.joined))
	}
	if goesOn := j.held && t.Threads > 0; goesOn && runs >= h.x.slots[on] {
		h.fail("rank %d has %s go on, and %d in its slots", on, a.Package, runs)
	}
	if j.held = t.Threads == 0; !j.held {
		return
	}
	if t.Execution == (Execution{Action: a.ID}) && !j.exported || h.x.mode == Blocking {
		h.fail("rank %d holds %s in %s mode; its export data is out: %v", on, a.Package, h.x.mode, j.exported)
	}
	if h.x.mutant == heldKeepsSlot {
		r.active++
	}
}

// begun and pausedAt find an action's head start on a rank, -1 where there is none.
func (h *history) begun(on plan.Rank, a plan.ActionID) int {
	return slices.IndexFunc(h.jobs[on], func(j job) bool { return j.action == a && j.ahead })
}

func (h *history) pausedAt(on plan.Rank, a plan.ActionID) int {
	return slices.IndexFunc(h.paused[on], func(j job) bool { return j.action == a })
}

// quit ends a head start, which pauses yet if it has not.
func (h *history) quit(on plan.Rank, a plan.ActionID) {
	if h.x.mutant == neverQuits {
		return
	}
	if i := h.begun(on, a); i >= 0 {
		h.jobs[on][i].quit = true
	} else if i := h.pausedAt(on, a); i >= 0 {
		h.paused[on] = slices.Delete(h.paused[on], i, i+1)
	} else {
		h.fail("rank %d quit %s, which it has not begun", on, h.x.plan.Actions[a].Package)
	}
}

// tell calls for all shares of an action, or dismisses them.
func (h *history) tell(self plan.Rank, a plan.ActionID, op op) {
	for _, to := range h.x.plan.HelpersOf(a) {
		if to != self {
			h.send(self, to, message{op: op, n: int32(a)})
		}
	}
}

func (h *history) orders(o Orders, err error) {
	h.check(err)
	for _, y := range o.Yield {
		h.send(0, y.From, message{op: opYield, n: int32(y.Action)})
	}
	for _, a := range o.Assign {
		h.send(0, a.To, message{op: opAssign, n: int32(a.Action), ranks: a.Holders})
	}
	if s := o.Survey; s != nil {
		h.all(message{op: opSurvey, n: int32(s.Epoch), files: s.Artifacts})
	}
	if o.Recover != nil {
		rec := *o.Recover
		if h.x.mutant == forgetsExports {
			rec.Owners = slices.DeleteFunc(slices.Clone(rec.Owners), func(o Owner) bool { return h.runs[o.Action] > 0 })
		}
		if h.x.mutant == forgetsReaders {
			rec.Owners = slices.DeleteFunc(slices.Clone(rec.Owners), func(o Owner) bool { return o.Stays })
		}
		h.all(message{op: opRecover, recovery: &rec})
	}
	for _, a := range o.Dismiss {
		h.send(0, a.To, message{op: opDismissSecond, n: int32(a.Action)})
	}
	for _, a := range o.Repeat {
		if a.To == h.root.owner[a.Action] && slices.Index(h.dead, true) < 0 && len(h.ranks) > 1 {
			h.fail("rank %d made %s, and is to audit it", a.To, h.x.plan.Actions[a.Action].Package)
		}
		h.send(0, a.To, message{op: opRepeat, n: int32(a.Action), ranks: a.Holders, why: h.root.Why(a.Action)})
	}
	for _, a := range o.GiveUp {
		h.send(0, a.From, message{op: opGiveUp, n: int32(a.Action)})
	}
	for _, k := range o.Commit {
		for i := range h.x.plan.Actions {
			if a := &h.x.plan.Actions[i]; a.Group <= k && h.runs[i] == 0 {
				h.fail("barrier %d closed before %s was executed", k, a.Package)
			}
		}
		h.all(message{op: opCommit, n: int32(k)})
	}
	if o.Over {
		h.over = true
		for i, n := range h.runs {
			if n == 0 {
				h.fail("the build is over, and %s was never executed", h.x.plan.Actions[i].Package)
			}
			if a := plan.ActionID(i); slices.Contains(h.x.audited, a) && h.x.mode == Split && !h.twice[i] && h.root.readable(a) {
				h.fail("the build is over, and %s was not audited", h.x.plan.Actions[i].Package)
			}
		}
	}
}

// deliver is the arrival of a message.
func (h *history) deliver(from, to plan.Rank, m message) {
	r := &h.ranks[to]
	if to == 0 && from != 0 && !h.root.Alive(from) && !slices.Contains([]op{opPut, opWant, opCall, opDismiss}, m.op) {
		return // left out
	}
	switch m.op {
	case opTypes:
		h.effects(to, r.TypesArrived(plan.ArtifactID(m.n)), nil)
	case opPut:
		producer := h.x.plan.Artifacts[m.n].Producer
		if slices.ContainsFunc(h.jobs[to], func(j job) bool { return j.action == producer && !j.share && !j.second && !j.ahead }) {
			h.meanwhile[to] = append(h.meanwhile[to], plan.ArtifactID(m.n))
			return
		}
		if h.x.mutant == startsTwice {
			for _, c := range h.x.plan.Artifacts[m.n].Consumers {
				r.ahead[c] = notBegun
			}
		}
		h.effects(to, r.Arrived(plan.ArtifactID(m.n)), nil)
	case opWant:
		if !r.Holds(plan.ArtifactID(m.n)) {
			h.fail("rank %d was asked for artifact %d, which it does not hold", to, m.n)
		}
		h.send(to, from, message{op: opPut, n: m.n})
	case opExists:
		h.orders(h.root.Exists(plan.ArtifactID(m.n), from), nil)
	case opDone:
		a := &h.x.plan.Actions[m.n]
		for _, f := range a.Outputs {
			h.orders(h.root.Exists(f, from), nil)
		}
		if slices.Contains(h.x.audited, a.ID) {
			if u := h.root.relief(a.ID); u != nil && u.made && u.on != from {
				h.twice[a.ID] = true // as package rank sees
			}
			h.root.Audit(a.ID)
		}
		o, err := h.root.Done(a.ID, from, true)
		h.orders(o, err)
	case opGaveBack:
		o, err := h.root.GaveBack(plan.ActionID(m.n), from)
		h.orders(o, err)
	case opNotify:
		if h.x.mutant == commitsEarly {
			h.root.open[m.n] = 0
		}
		o, err := h.root.Notified(plan.Superstep(m.n), from)
		h.orders(o, err)
	case opYield:
		a := plan.ActionID(m.n)
		if h.x.mutant == yieldsRunning && r.state[a] == running {
			h.send(to, 0, message{op: opYielded, n: m.n, ok: true})
			return
		}
		e, ok := r.Yield(a)
		if r.ahead[a] == begun && ok {
			h.fail("rank %d gave up %s, which it begins", to, h.x.plan.Actions[a].Package)
		}
		h.send(to, 0, message{op: opYielded, n: m.n, ok: ok})
		h.effects(to, e, nil)
	case opYielded:
		o, err := h.root.Yielded(plan.ActionID(m.n), from, m.ok)
		h.orders(o, err)
	case opAssign:
		e, err := r.Assigned(plan.ActionID(m.n), m.ranks)
		h.effects(to, e, err)
	case opCommit:
		e, err := r.Committed(plan.Superstep(m.n))
		h.effects(to, e, err)
	case opSurvey:
		held := r.Surveyed(Survey{int(m.n), m.files})
		h.send(to, 0, message{op: opHeld, n: m.n, files: held})
	case opHeld:
		h.orders(h.root.Held(int(m.n), from, m.files), nil)
	case opRecover:
		rec := *m.recovery
		rec.Lost = rec.Lost && h.x.mutant != keepsSeconds
		e := r.Recover(rec)
		if h.x.mutant == nobodyPuts {
			e.Put = nil
		}
		h.effects(to, e, nil)
	case opCall:
		e, err := r.Called(plan.ActionID(m.n), from)
		if a := plan.ActionID(m.n); h.x.mutant == helpsBlind && r.sharing[a] == waiting {
			r.sharing[a] = running
			e.Help = append(e.Help, Help{Action: a})
		}
		h.effects(to, e, err)
	case opDismiss:
		e := r.Dismissed(plan.ActionID(m.n), from)
		h.effects(to, e, nil)
	case opRepeat:
		e, err := r.Repeat(plan.ActionID(m.n), m.ranks, m.why)
		h.effects(to, e, err)
	case opRepeated:
		awaited, o := h.root.Repeated(plan.ActionID(m.n), from, true)
		h.twice[m.n] = h.twice[m.n] || awaited && m.ok && h.root.ended[m.n]
		h.orders(o, nil)
	case opDismissSecond:
		h.effects(to, r.Dismiss(plan.ActionID(m.n)), nil)
	case opGiveUp:
		runs, gaveUp, e := r.GiveUp(plan.ActionID(m.n))
		if runs {
			i := slices.IndexFunc(h.jobs[to], func(j job) bool { return int32(j.action) == m.n && !j.share && !j.second && !j.ahead })
			h.jobs[to][i].givingUp = true
			if h.x.mutant == wordsOnly {
				h.send(to, 0, message{op: opGaveUp, n: m.n})
			}
		} else if gaveUp {
			h.send(to, 0, message{op: opGaveUp, n: m.n})
		}
		h.effects(to, e, nil)
	case opGaveUp:
		o, err := h.root.GaveUp(plan.ActionID(m.n), from)
		h.orders(o, err)
	case opLost:
		h.orders(h.root.Lost(plan.Rank(m.n)), nil)
	}
}

// end is the end of a job, or the appearance of its export data.
func (h *history) end(self plan.Rank, i int, how string) {
	j := h.jobs[self][i]
	a := &h.x.plan.Actions[j.action]
	r := &h.ranks[self]
	if how == "exports" {
		h.jobs[self][i].exported = true
		f := a.Outputs[0]
		if j.second {
			if r.GivesOut(f) {
				e, err := r.GaveOut(f)
				h.send(self, 0, message{op: opExists, n: int32(f)})
				h.effects(self, e, err)
			}
			return
		}
		e, err := r.Produced(f)
		h.effects(self, e, err)
		h.send(self, 0, message{op: opExists, n: int32(f)})
		return
	}
	if how == "types" {
		h.jobs[self][i].typed = true
		h.effects(self, r.Typed(a.Outputs[0]), nil)
		return
	}
	h.jobs[self] = slices.Delete(h.jobs[self], i, i+1)
	if j.ahead {
		if j.joined { // the action goes on now, if it was not given back
			if i := slices.IndexFunc(h.jobs[self], func(o job) bool { return o.action == j.action && !o.share && !o.second }); i >= 0 {
				h.jobs[self][i].typed = j.typed
			}
		} else if !j.quit {
			h.paused[self] = append(h.paused[self], j)
		}
		switch h.x.mutant {
		case joinedEnds:
			if j.joined {
				r.active--
			}
		case pausedHolds:
			r.active++
		case pausedStarts:
			r.missing[a.ID] = 0
		}
		e, err := r.Paused(a.ID)
		h.effects(self, e, err)
		return
	}
	if j.share {
		if h.x.mutant == keepsSlot {
			r.active++
		}
		_, _, e, err := r.Helped(a.ID)
		h.effects(self, e, err)
		return
	}
	if j.second {
		tell, e, err := r.Repeated(a.ID, how == "ends" || h.x.mutant == secondIsDone)
		if tell {
			h.send(self, 0, message{op: opRepeated, n: int32(a.ID), ok: how == "ends"})
		}
		h.effects(self, e, err)
		return
	}
	came := h.meanwhile[self]
	h.meanwhile[self] = slices.DeleteFunc(slices.Clone(came), func(f plan.ArtifactID) bool { return h.x.plan.Artifacts[f].Producer == a.ID })
	came = slices.DeleteFunc(slices.Clone(came), func(f plan.ArtifactID) bool { return h.x.plan.Artifacts[f].Producer != a.ID })
	h.tell(self, a.ID, opDismiss)
	if how == "gives back" || how == "gives up" {
		if i := h.begun(self, a.ID); i >= 0 {
			h.jobs[self][i].quit = true
		}
		h.send(self, 0, message{op: map[string]op{"gives back": opGaveBack, "gives up": opGaveUp}[how], n: int32(a.ID)})
		e, err := r.GaveBack(a.ID)
		h.effects(self, e, err)
		for _, f := range came {
			if !j.exported || f != a.Outputs[0] {
				h.effects(self, r.Arrived(f), nil)
			}
		}
		return
	}
	h.runs[a.ID]++
	if h.runs[a.ID] > 1 && h.losses == h.x.losses {
		h.fail("%s was executed twice, and no rank was lost", a.Package)
	}
	if a.Kind == plan.Link && h.runs[a.ID] > 1 {
		h.fail("the program was linked twice")
	}
	for _, f := range a.Outputs {
		if h.x.mutant == heldIsMade && r.Holds(f) {
			r.made[f] = true
		}
	}
	h.send(self, 0, message{op: opDone, n: int32(a.ID)})
	e, err := r.Finished(a.ID, true)
	h.effects(self, e, err)
}

// kill loses a rank: what it sent may arrive in part, and at some time root hears of it.
func (h *history) kill(r plan.Rank) {
	h.dead[r] = true
	h.jobs[r], h.paused[r], h.meanwhile[r] = nil, nil, nil
	for from := range h.ranks {
		h.links[from*len(h.ranks)+int(r)] = nil
	}
	l := &h.links[int(r)*len(h.ranks)]
	*l = append(*l, message{op: opLost, n: int32(r)})
}
