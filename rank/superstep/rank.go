package superstep

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// Mode says whether anyone waits at a barrier.
type Mode uint8

const (
	// Split is the split-phase barrier: a rank notifies and goes on with
	// whatever its inputs allow.
	Split Mode = iota + 1
	// Blocking is textbook BSP: nobody starts group k+1 before everyone has
	// passed barrier k.
	Blocking
)

func (m Mode) String() string {
	if m == Blocking {
		return "blocking"
	}
	return "split"
}

// Effects is what a Rank wants done, in no particular order but for Threads.
type Effects struct {
	Threads []Threads // in this order, and before Start, Help, Repeat and Ahead: they take what others give up
	Start   []Start
	Help    []Help
	Stop    []plan.ActionID // end a share that nobody wants; Helped follows all the same
	Repeat  []Help          // execute a second time, all of it
	Cease   []plan.ActionID // end a second execution; Repeated follows all the same
	Ahead   []Help          // begin an action, as far as its imports' types allow
	Quit    []plan.ActionID // end what was begun; where it has not paused, Paused follows all the same
	Types   []Put           // send the types of an artifact
	Put     []Put
	Want    []Want
	Notify  []plan.Superstep // tell root: my part of this superstep is done
}

// A Start executes an action with so many threads for its tools.
type Start struct {
	Action  plan.ActionID
	Threads int
	Again   bool // some of its outputs are here, from a rank that was lost; they are in use and stay
}

// A Put sends an artifact that exists here to a rank that needs it.
type Put struct {
	Artifact plan.ArtifactID
	To       plan.Rank
}

// A Want asks a rank for an artifact that it holds.
type Want struct {
	Artifact plan.ArtifactID
	From     plan.Rank
}

type state uint8

const (
	foreign state = iota // another rank's, or nobody's since it was dropped
	waiting              // mine, inputs missing or its superstep not open
	ready                // mine, in the queue
	running
	done
)

// Rank is one process's view of the build.
type Rank struct {
	plan  *plan.Plan
	self  plan.Rank
	mode  Mode
	slots int

	state    []state     // by action
	doomed   []bool      // by action: will not be executed, or its result not used: what it depends on did not build
	missing  []int       // by action of mine: inputs that are not here
	here     []bool      // by artifact
	made     []bool      // by artifact: told of as made here, or root named this rank as its holder: its readers have been put it
	owner    []plan.Rank // by action: the plan's placement, and root's after a loss
	asked    []bool      // by artifact: wanted from a holder
	queue    queue
	sharing  []state     // by action that this rank helps: what is with its share; foreign while nobody calls for it
	caller   []plan.Rank // by action: whom a share is for
	shares   queue       // that want a slot: they are held, or have not begun
	seconds  []second
	occupied []Threads   // by what runs here, audits aside
	active   int         // of them and audits together, but for those that are held
	typed    []bool      // by artifact: its types are here
	ahead    []headStart // by action
	aheads   queue
	reliefs  queue // actions whose reliefs want a slot: they are held, or have not begun
	held     queue // actions that run, and have no slot now; by what is left of them
	begun    int   // head starts of actions that were not started since: they run, or keep memory
	open     []int // by group: actions of mine that have not ended
	due      []int // by group: artifacts of that group that are on their way here; counted in Blocking mode

	notified  plan.Superstep // next superstep to notify
	committed plan.Superstep // next superstep to commit
	out       Effects
}

// NewRank returns the view of rank self, which has so many slots, and what it
// can start at once.
func NewRank(p *plan.Plan, self plan.Rank, slots int, mode Mode) (*Rank, Effects) {
	groups := len(p.Groups())
	share := make([]int64, len(p.Actions))   // the urgency of a share
	backEnd := make([]int64, len(p.Actions)) // of what is left of an action when its front end is through
	r := &Rank{
		plan: p, self: self, mode: mode, slots: max(slots, 1),
		state:   make([]state, len(p.Actions)),
		doomed:  make([]bool, len(p.Actions)),
		missing: make([]int, len(p.Actions)),
		here:    make([]bool, len(p.Artifacts)),
		made:    make([]bool, len(p.Artifacts)),
		owner:   slices.Clone(p.Owner),
		asked:   make([]bool, len(p.Artifacts)),
		queue:   queue{priority: p.Priority},
		sharing: make([]state, len(p.Actions)),
		caller:  slices.Repeat([]plan.Rank{nobody}, len(p.Actions)),
		shares:  queue{priority: share},
		held:    queue{priority: backEnd},
		reliefs: queue{priority: slices.Clone(p.Priority)},
		typed:   make([]bool, len(p.Artifacts)),
		ahead:   make([]headStart, len(p.Actions)),
		aheads:  queue{priority: p.Priority},
		open:    make([]int, groups),
		due:     make([]int, groups),
	}
	for i := range p.Actions {
		a := plan.ActionID(i)
		share[a], backEnd[a] = p.ShareUrgency(a), p.BackEndUrgency(a)
		if r.owner[a] != self {
			continue
		}
		r.state[a] = waiting
		r.missing[a] = len(p.Actions[a].Inputs)
		r.open[p.Actions[a].Group]++
		r.admit(a)
	}
	r.expect()
	r.advance()
	return r, r.take()
}

