package replay

import (
	"container/heap"
	"fmt"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/superstep"
)

// A Duration is how long an action takes without helpers, of that, until its export data is there, and of that, until its
// types are, and until it waits for export data if it was begun ahead, 0 where it hands out none: microseconds.
type Duration struct{ Cost, Lead, Types, Waits int64 }

// Each is the duration with f of each of its parts.
func (d Duration) Each(f func(int64) int64) Duration {
	return Duration{f(d.Cost), f(d.Lead), f(d.Types), f(d.Waits)}
}

// Run executes a plan as it has been scheduled on ranks with so many slots, and returns when the last action ends. The
// plan's costs are what root takes actions for; took is what they turn out to take, and times how many times as long a
// rank takes, nil where all are as fast. Artifacts have the plan's sizes.
// What a state machine refuses is an error: a plan that Validate would refuse, or a defect.
func Run(p *plan.Plan, took []Duration, slots []int, times []float64, mode superstep.Mode, network schedule.Network) (makespan int64, err error) {
	w := &world{plan: p, took: took, times: times, network: network, compiles: make([]*compile, len(p.Actions)), shares: map[helper]execution{}}
	w.executions, w.seconds, w.made = map[helper]execution{}, map[helper]execution{}, map[helper]int64{}
	w.begun, w.meanwhile = map[helper]headStart{}, map[helper][]plan.ArtifactID{}
	w.root = superstep.NewRoot(p, slots, mode)
	for r := range slots {
		rank, e := superstep.NewRank(p, plan.Rank(r), slots[r], mode)
		w.ranks = append(w.ranks, rank)
		w.after(0, func() { w.effects(plan.Rank(r), e, nil) })
	}
	w.after(0, func() { w.orders(w.root.Begin(), nil) })
	w.after(superstep.LookEvery, w.look)
	for len(w.coming) > 0 && w.err == nil {
		next := heap.Pop(&w.coming).(happening)
		w.now = next.at
		next.do()
	}
	if left := w.root.Left(); left > 0 && w.err == nil {
		w.err = fmt.Errorf("%d of %d actions wait for something that never comes", left, len(p.Actions))
	}
	return w.end, w.err
}

// world is a build in virtual time.
type world struct {
	plan     *plan.Plan
	took     []Duration
	times    []float64
	network  schedule.Network
	ranks    []*superstep.Rank
	root     *superstep.Root
	compiles []*compile           // by action that runs and is helped
	shares   map[helper]execution // that are being compiled
	inbound  int64                // when the objects on their way to root will be there: it takes them one after the other
	now, end int64
	number   int64 // of what is to happen: first things first, and in the order in which they were said
	coming   happenings
	err      error

	executions map[helper]execution
	seconds    map[helper]execution // in relief
	made       map[helper]int64     // what lies aside: how long it took
	begun      map[helper]headStart
	meanwhile  map[helper][]plan.ArtifactID // what came while it was being made: of use if that is given up
}

type helper struct {
	action plan.ActionID
	rank   plan.Rank
}

// effects carries out what a rank wants done.
func (w *world) effects(r plan.Rank, e superstep.Effects, err error) {
	w.fail(err)
	for _, p := range e.Put {
		w.put(r, p.To, p.Artifact)
	}
	for _, want := range e.Want {
		w.tell(r, want.From, func() { w.put(want.From, r, want.Artifact) })
	}
	for _, p := range e.Types {
		w.putTypes(p.To, p.Artifact)
	}
	for _, a := range e.Quit {
		w.quit(r, a)
	}
	for _, h := range e.Ahead {
		w.ahead(r, h.Action)
	}
	for _, t := range e.Threads {
		w.hold(r, t)
	}
	for _, a := range e.Stop {
		delete(w.shares, helper{a, r})
		w.after(0, func() { w.helped(a, r) })
	}
	for _, s := range e.Start {
		w.execute(r, s.Action)
	}
	for _, h := range e.Help {
		w.share(r, h.Action)
	}
	for _, h := range e.Repeat {
		w.repeat(r, h.Action)
	}
	for _, a := range e.Cease {
		delete(w.seconds, helper{a, r})
		w.after(0, func() { w.repeated(helper{a, r}, false, 0) })
	}
	for _, k := range e.Notify {
		w.tell(r, 0, func() { w.orders(w.root.Notified(k, r)) })
	}
}

