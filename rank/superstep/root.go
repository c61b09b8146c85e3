package superstep

import (
	"slices"

	"github.com/badbubble/distgo/plan"
)

// Orders is what Root wants done, in the order of the fields.
type Orders struct {
	Fail    []plan.ActionID  // tell every rank but the one it failed on: what depends on it will not be executed
	Yield   []Yield          // ask a rank to give up an action
	Assign  []Assign         // hand an action to a rank
	Commit  []plan.Superstep // tell every rank that a barrier closed
	Survey  *Survey          // ask every rank, this one too, what it holds
	Recover *Recovery        // tell every rank, this one too, who does what
	Dismiss []Assign         // tell a rank that a second execution, or what it made, is of no use
	Repeat  []Assign         // have a rank execute an action a second time
	GiveUp  []Yield          // ask a rank to give up an action that it has probably started
	Over    bool             // nothing is left to execute
}

// A Yield asks a rank to give up an action that it has probably not started.
type Yield struct {
	Action plan.ActionID
	From   plan.Rank
}

// An Assign hands an action to a rank, with a holder of each of its inputs.
type Assign struct {
	Action  plan.ActionID
	To      plan.Rank
	Holders []plan.Rank
}

// Root is what rank 0 knows of the whole build.
type Root struct {
	plan  *plan.Plan
	mode  Mode
	slots []int // by rank

	owner    []plan.Rank // by action: who executes it, as moved
	ended    []bool      // by action: executed or dropped
	dropped  []bool      // by action: will not be executed, or its result not used
	failed   []plan.ActionID
	helped   []plan.ActionID // actions that have helpers
	tried    [][]plan.Rank   // by action: ranks that gave it back
	homeless []bool          // by action: given back, nobody's until root has decided
	fixed    []bool          // by action: not for ranks that are away; nil if no rank is
	away     []bool          // by rank
	missing  []int           // by action: inputs that do not exist anywhere
	holder   []plan.Rank     // by artifact that exists: who made it, or has it
	exists   []bool          // by artifact
	exporter []plan.Rank     // by action: who has given out its export data in executing it, nobody
	alive    []bool          // by rank
	epoch    int             // ranks lost
	asked    int             // answers to the survey that are still out
	answers  map[plan.ArtifactID]plan.Rank
	moving   []plan.Rank // by action: the rank it is being moved to, -1
	settled  []bool      // by action: started, or given back by a rank; stays where it is
	load     [][]plan.ActionID
	reached  []plan.Superstep // by rank: supersteps notified
	open     []int            // by group: actions not ended
	left     int              // actions not ended
	closed   plan.Superstep   // barriers closed
	out      Orders
	finished bool
	held     bool // nothing is moved
	audits   []audit

	vain      []bool // by action: it could not be executed in relief of who has it, and is not tried again
	paces     paces
	judge     func(a plan.ActionID, on plan.Rank) bool // if set, says what is late
	withdrawn []bool                                   // by action: from a slow rank, or being so; nobody has it until it is placed
}

// NewRoot returns root's view of a build on ranks with so many slots each.
func NewRoot(p *plan.Plan, slots []int, mode Mode) *Root {
	r := &Root{
		plan: p, mode: mode, slots: slices.Clone(slots),
		exists:   make([]bool, len(p.Artifacts)),
		alive:    make([]bool, len(slots)),
		owner:    slices.Clone(p.Owner),
		ended:    make([]bool, len(p.Actions)),
		dropped:  make([]bool, len(p.Actions)),
		missing:  make([]int, len(p.Actions)),
		holder:   make([]plan.Rank, len(p.Artifacts)),
		exporter: slices.Repeat([]plan.Rank{nobody}, len(p.Actions)),
		moving:   make([]plan.Rank, len(p.Actions)),
		settled:  make([]bool, len(p.Actions)),
		load:     make([][]plan.ActionID, len(slots)),
		reached:  make([]plan.Superstep, len(slots)),
		open:     make([]int, len(p.Groups())),
		left:     len(p.Actions),

		tried:    make([][]plan.Rank, len(p.Actions)),
		homeless: make([]bool, len(p.Actions)),

		vain:      make([]bool, len(p.Actions)),
		paces:     paces{of: make([]observed, len(slots))},
		withdrawn: make([]bool, len(p.Actions)),
	}
	for i := range r.alive {
		r.alive[i] = true
	}
	for i := range p.Actions {
		r.moving[i] = -1
		r.missing[i] = len(p.Actions[i].Inputs)
		r.open[p.Actions[i].Group]++
		if len(p.HelpersOf(plan.ActionID(i))) > 0 {
			r.helped = append(r.helped, plan.ActionID(i))
		}
		if r.missing[i] == 0 {
			r.enqueue(r.owner[i], plan.ActionID(i))
		}
	}
	return r
}

