package rank

// What a run notes of its plan for the next one: the files that the plan came
// from, those that actions read, and the programs. Most of it is looked at while
// the last action runs.

import (
	"errors"
	"maps"
	"os"
	"slices"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/sync/store"
)

// observePlan notes what this run's plan depends on, as it is now: a change
// since the run began is found now, one from now on by the next run. It returns
// nil where the plan is not to be kept.
func (r *run) observePlan(p *plan.Plan) (*observed, error) {
	if r.cfg.NoPlanCache || r.planned.packed == nil || slices.Contains(r.planned.answers, "") {
		return nil, nil
	}
	if r.recalled != nil && len(r.recalled.edited) == 0 && len(r.recalled.Made.Places) > 0 && len(r.recalled.Made.Changed()) == 0 {
		return nil, nil // as it was
	}
	o := &observed{remembered: remembered{Env: r.tools.Env, Asked: r.planned.asked, Answers: r.planned.answers, Headers: map[string]uint64{}, packed: r.planned.packed}}
	var err error
	if o.looked, err = r.look(p); o.looked == nil || err != nil {
		return nil, err
	}
	for path := range o.looked.edited { // first: what changes behind it shows
		if h, err := header(path); err == nil {
			o.Headers[path] = h
		}
	}
	if o.Seen, err = store.Observe(o.looked.sights(), r.begun, nil); err != nil {
		return nil, unsettled(err)
	}
	return o, nil
}

// observed is a plan to be remembered, all but what was made.
type observed struct {
	remembered
	looked *looked
	read   store.Witness // what actions read that ended before the last one began
	known  map[plan.ActionID]bool
}

// observe looks, while the last action runs, at all that is known by then, for
// which nobody has to wait at the end. Told is what C compilers read.
func (r *run) observe(l *loop, last plan.ActionID, told map[plan.ActionID][]string) {
	if r.store != nil {
		r.notes.recall(notesPath(r.store.Dir(), r.cfg.Place.Rank))
	}
	o, err := r.observed()
	if o == nil || err != nil || l.cache == nil {
		return
	}
	before := map[plan.ActionID]bool{}
	for i := range l.plan.Actions {
		before[plan.ActionID(i)] = true
	}
	delete(before, last)
	reads, ok := l.reads(before, told)
	if !ok {
		return
	}
	if w, err := store.Observe(o.looked.without(reads).sights(), r.begun, nil); err == nil {
		o.read, o.known = w, before
	}
}

// keepPlan remembers this run's plan. That it cannot be is no error: the next
// run asks the go command.
func (r *run) keepPlan(l *loop) error {
	path, err := r.planPath()
	if err != nil {
		return err
	}
	o, err := r.observed()
	if o == nil || err != nil {
		return err
	}
	if o.Made, err = r.observeMade(l, o); err != nil {
		o.Made = store.Witness{}
	}
	return o.write(path)
}

// unsettled takes a source that was edited while the run went on for what it
// is: nothing to speak of.
func unsettled(err error) error {
	if _, ok := errors.AsType[*store.UnsettledError](err); ok {
		return nil
	}
	return err
}

// observeMade looks at what the tools read and made. It is empty where that is
// not known, or where the tools had something to say, which go build repeats.
func (r *run) observeMade(l *loop, o *observed) (store.Witness, error) {
	if l.cache == nil || l.lead.output(l.plan) != "" {
		return store.Witness{}, nil
	}
	rest := map[plan.ActionID]bool{}
	for i := range l.plan.Actions {
		if id := plan.ActionID(i); !o.known[id] {
			rest[id] = true
		}
	}
	reads, ok := l.reads(rest, l.lead.reads)
	if !ok {
		return store.Witness{}, nil
	}
	targets := l.plan.Targets()
	for _, path := range targets {
		if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() {
			return store.Witness{}, err
		}
	}
	made := o.looked.without(append(reads, targets...))
	if l.plan.Pipelined {
		made.file(r.compiler.Path)
	}
	w, err := store.Observe(made.sights(), r.begun, targets)
	w.Places = append(w.Places, o.read.Places...)
	for _, path := range targets {
		if placed, ok := l.placed.Load(path); !ok || placed != programShape(path) {
			return store.Witness{}, err // another run's by now
		}
	}
	return w, err
}

// reads lists what actions read beside artifacts, on whatever rank; told is what
// C compilers read. It returns false where that is not known of one of them.
func (l *loop) reads(actions map[plan.ActionID]bool, told map[plan.ActionID][]string) ([]string, bool) {
	all := map[string]bool{}
	for id := range actions {
		a := l.plan.Actions[id]
		a.Steps = l.lead.steps[id]
		traced, kept := l.cache.tells(&a)
		reads, known := told[id]
		if !kept || traced && !known {
			return nil, false
		}
		sources, err := sources(&a)
		if err != nil {
			return nil, false
		}
		for _, path := range reads {
			all[path] = true
		}
		maps.Copy(all, sources)
	}
	return slices.Collect(maps.Keys(all)), true
}