// orders carries out what root wants done.
func (w *world) orders(o superstep.Orders, err error) {
	w.fail(err)
	for _, y := range o.Yield {
		w.tell(0, y.From, func() {
			e, ok := w.ranks[y.From].Yield(y.Action)
			w.effects(y.From, e, nil)
			w.tell(y.From, 0, func() { w.orders(w.root.Yielded(y.Action, y.From, ok)) })
		})
	}
	for _, a := range o.Assign {
		w.tell(0, a.To, func() {
			e, err := w.ranks[a.To].Assigned(a.Action, a.Holders)
			w.effects(a.To, e, err)
		})
	}
	for r := range w.ranks {
		if to := plan.Rank(r); o.Recover != nil {
			w.tell(0, to, func() { w.effects(to, w.ranks[to].Recover(*o.Recover), nil) })
		}
	}
	for _, a := range o.Dismiss {
		w.tell(0, a.To, func() {
			delete(w.made, helper{a.Action, a.To})
			w.effects(a.To, w.ranks[a.To].Dismiss(a.Action), nil)
		})
	}
	for _, a := range o.Repeat {
		why := w.root.Why(a.Action)
		w.tell(0, a.To, func() {
			e, err := w.ranks[a.To].Repeat(a.Action, a.Holders, why)
			w.effects(a.To, e, err)
		})
	}
	for _, y := range o.GiveUp {
		w.tell(0, y.From, func() { w.giveUp(y.From, y.Action) })
	}
	for _, k := range o.Commit {
		for r := range w.ranks {
			to := plan.Rank(r)
			w.tell(0, to, func() {
				e, err := w.ranks[to].Committed(k)
				w.effects(to, e, err)
			})
		}
	}
}

// tell is a message without artifact.
func (w *world) tell(from, to plan.Rank, do func()) {
	delay := w.network.Latency
	if from == to {
		delay = 0
	}
	w.after(delay, do)
}

// put sends an artifact. Objects go to root on a lane of their own.
func (w *world) put(from, to plan.Rank, f plan.ArtifactID) {
	artifact := &w.plan.Artifacts[f]
	delay := w.network.Cost(artifact)
	if artifact.Kind == plan.Object {
		begun := max(w.inbound, w.now)
		w.inbound = begun + delay - w.network.Latency
		delay += begun - w.now
	}
	w.after(delay, func() {
		key := helper{artifact.Producer, to}
		if _, makes := w.executions[key]; makes {
			w.meanwhile[key] = append(w.meanwhile[key], f)
			return
		}
		w.effects(to, w.ranks[to].Arrived(f), nil)
	})
}

// execute runs an action on a rank.
func (w *world) execute(r plan.Rank, a plan.ActionID) {
	took := w.takes(r, a)
	w.number++
	key := helper{a, r}
	ahead, typed := w.join(r, a)
	took.Cost -= ahead
	took.Lead -= ahead
	this := execution{w.number, w.now - ahead, &clock{}}
	w.executions[key] = this
	then := func(delay int64, do func()) {
		w.at(this.clock, w.now+delay, func() {
			if w.executions[key] == this { // not given up
				do()
			}
		})
	}
	if types, _ := w.headStart(r, a); types > 0 && !typed {
		then(types-ahead, func() { w.typed(r, a) })
	}
	if took.Lead < took.Cost {
		then(took.Lead, func() { w.produced(r, a, true) })
	}
	helpers := w.plan.HelpersOf(a)
	if len(helpers) == 0 || took.Cost == 0 {
		then(took.Cost, func() { w.ended(r, a) })
		return
	}
	c := &compile{
		world: w, clock: this.clock, action: a, on: r, each: w.each(r, a),
		came: make([]bool, len(helpers)), left: len(helpers), called: helpers,
	}
	w.compiles[a] = c
	for _, h := range helpers {
		if h != r { // it was to help, and has taken over the action
			w.tell(r, h, func() {
				e, err := w.ranks[h].Called(a, r)
				w.effects(h, e, err)
			})
		}
	}
	then(took.Lead+c.each, c.gather)
}

// produced tells of the outputs that are there early, or of those that are not.
func (w *world) produced(r plan.Rank, a plan.ActionID, early bool) {
	took := w.takes(r, a)
	split := took.Lead < took.Cost
	for _, f := range w.plan.Actions[a].Outputs {
		if (split && w.plan.Artifacts[f].Kind == plan.Export) != early {
			continue
		}
		if early {
			this := w.executions[helper{a, r}]
			led := w.now - this.begun - this.stopped
			w.tell(r, 0, func() { w.root.Led(a, r, led) })
		}
		w.tell(r, 0, func() { w.orders(w.root.Exists(f, r), nil) })
		if early {
			e, err := w.ranks[r].Produced(f)
			w.effects(r, e, err)
		}
	}
}