// Confine keeps actions from ranks. Root's own, rank 0, takes them all.
func (r *Root) Confine(actions, from []bool) {
	r.fixed, r.away = slices.Clone(actions), slices.Clone(from)
}

// Hold keeps actions where they are until Release. What lies in a rank's store is
// sooner taken from there than given to another, which has to be put its inputs.
func (r *Root) Hold() { r.held = true }

// Release ends Hold, when a rank has come upon something to execute.
func (r *Root) Release() Orders {
	r.held = false
	r.balance()
	return r.take()
}

// may reports whether a rank can execute an action.
func (r *Root) may(a plan.ActionID, rank plan.Rank) bool {
	return r.fixed == nil || !r.fixed[a] || !r.away[rank]
}

// Begin answers the first orders, which for an empty plan are the last.
func (r *Root) Begin() Orders {
	r.balance()
	r.close()
	return r.take()
}

// Failed lists the actions that failed, in the order in which root heard.
func (r *Root) Failed() []plan.ActionID { return r.failed }

// Left counts the actions that have not ended.
func (r *Root) Left() int { return r.left }

// Busy counts, by rank, the actions that it has to run and may be running.
func (r *Root) Busy() []int {
	busy := make([]int, len(r.slots))
	for i := range busy {
		busy[i] = min(len(r.load[i]), r.slots[i])
	}
	return busy
}

// Closed counts the barriers that have closed.
func (r *Root) Closed() plan.Superstep { return r.closed }

// Exists tells that a rank made an artifact.
func (r *Root) Exists(f plan.ArtifactID, on plan.Rank) Orders {
	if !r.alive[on] {
		return Orders{}
	}
	if r.exists[f] {
		if on == r.owner[r.plan.Artifacts[f].Producer] {
			r.exported(f, on) // who relieves it may have been first
		}
		return Orders{}
	}
	r.exists[f] = true
	r.holder[f] = on
	r.exported(f, on)
	for _, c := range r.plan.Artifacts[f].Consumers {
		if r.missing[c]--; r.missing[c] == 0 && !r.ended[c] {
			r.ready(c)
		}
	}
	r.balance()
	return r.take()
}

// Done tells that an action ended on a rank, all its artifacts having been
// told of when it succeeded.
func (r *Root) Done(a plan.ActionID, on plan.Rank, ok bool) (Orders, error) {
	if r.owner[a] != on {
		return Orders{}, violation("rank %d executed %s, which is rank %d's", on, r.plan.Actions[a].Package, r.owner[a])
	}
	r.dequeue(on, a)
	if r.dropped[a] { // it ran already when what it depends on failed
		return r.take(), nil
	}
	if r.ended[a] {
		return Orders{}, violation("%s ended twice", r.plan.Actions[a].Package)
	}
	r.end(a)
	if !ok {
		r.failed = append(r.failed, a)
		for _, u := range slices.Clone(r.audits) {
			r.noRelief(u.action)
		}
		r.audits = nil
		r.out.Fail = append(r.out.Fail, a)
		r.drop(a)
	}
	r.balance()
	r.expedite(on)
	r.close()
	return r.take(), nil
}

// Notified tells that a rank has done its part of superstep k.
func (r *Root) Notified(k plan.Superstep, by plan.Rank) (Orders, error) {
	if k != r.reached[by] {
		return Orders{}, violation("rank %d reached barrier %d, expected barrier %d", by, k, r.reached[by])
	}
	r.reached[by]++
	r.close()
	return r.take(), nil
}

// ready queues an action whose inputs all exist.
func (r *Root) ready(a plan.ActionID) {
	switch {
	case !r.withdrawn[a]:
		r.enqueue(r.owner[a], a)
	case r.moving[a] < 0:
		r.place(a)
	}
}