// expect counts, by group, the artifacts that others are to put here. Nobody waits for
// that in Split mode.
func (r *Rank) expect() {
	if r.mode == Split {
		return
	}
	clear(r.due)
	for i := range r.plan.Artifacts {
		if f := &r.plan.Artifacts[i]; !r.here[i] && r.owner[f.Producer] != r.self && r.reads(f) {
			r.due[r.plan.Actions[f.Producer].Group]++
		}
	}
}

// comes notes that an artifact that is not here need not be waited for any more.
func (r *Rank) comes(f plan.ArtifactID) {
	if file := &r.plan.Artifacts[f]; r.mode == Blocking && r.owner[file.Producer] != r.self && r.reads(file) {
		r.due[r.plan.Actions[file.Producer].Group]--
	}
}

// reads reports whether the plan puts f here for an action of this rank. That
// it is put to helpers too is nothing to rely on.
func (r *Rank) reads(f *plan.Artifact) bool {
	for _, c := range f.Consumers {
		if r.owner[c] == r.self {
			return true
		}
	}
	return false
}

// Produced tells that an action running here, which goes on, left an artifact
// in its place.
func (r *Rank) Produced(f plan.ArtifactID) (Effects, error) {
	producer := r.plan.Artifacts[f].Producer
	if s := r.state[producer]; s != running {
		return Effects{}, violation("%s appeared while %s was not running here", r.plan.Artifacts[f].Path, r.plan.Actions[producer].Package)
	}
	r.produce(f)
	r.advance()
	return r.take(), nil
}

func (r *Rank) produce(f plan.ArtifactID) {
	sent := map[plan.Rank]bool{r.self: true}
	put := func(to plan.Rank) {
		if !sent[to] {
			sent[to] = true
			r.out.Put = append(r.out.Put, Put{f, to})
		}
	}
	for _, c := range r.plan.Artifacts[f].Consumers {
		put(r.owner[c])
		if r.mode == Split {
			for _, helper := range r.plan.HelpersOf(c) {
				put(helper)
			}
		}
	}
	r.made[f] = true
	r.arrive(f)
}

// Arrived tells that an artifact of another rank is here and its digest is
// what that rank said. A second arrival changes nothing.
func (r *Rank) Arrived(f plan.ArtifactID) Effects {
	if !r.here[f] {
		r.comes(f)
		r.arrive(f)
	}
	r.advance()
	return r.take()
}

// Holds reports whether f is here.
func (r *Rank) Holds(f plan.ArtifactID) bool { return r.here[f] }

func (r *Rank) arrive(f plan.ArtifactID) {
	if r.here[f] {
		return
	}
	r.here[f] = true
	if a := r.plan.Artifacts[f].Producer; r.plan.Artifacts[f].Kind == plan.Export {
		r.relieves(a, true)
	}
	for _, c := range r.plan.Artifacts[f].Consumers {
		if r.state[c] == waiting {
			r.missing[c]--
			r.admit(c)
		}
		r.admitShare(c)
	}
	r.admitReliefs()
}

// admit queues an action of mine that may start.
func (r *Rank) admit(a plan.ActionID) {
	r.admitAhead(a)
	if r.state[a] != waiting || r.missing[a] > 0 || r.mode == Blocking && r.plan.Actions[a].Group > r.committed || !r.mayQueue(a) {
		return
	}
	r.state[a] = ready
	heap.Push(&r.queue, a)
}

// Finished tells that an action running here ended, and left all its artifacts
// in their places when it succeeded.
func (r *Rank) Finished(a plan.ActionID, ok bool) (Effects, error) {
	if r.state[a] != running {
		return Effects{}, violation("%s ended without running here", r.plan.Actions[a].Package)
	}
	r.state[a] = done
	r.end(Execution{Action: a})
	r.open[r.plan.Actions[a].Group]--
	if !ok {
		r.drop(a)
		r.advance()
		return r.take(), nil
	}
	// What waited for them starts when the slot is free: alone, it gets all cores. One that is here, but came from a rank
	// that is lost now, may have readers elsewhere by now.
	for _, out := range r.plan.Actions[a].Outputs {
		if !r.made[out] {
			r.produce(out)
		}
	}
	r.advance()
	return r.take(), nil
}

// Failed tells that an action failed on another rank: what depends on it will
// not be executed.
func (r *Rank) Failed(a plan.ActionID) Effects {
	r.drop(a)
	r.advance()
	return r.take()
}

