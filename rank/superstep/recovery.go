package superstep

import (
	"cmp"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// When a rank is lost, root asks the others which of its artifacts they hold
// (a Survey), decides from the answers what has to be executed again and by
// whom, and tells all (a Recovery). What the lost rank alone held and nobody
// needs any more is forgotten.

// A Survey asks every rank which of these artifacts it holds.
type Survey struct {
	Epoch     int // how many ranks were lost; an answer to an older survey is void
	Artifacts []plan.ArtifactID
}

// A Recovery tells every rank who does the work of lost ranks.
type Recovery struct {
	Owners  []Owner  // whose the actions are that a loss touches
	Holders []Holder // artifacts that lost ranks made, and who has them
	Redone  int      // of the actions, those that had been executed
	Lost    bool     // a rank was lost; else an action was given back
}

// An Owner is the rank that an action belongs to. An action that stays where it
// was is named because something it reads was made by a lost rank and may have
// been on its way.
type Owner struct {
	Action plan.ActionID
	Rank   plan.Rank
	Stays  bool
}

// A Holder is a rank that has an artifact.
type Holder struct {
	Artifact plan.ArtifactID
	Rank     plan.Rank
}

// Surveyed answers a survey.
func (r *Rank) Surveyed(s Survey) []plan.ArtifactID {
	var held []plan.ArtifactID
	for _, f := range s.Artifacts {
		if r.here[f] && !r.doomed[r.plan.Artifacts[f].Producer] {
			held = append(held, f)
		}
	}
	return held
}

// Recover takes on what root decided. An input of an action that changed hands
// is put to the new owner by who made it, or by the holder that root names.
func (r *Rank) Recover(rec Recovery) Effects {
	if rec.Lost {
		r.dropSeconds() // who was to send what they read may be who was lost
	}
	holds := map[plan.ArtifactID]bool{}
	for _, h := range rec.Holders {
		if h.Rank == r.self && r.here[h.Artifact] {
			holds[h.Artifact] = true
			r.made[h.Artifact] = true // from now on it answers for it as if it had
		}
	}
	for _, o := range rec.Owners {
		a := &r.plan.Actions[o.Action]
		known := r.owner[o.Action] == o.Rank // what is made here has been put there; not where root moved the action
		r.owner[o.Action] = o.Rank
		if r.caller[o.Action] != o.Rank { // who executes it now will call
			r.dismiss(o.Action)
		}
		if o.Rank != r.self {
			r.quit(a.ID)
			for _, in := range a.Inputs {
				if r.here[in] && (r.made[in] && !(o.Stays && known) || holds[in]) {
					r.out.Put = append(r.out.Put, Put{in, o.Rank})
				}
			}
			continue
		}
		if o.Stays || r.doomed[a.ID] || r.state[a.ID] != foreign && r.state[a.ID] != done {
			continue
		}
		r.state[a.ID] = waiting
		r.missing[a.ID] = 0
		for _, in := range a.Inputs {
			if !r.here[in] {
				r.missing[a.ID]++
			}
		}
		r.open[a.Group]++
		r.admit(a.ID)
	}
	clear(r.asked) // whom it asked may be who was lost
	r.expect()
	r.advance()
	return r.take()
}

// Lost tells that a rank is gone. Root answers with a survey, and when all have
// answered with a recovery.
func (r *Root) Lost(rank plan.Rank) Orders {
	if !r.alive[rank] {
		return Orders{}
	}
	r.alive[rank] = false
	r.slots[rank] = 0
	r.reached[rank] = plan.Superstep(len(r.open)) // no barrier waits for it
	r.epoch++
	r.answers = map[plan.ArtifactID]plan.Rank{}
	r.asked = 0
	s := Survey{Epoch: r.epoch}
	for f, made := range r.exists {
		if made && !r.alive[r.holder[f]] {
			s.Artifacts = append(s.Artifacts, plan.ArtifactID(f))
		}
	}
	for _, alive := range r.alive {
		if alive {
			r.asked++
		}
	}
	r.out.Survey = &s
	return r.take()
}

// Alive reports whether a rank takes part.
func (r *Root) Alive(rank plan.Rank) bool { return r.alive[rank] }

// Held tells what a rank answered to a survey.
func (r *Root) Held(epoch int, by plan.Rank, artifacts []plan.ArtifactID) Orders {
	if epoch != r.epoch || r.asked == 0 {
		return Orders{} // to a survey that another loss has overtaken
	}
	for _, f := range artifacts {
		if _, ok := r.answers[f]; !ok {
			r.answers[f] = by
		}
	}
	if r.asked--; r.asked == 0 {
		r.dropAudits()
		r.recover()
		r.out.Recover.Lost = true
		r.balance()
		r.close()
	}
	return r.take()
}

// recover decides what is executed again and by whom.
func (r *Root) recover() {
	rec := Recovery{}
	touched := map[plan.ActionID]bool{}
	for f, made := range r.exists {
		if !made || r.alive[r.holder[f]] {
			continue
		}
		for _, c := range r.plan.Artifacts[f].Consumers {
			touched[c] = true
		}
		if by, ok := r.answers[plan.ArtifactID(f)]; ok {
			r.holder[f] = by
			rec.Holders = append(rec.Holders, Holder{plan.ArtifactID(f), by})
		} else {
			r.exists[f] = false
			if file := &r.plan.Artifacts[f]; file.Kind == plan.Export {
				r.exporter[file.Producer] = nobody
			}
		}
	}
	var orphans []plan.ActionID
	for i := range r.plan.Actions {
		if !r.ended[i] && (!r.alive[r.owner[i]] || r.homeless[i] && r.moving[i] < 0) {
			orphans = append(orphans, plan.ActionID(i))
		}
	}
	redo := r.needed()
	rec.Redone = len(redo)
	orphans = append(orphans, redo...)
	slices.SortFunc(orphans, func(a, b plan.ActionID) int {
		return cmp.Or(cmp.Compare(r.plan.Priority[b], r.plan.Priority[a]), cmp.Compare(a, b))
	})
	work := r.outstanding()
	for _, a := range orphans {
		to := r.owner[a]
		if r.plan.Actions[a].Kind != plan.Link || !r.alive[to] { // a link stays where its program is to be
			to = r.lightest(work, a)
		}
		if u := r.relief(a); u != nil && u.made {
			to = u.on // it need not be executed
		} else if u != nil {
			r.noRelief(a)
		}
		work[to] += r.plan.Actions[a].Cost
		r.owner[a], r.moving[a], r.homeless[a], r.withdrawn[a] = to, -1, false, false
		r.settled[a] = len(r.tried[a]) > 0 || r.relief(a) != nil // it would be moved back, or has been made
		rec.Owners = append(rec.Owners, Owner{Action: a, Rank: to})
		delete(touched, a)
	}
	for i := range r.plan.Actions {
		if a := plan.ActionID(i); touched[a] && !r.ended[a] {
			rec.Owners = append(rec.Owners, Owner{Action: a, Rank: r.owner[a], Stays: true})
		}
	}
	r.reload()
	r.out.Recover = &rec
}

// needed finds the executed actions whose lost outputs somebody still reads,
// and counts them as not ended. Their own inputs may be lost too.
func (r *Root) needed() (redo []plan.ActionID) {
	var need func(plan.ActionID)
	need = func(a plan.ActionID) {
		for _, in := range r.plan.Actions[a].Inputs {
			p := r.plan.Artifacts[in].Producer
			if r.exists[in] || !r.ended[p] || r.dropped[p] || slices.Contains(r.failed, p) {
				continue
			}
			r.ended[p] = false
			r.left++
			r.open[r.plan.Actions[p].Group]++
			redo = append(redo, p)
			need(p)
		}
	}
	for i := range r.plan.Actions {
		if !r.ended[i] {
			need(plan.ActionID(i))
		}
	}
	return redo
}

// outstanding sums, by rank, the cost of what it still has to execute.
func (r *Root) outstanding() []int64 {
	work := make([]int64, len(r.slots))
	for i := range r.plan.Actions {
		if !r.ended[i] && r.alive[r.owner[i]] {
			work[r.owner[i]] += r.plan.Actions[i].Cost
		}
	}
	return work
}

// lightest finds the rank that is through with its work first for an action, but
// for those that gave it back if there is another.
func (r *Root) lightest(work []int64, a plan.ActionID) plan.Rank {
	best, least := plan.Rank(-1), 0.0
	for i := range work {
		if !r.alive[i] || slices.Contains(r.tried[a], plan.Rank(i)) || !r.may(a, plan.Rank(i)) {
			continue
		}
		if takes := r.Times(plan.Rank(i)) * float64(work[i]) / float64(r.slots[i]); best < 0 || takes < least {
			best, least = plan.Rank(i), takes
		}
	}
	return max(best, 0) // root lives as long as this code runs
}

// reload counts anew what is missing and what is ready.
func (r *Root) reload() {
	before := r.load
	r.load = make([][]plan.ActionID, len(r.slots))
	listed := make([]bool, len(r.plan.Actions))
	for i := range r.plan.Actions {
		r.missing[i] = 0
		for _, in := range r.plan.Actions[i].Inputs {
			if !r.exists[in] {
				r.missing[i]++
			}
		}
	}
	list := func(a plan.ActionID) {
		at := r.owner[a]
		if to := r.moving[a]; to >= 0 && r.alive[to] {
			at = to
		}
		if !listed[a] && !r.ended[a] && !r.withdrawn[a] && r.missing[a] == 0 && r.alive[at] {
			listed[a] = true
			r.enqueue(at, a)
		}
	}
	for _, queue := range before { // those that run first, as before
		for _, a := range queue {
			list(a)
		}
	}
	for i := range r.plan.Actions {
		list(plan.ActionID(i))
	}
	for i := range r.plan.Actions {
		if r.withdrawn[i] && r.moving[i] < 0 {
			r.place(plan.ActionID(i))
		}
	}
}