// Yielded answers a Yield: whether the rank gave the action up.
func (r *Root) Yielded(a plan.ActionID, by plan.Rank, ok bool) (Orders, error) {
	to := r.moving[a]
	if to < 0 || r.owner[a] != by {
		return Orders{}, violation("rank %d gave up %s unasked", by, r.plan.Actions[a].Package)
	}
	r.moving[a] = -1
	if !r.alive[to] {
		to = by // it gave the action up to a rank that is lost meanwhile
	}
	if r.homeless[a] { // it had started, and was given back
		r.dequeue(to, a)
		r.withdrawn[a] = false
		r.rehouse()
		return r.take(), nil
	}
	if !ok || r.ended[a] { // started meanwhile, or dropped
		r.dequeue(to, a)
		r.withdrawn[a] = false
		if r.settled[a] = true; !r.ended[a] && r.missing[a] == 0 {
			r.load[by] = slices.Insert(r.load[by], 0, a) // it runs: what was taken to run in its place can be moved
		}
		r.balance()
		return r.take(), nil
	}
	if r.withdrawn[a] {
		r.place(a)
		return r.take(), nil
	}
	r.owner[a] = to
	r.out.Assign = append(r.out.Assign, Assign{a, to, r.holders(a)})
	return r.take(), nil
}

func (r *Root) end(a plan.ActionID) {
	if !r.ended[a] {
		r.ended[a] = true
		r.left--
		r.open[r.plan.Actions[a].Group]--
		r.noRelief(a)
	}
}

// drop ends the descendants of a failed action.
func (r *Root) drop(a plan.ActionID) {
	r.plan.Dependents(a, func(c plan.ActionID) {
		if !r.dropped[c] {
			r.dropped[c] = true
			r.end(c)
			r.dequeue(r.owner[c], c)
			r.drop(c)
		}
	})
}

// close closes the barriers that everybody has reached: everything up to
// their groups exists.
func (r *Root) close() {
	for int(r.closed) < len(r.open) && r.open[r.closed] == 0 && slices.Min(r.reached) > r.closed {
		r.out.Commit = append(r.out.Commit, r.closed)
		r.closed++
	}
	if r.left == 0 && int(r.closed) == len(r.open) && len(r.audits) == 0 && !r.finished {
		r.finished = true
		r.out.Over = true
	}
}

// balance moves ready actions from ranks that queue to ranks that idle. What
// idles then, relieves slow ranks, and audits.
// In Blocking mode nobody moves: it is the textbook's.
func (r *Root) balance() {
	if r.mode == Blocking || r.asked > 0 {
		return
	}
	queueing := r.queueing()
	for to := range r.slots {
		for len(queueing) > 0 && r.moves() && r.idles(plan.Rank(to)) {
			from, a := r.waiting(queueing, plan.Rank(to), func(plan.Rank, plan.ActionID) bool { return true })
			if from < 0 {
				break
			}
			r.move(a, from, plan.Rank(to))
			queueing = r.queueing()
		}
	}
	if r.moves() {
		r.relieveAll()
	}
	r.audit()
}

// idles reports whether a rank has a slot that nothing is ready for.
func (r *Root) idles(rank plan.Rank) bool {
	free := r.ownSlots(rank) - len(r.load[rank])
	return free > 0 && free > r.helping(rank)
}

// queueing lists the ranks where an action waits for a slot: most often there is none.
func (r *Root) queueing() (all []plan.Rank) {
	for rank := range r.slots {
		slots := r.ownSlots(plan.Rank(rank))
		if load := len(r.load[rank]); load > slots || load > 0 && load+r.helping(plan.Rank(rank)) > slots {
			all = append(all, plan.Rank(rank))
		}
	}
	return all
}

// moves reports whether actions may be moved now.
func (r *Root) moves() bool {
	return r.mode == Split && len(r.slots) > 1 && r.asked == 0 && !r.held
}

func (r *Root) move(a plan.ActionID, from, to plan.Rank) {
	r.moving[a] = to
	r.noRelief(a) // it has not been begun
	r.dequeue(from, a)
	r.enqueue(to, a)
	r.out.Yield = append(r.out.Yield, Yield{a, from})
}