// dismiss dismisses the helpers of an action that ends.
func (w *world) dismiss(r plan.Rank, a plan.ActionID) {
	if c := w.compiles[a]; c != nil && c.on == r {
		w.compiles[a] = nil
		for _, h := range c.called {
			if h != r {
				w.tell(r, h, func() { w.effects(h, w.ranks[h].Dismissed(a, r), nil) })
			}
		}
	}
}

func (w *world) ended(r plan.Rank, a plan.ActionID) {
	w.dismiss(r, a)
	w.produced(r, a, false)
	key := helper{a, r}
	took, aside := w.made[key]
	if !aside {
		took = w.now - w.executions[key].begun - w.executions[key].stopped
	}
	delete(w.executions, key)
	w.tell(r, 0, func() {
		if w.plan.Actions[a].Kind != plan.Link {
			w.root.Took(a, r, took)
		}
		w.orders(w.root.Done(a, r, true))
	})
	e, err := w.ranks[r].Finished(a, true)
	w.effects(r, e, err)
	w.end = w.now
}

// each is what the functions of one share of an action take.
func (w *world) each(r plan.Rank, a plan.ActionID) int64 {
	took := w.takes(r, a)
	return (took.Cost - took.Lead) / int64(len(w.plan.HelpersOf(a))+1)
}

// share compiles a share of an action on a helper, which repeats the front end.
func (w *world) share(r plan.Rank, a plan.ActionID) {
	w.number++
	key, this, each := helper{a, r}, execution{w.number, w.now, &clock{}}, w.each(r, a)
	w.shares[key] = this
	w.at(this.clock, w.now+w.takes(r, a).Lead+each+schedule.Handling(each), func() {
		if w.shares[key] == this { // not stopped, and begun anew
			delete(w.shares, key)
			w.helped(a, r)
		}
	})
}

// helped ends a share, and sends it to whoever wants it still.
func (w *world) helped(a plan.ActionID, r plan.Rank) {
	to, ok, e, err := w.ranks[r].Helped(a)
	w.effects(r, e, err)
	if !ok {
		return
	}
	var object plan.Artifact
	for _, f := range w.plan.Actions[a].Outputs {
		if w.plan.Artifacts[f].Kind == plan.Object {
			object = w.plan.Artifacts[f]
		}
	}
	number, of := w.plan.Share(a, r)
	object.Size /= int64(of)
	w.after(w.network.Cost(&object), func() {
		if c := w.compiles[a]; c != nil && c.on == to {
			c.arrived(number - 1)
		}
	})
}

// compile is the compile of an action that has helpers. Once its own share is done, it goes through the others, the last
// first: it takes over what is there, and compiles itself what is not, until that comes.
type compile struct {
	*world
	clock  *clock
	action plan.ActionID
	on     plan.Rank
	each   int64
	came   []bool // by share of another
	left   int    // shares of others that have not been dealt with
	mine   bool   // the last of them is being compiled here,
	done   int64  // and would be done at, by the clock
	round  int
	called []plan.Rank
}

func (c *compile) gather() {
	switch {
	case c.compiles[c.action] != c: // given up
	case c.left == 0:
		c.ended(c.on, c.action)
	case c.came[c.left-1]:
		c.next(schedule.Handling(c.each))
	default:
		c.mine, c.done = true, c.clock.reads(c.now)+c.each
		c.next(c.each)
	}
}

// next deals with one share less after a while.
func (c *compile) next(delay int64) {
	c.round++
	round := c.round
	c.at(c.clock, c.now+delay, func() {
		if c.round == round {
			c.mine = false
			c.left--
			c.gather()
		}
	})
}

func (c *compile) arrived(share int) {
	c.came[share] = true
	if c.mine && share == c.left-1 {
		c.mine = false
		c.next(schedule.Handling(c.done - c.clock.reads(c.now)))
	}
}

func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *world) after(delay int64, do func()) {
	w.number++
	heap.Push(&w.coming, happening{w.now + delay, w.number, do})
}

// happening is something that is to happen.
type happening struct {
	at, number int64
	do         func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].number < h[j].number
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