// drop gives up the descendants of a. One that runs already (its input came
// before a failed) runs on; nobody will use what it makes.
func (r *Rank) drop(a plan.ActionID) {
	for _, out := range r.plan.Actions[a].Outputs {
		if f := &r.plan.Artifacts[out]; !r.here[out] && r.owner[f.Producer] != r.self && r.reads(f) {
			r.comes(out) // it will not
			r.here[out] = true
		}
	}
	r.plan.Dependents(a, func(c plan.ActionID) {
		if r.doomed[c] {
			return
		}
		r.doomed[c] = true
		r.dismiss(c)
		r.quit(c)
		switch r.state[c] {
		case ready:
			r.queue.remove(c)
			r.open[r.plan.Actions[c].Group]--
			r.state[c] = foreign
		case waiting:
			r.open[r.plan.Actions[c].Group]--
			r.state[c] = foreign
		}
		r.drop(c)
	})
}

// Committed closes barrier k.
func (r *Rank) Committed(k plan.Superstep) (Effects, error) {
	if k != r.committed {
		return Effects{}, violation("barrier %d closed, expected barrier %d", k, r.committed)
	}
	if k >= r.notified {
		return Effects{}, violation("barrier %d closed before this rank reached it", k)
	}
	r.committed++
	if r.mode == Blocking {
		for i := range r.plan.Actions {
			if r.plan.Actions[i].Group == r.committed {
				r.admit(plan.ActionID(i))
			}
		}
	}
	r.advance()
	return r.take(), nil
}

// Yield gives up an action so that another rank can execute it, unless it has
// started.
func (r *Rank) Yield(a plan.ActionID) (Effects, bool) {
	switch r.state[a] {
	case waiting:
	case ready:
		r.queue.remove(a)
	default:
		return Effects{}, false
	}
	r.state[a] = foreign
	r.quit(a)
	r.open[r.plan.Actions[a].Group]-- // Root holds the barrier until it is executed elsewhere
	r.advance()
	return r.take(), true
}

// Assigned hands this rank an action that another one gave up. Holders names,
// input by input, a rank that has it.
func (r *Rank) Assigned(a plan.ActionID, holders []plan.Rank) (Effects, error) {
	inputs := r.plan.Actions[a].Inputs
	if r.state[a] != foreign {
		return Effects{}, violation("%s was assigned to a rank that has it", r.plan.Actions[a].Package)
	}
	if len(holders) != len(inputs) {
		return Effects{}, violation("%s has %d inputs, %d holders were named", r.plan.Actions[a].Package, len(inputs), len(holders))
	}
	if r.doomed[a] {
		return Effects{}, nil
	}
	r.open[r.plan.Actions[a].Group]++
	r.state[a] = waiting
	r.missing[a] = 0
	for i, in := range inputs {
		if r.here[in] {
			continue
		}
		r.missing[a]++
		if !r.asked[in] && !r.reads(&r.plan.Artifacts[in]) {
			r.asked[in] = true
			r.out.Want = append(r.out.Want, Want{in, holders[i]})
		}
	}
	r.admit(a)
	r.advance()
	return r.take(), nil
}

// advance begins what can begin, the most urgent first, and notifies what is done.
func (r *Rank) advance() {
	for q := r.next(); q != nil && (r.active < r.slots || r.makeRoom(q)); q = r.next() {
		a := heap.Pop(q).(plan.ActionID)
		switch q {
		case &r.queue:
			r.start(a)
		case &r.shares:
			r.advanceShare(a)
		case &r.aheads:
			r.beginAhead(a)
		case &r.held:
			r.active++ // it goes on
		case &r.reliefs:
			r.advanceRelief(a)
		}
	}
	r.giveWay()
	r.advanceSeconds()
	for int(r.notified) < len(r.open) && r.open[r.notified] == 0 && (r.mode == Split || r.due[r.notified] == 0 && r.notified == r.committed) {
		r.out.Notify = append(r.out.Notify, r.notified)
		r.notified++
	}
}

// next is the queue with the most urgent of what waits for a slot, nil where nothing
// does: of what is equally urgent, actions come before shares, shares before head
// starts, those before what is held, and reliefs last.
func (r *Rank) next() *queue {
	if !r.mayBegin() {
		return mostUrgent(&r.queue, &r.shares, &r.held, &r.reliefs)
	}
	return mostUrgent(&r.queue, &r.shares, &r.aheads, &r.held, &r.reliefs)
}

// start starts an action that is ready.
func (r *Rank) start(a plan.ActionID) {
	r.state[a] = running
	r.continued(a)
	r.begin(Execution{Action: a})
	r.dismiss(a) // it changed hands, and is this rank's own
	again := slices.ContainsFunc(r.plan.Actions[a].Outputs, func(f plan.ArtifactID) bool { return r.here[f] })
	r.out.Start = append(r.out.Start, Start{Action: a, Again: again})
}

func (r *Rank) take() Effects {
	r.divide()
	out := r.out
	r.out = Effects{}
	return out
}