// expedite moves an action to a rank that has just begun another, if it is more
// urgent than that and waits elsewhere behind one at least twice as long: had it
// been this rank's, it would have begun by now, and here it begins sooner.
// Without this a short action that many others wait for can stand behind a long
// one while everybody is busy.
func (r *Root) expedite(to plan.Rank) {
	n := r.ownSlots(to)
	if !r.moves() || n == 0 || len(r.load[to]) < n {
		return
	}
	begun := r.load[to][n-1]
	urgency := r.plan.Priority[begun]
	if len(r.load[to]) > n {
		urgency = max(urgency, r.plan.Priority[r.load[to][n]]) // it would not be next
	}
	from, a := r.waiting(r.queueing(), to, func(rank plan.Rank, c plan.ActionID) bool {
		before := r.load[rank][0] // a share, if that is c
		return r.plan.Priority[c] > urgency && (before == c || r.plan.Actions[before].Cost > 2*r.plan.Actions[begun].Cost)
	})
	if from >= 0 {
		r.move(a, from, to)
	}
}

// waiting finds the most urgent of the actions that wait for a slot on ranks that
// queue and that another rank may be given: of each queue the first that can be moved,
// if it is wanted.
func (r *Root) waiting(queueing []plan.Rank, to plan.Rank, wanted func(plan.Rank, plan.ActionID) bool) (from plan.Rank, a plan.ActionID) {
	from = -1
	for _, rank := range queueing {
		if rank == to {
			continue
		}
		if c, ok := r.movable(rank, to); ok && wanted(rank, c) && (from < 0 || r.plan.Priority[c] > r.plan.Priority[a]) {
			from, a = rank, c
		}
	}
	return from, a
}

// movable finds the most urgent action of a rank's queue that it has probably
// not started: the first so many are taken to be running, fewer beside shares. What is taken wrongly
// shows when the rank refuses. Only what has just become ready makes a rank
// queue, and only a rank that idles is given anything, so actions do not wander.
func (r *Root) movable(rank, to plan.Rank) (plan.ActionID, bool) {
	for _, a := range r.load[rank][min(len(r.load[rank]), max(0, r.ownSlots(rank)-r.helping(rank))):] {
		if !r.settled[a] && !r.inBackEnd(a) && r.moving[a] < 0 && r.plan.Actions[a].Kind != plan.Link && r.may(a, to) && (!r.slow(to) || r.suits(a, to, r.remaining())) {
			return a, true
		}
	}
	return 0, false
}

// enqueue adds a ready action to a rank's load, which is kept in the order in
// which the rank takes it: what is older and more urgent first, and what it can hold
// where it is as urgent as its back end.
func (r *Root) enqueue(rank plan.Rank, a plan.ActionID) {
	queue := r.load[rank]
	i := len(queue)
	for i > 0 && (i > r.ownSlots(rank) || r.inBackEnd(queue[i-1])) && r.urgency(a) > r.urgency(queue[i-1]) {
		i--
	}
	r.load[rank] = slices.Insert(queue, i, a)
}

// exported moves an action that is in its back end now, and can be held, behind front
// ends, and behind what is more urgent: of what waits, only what would be held for.
func (r *Root) exported(f plan.ArtifactID, on plan.Rank) {
	a := r.plan.Artifacts[f].Producer
	if r.plan.Artifacts[f].Kind != plan.Export || r.exporter[a] == on {
		return
	}
	r.exporter[a] = on
	load, slots := r.load[r.owner[a]], r.ownSlots(r.owner[a])
	i := slices.Index(load, a)
	if i < 0 || !r.inBackEnd(a) {
		return
	}
	for ; i+1 < len(load); i++ {
		next := load[i+1]
		held := r.inBackEnd(next)
		if (held || i+1 >= slots) && r.urgency(next) <= r.urgency(a) {
			break
		}
		load[i], load[i+1] = next, a
	}
}

// inBackEnd reports whether an action, which has not ended, has given out its export
// data where it is, and can be held.
func (r *Root) inBackEnd(a plan.ActionID) bool {
	return r.exporter[a] == r.owner[a] && r.mode == Split && r.plan.Aside > 0
}

// urgency is that of what is left of an action.
func (r *Root) urgency(a plan.ActionID) int64 {
	if r.inBackEnd(a) {
		return r.plan.BackEndUrgency(a)
	}
	return r.plan.Priority[a]
}

func (r *Root) dequeue(rank plan.Rank, a plan.ActionID) {
	delete(r.paces.of[rank].executed, a)
	if i := slices.Index(r.load[rank], a); i >= 0 {
		r.load[rank] = slices.Delete(r.load[rank], i, i+1)
	}
}

func (r *Root) take() Orders {
	out := r.out
	r.out = Orders{}
	return out
}
