package superstep

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// world is a whole build in one goroutine: n ranks and root, connected by
// queues that keep the order of each link and nothing else.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	plan  *plan.Plan
	mode  Mode
	fail  map[plan.ActionID]bool
	flaky map[plan.ActionID]int // by action: how often it is given back before it is executed
	kills map[plan.Rank]int     // by rank: after how many events it is lost
	early bool                  // exports appear before the action ends, as with the pipelined compiler
	ranks []*Rank
	root  *Root
	links map[[2]plan.Rank][]func() // messages in flight, by sender and receiver
	busy  [][]task                  // by rank: what runs there
	runs  map[plan.ActionID]int
	order [][]plan.Superstep // by rank: commits seen
	slots []int
	moves int
	over  bool
	dead  []bool
	held  int // after how many events actions may be moved

	returns    []returned                            // actions given back
	last       map[plan.ActionID]plan.Rank           // by action: who executed it
	again      int                                   // actions executed a second time after a loss
	shares     int                                   // compiled to their ends and wanted then
	audits     int                                   // one in so many actions is audited; none where it is 0
	twice      map[plan.ActionID]plan.Rank           // by action that root was told was executed a second time: where
	stops      int                                   // second executions that were ended
	slow       int                                   // one in so many events root takes some rank to be slow; never where it is 0
	upGiven    map[plan.ActionID]bool                // running actions that are to be given up
	reliefs    int                                   // actions given up for another's
	meanwhile  []map[plan.ActionID][]plan.ArtifactID // by rank and action that it makes: what came of that
	given      int                                   // export data given out in relief
	begun      []map[plan.ActionID]bool              // by rank: head starts, and whether they are wanted and have paused
	joined     []map[plan.ActionID]bool              // by rank: actions that were started while their head start ran, which still does
	halted     []map[Execution]bool                  // by rank: what is held, and whether their end is on its way all the same
	heads      int                                   // actions that went on from a head start
	joins      int                                   // of those, that were started while it ran
	holds      int                                   // executions that were held
	sharesHeld int                                   // of them, shares
	strays     int                                   // of those, that ended before they went on
}

// A task is what happens next in an execution. There is one for each.
type task struct {
	Execution
	do func()
}

// addHelpers has some actions helped by some ranks.
func addHelpers(rng *rand.Rand, p *plan.Plan, size int) {
	p.Pipelined, p.Helpers = true, make([][]plan.Rank, len(p.Actions))
	for i := range p.Actions {
		if p.Actions[i].Kind != plan.Compile || rng.IntN(3) > 0 {
			continue
		}
		for _, h := range rng.Perm(size)[:rng.IntN(min(size, plan.MaxShares))] {
			if plan.Rank(h) != p.Owner[i] {
				p.Helpers[i] = append(p.Helpers[i], plan.Rank(h))
			}
		}
	}
}

func randomPlan(rng *rand.Rand, actions, size int) *plan.Plan {
	p := &plan.Plan{Aside: plan.MostAside}
	for i := range actions {
		a := plan.Action{ID: plan.ActionID(i), Kind: plan.Compile, Package: fmt.Sprintf("p%d", i), Cost: 1 + rng.Int64N(1_000_000)}
		a.Lead = 1 + rng.Int64N(a.Cost)
		for j := range 2 {
			f := plan.ArtifactID(len(p.Artifacts))
			p.Artifacts = append(p.Artifacts, plan.Artifact{ID: f, Kind: plan.ArtifactKind(j + 1), Path: fmt.Sprintf("b%d/%d", i, j), Producer: a.ID})
			a.Outputs = append(a.Outputs, f)
		}
		for range rng.IntN(4) {
			if i == 0 {
				break
			}
			d := plan.ActionID(rng.IntN(i))
			f := p.Actions[d].Outputs[0]
			if !slices.Contains(a.Inputs, f) {
				a.Inputs = append(a.Inputs, f)
				p.Artifacts[f].Consumers = append(p.Artifacts[f].Consumers, a.ID)
				a.Group = max(a.Group, p.Actions[d].Group+1)
			}
		}
		p.Actions = append(p.Actions, a)
		p.Owner = append(p.Owner, plan.Rank(rng.IntN(size)))
	}
	link := plan.Action{ID: plan.ActionID(actions), Kind: plan.Link, Package: "main"}
	for i := range actions {
		f := p.Actions[i].Outputs[1]
		link.Inputs = append(link.Inputs, f)
		p.Artifacts[f].Consumers = append(p.Artifacts[f].Consumers, link.ID)
		link.Group = max(link.Group, p.Actions[i].Group+1)
	}
	p.Actions = append(p.Actions, link)
	p.Owner = append(p.Owner, 0)
	p.Priority = plan.BottomLevels(p)
	return p
}

func newWorld(t *testing.T, seed uint64, actions, size int, mode Mode) *world {
	rng := rand.New(rand.NewPCG(seed, uint64(size)))
	w := &world{
		t: t, rng: rng, plan: randomPlan(rng, actions, size), mode: mode,
		fail: map[plan.ActionID]bool{}, links: map[[2]plan.Rank][]func(){},
		last: map[plan.ActionID]plan.Rank{}, twice: map[plan.ActionID]plan.Rank{}, upGiven: map[plan.ActionID]bool{},
		dead: make([]bool, size), busy: make([][]task, size), runs: map[plan.ActionID]int{}, order: make([][]plan.Superstep, size),
	}
	addHelpers(rng, w.plan, size)
	if err := w.plan.Validate(size); err != nil {
		t.Fatal(err)
	}
	for range size {
		w.slots = append(w.slots, 1+rng.IntN(3))
	}
	for range size {
		w.begun = append(w.begun, map[plan.ActionID]bool{})
		w.joined = append(w.joined, map[plan.ActionID]bool{})
		w.halted = append(w.halted, map[Execution]bool{})
		w.meanwhile = append(w.meanwhile, map[plan.ActionID][]plan.ArtifactID{})
	}
	w.held = max(0, rng.IntN(8*actions+1)-4*actions) // every second world from its beginning on, one in many to its end
	return w
}

// run delivers messages and ends actions in random order until nothing is left.
func (w *world) run() {
	w.root = NewRoot(w.plan, w.slots, w.mode)
	w.ranks = make([]*Rank, len(w.slots))
	for i := range w.slots {
		var e Effects
		w.ranks[i], e = NewRank(w.plan, plan.Rank(i), w.slots[i], w.mode)
		w.effects(plan.Rank(i), e, nil)
	}
	if w.held > 0 {
		w.root.Hold()
	}
	w.orders(w.root.Begin(), nil)
	for step := 0; ; step++ {
		if w.slow > 0 && w.rng.IntN(w.slow) == 0 {
			w.orders(w.root.Look(w.rng.Int64N(5_000_000)), nil)
		}
		if step == w.held {
			w.orders(w.root.Release(), nil)
		}
		for r, at := range w.kills {
			if step == at && !w.over {
				w.kill(r)
			}
		}
		var next []func()
		for link, queue := range sorted(w.links) {
			_ = queue
			next = append(next, func() {
				f := w.links[link][0]
				w.links[link] = w.links[link][1:]
				f()
			})
		}
		for r := range w.busy {
			if w.slow > 0 && r%2 == 1 && len(next) > 0 && w.rng.IntN(20) > 0 {
				continue // it is slow
			}
			for i, t := range w.busy[r] {
				if w.stands(r, t) {
					continue
				}
				next = append(next, func() {
					w.busy[r] = slices.Delete(w.busy[r], i, i+1)
					t.do()
				})
			}
		}
		if len(next) == 0 {
			return
		}
		next[w.rng.IntN(len(next))]()
	}
}

// stands reports whether an execution does not get on: it is held, or its head start has not paused. What is to be given
// up or back is all the same.
func (w *world) stands(r int, t task) bool {
	onItsWay, held := w.halted[r][t.Execution]
	switch {
	case t.Second:
		return held && !onItsWay && !w.ranks[r].second(t.Action).ceasing
	case t.Share:
		return held && !onItsWay && w.ranks[r].caller[t.Action] != nobody
	}
	own := t.Execution == Execution{Action: t.Action}
	return own && (held && !onItsWay && !w.upGiven[t.Action] || w.joined[r][t.Action] && w.flaky[t.Action] == 0)
}

// next adds what is next in an execution, or begins one.
func (w *world) next(r plan.Rank, x Execution, do func()) {
	w.busy[r] = append(w.busy[r], task{x, do})
}

// sorted walks the links that hold messages in a fixed order.
func sorted(links map[[2]plan.Rank][]func()) func(func([2]plan.Rank, []func()) bool) {
	return func(yield func([2]plan.Rank, []func()) bool) {
		var keys [][2]plan.Rank
		for k, q := range links {
			if len(q) > 0 {
				keys = append(keys, k)
			}
		}
		slices.SortFunc(keys, func(a, b [2]plan.Rank) int { return slices.Compare(a[:], b[:]) })
		for _, k := range keys {
			if !yield(k, links[k]) {
				return
			}
		}
	}
}

// kill loses a rank: what it sent may have arrived in part, what is sent to it
// goes nowhere, and at some time root hears of it.
func (w *world) kill(r plan.Rank) {
	w.dead[r] = true
	w.busy[r] = nil
	clear(w.begun[r])
	clear(w.joined[r])
	clear(w.halted[r])
	for to := range w.dead {
		in, out := [2]plan.Rank{plan.Rank(to), r}, [2]plan.Rank{r, plan.Rank(to)}
		w.links[in] = nil
		if q := w.links[out]; len(q) > 0 {
			w.links[out] = q[:w.rng.IntN(len(q)+1)]
		}
	}
	link := [2]plan.Rank{r, 0}
	w.links[link] = append(w.links[link], func() { w.orders(w.root.Lost(r), nil) })
}

func (w *world) send(from, to plan.Rank, f func()) {
	if w.dead[from] || w.dead[to] {
		return
	}
	w.links[[2]plan.Rank{from, to}] = append(w.links[[2]plan.Rank{from, to}], f)
}

func (w *world) effects(self plan.Rank, e Effects, err error) {
	if err != nil {
		w.t.Fatalf("rank %d: %v", self, err)
	}
	for _, p := range e.Types {
		w.send(self, p.To, func() { w.effects(p.To, w.ranks[p.To].TypesArrived(p.Artifact), nil) })
	}
	for _, a := range e.Quit {
		if _, begun := w.begun[self][a]; !begun {
			w.t.Fatalf("rank %d quits %s, which it has not begun", self, w.plan.Actions[a].Package)
		}
		delete(w.begun[self], a)
	}
	for _, t := range e.Threads {
		w.hold(self, t)
	}
	for _, s := range e.Start {
		w.execute(self, s)
	}
	for _, h := range e.Ahead {
		w.ahead(self, h)
	}
	for _, h := range e.Help {
		w.help(self, h)
	}
	for _, h := range e.Repeat {
		w.repeat(self, h.Action)
	}
	w.stops += len(e.Cease)
	w.count(self)
	for _, p := range e.Put {
		w.send(self, p.To, func() { w.arrive(p.To, p.Artifact) })
	}
	for _, want := range e.Want {
		w.send(self, want.From, func() {
			if w.dead[self] {
				return
			}
			if !w.ranks[want.From].Holds(want.Artifact) {
				w.t.Fatalf("rank %d was asked for artifact %d, which it does not hold", want.From, want.Artifact)
			}
			w.send(want.From, self, func() { w.arrive(self, want.Artifact) })
		})
	}
	for _, k := range e.Notify {
		w.send(self, 0, func() { o, err := w.root.Notified(k, self); w.orders(o, err) })
	}
}

// arrive is the arrival of an artifact, which is kept while it is being made there.
func (w *world) arrive(at plan.Rank, f plan.ArtifactID) {
	if a := w.plan.Artifacts[f].Producer; w.ranks[at].state[a] == running {
		w.meanwhile[at][a] = append(w.meanwhile[at][a], f)
		return
	}
	w.effects(at, w.ranks[at].Arrived(f), nil)
}

// gaveBack has a rank give an action back: what came meanwhile of what it would have made arrives.
func (w *world) gaveBack(self plan.Rank, a plan.ActionID) {
	e, err := w.ranks[self].GaveBack(a)
	w.effects(self, e, err)
	came := w.meanwhile[self][a]
	delete(w.meanwhile[self], a)
	for _, f := range came {
		w.effects(self, w.ranks[self].Arrived(f), nil)
	}
}

// hold has an action stand still, or go on.
func (w *world) hold(self plan.Rank, t Threads) {
	if t.Ahead {
		return
	}
	a := &w.plan.Actions[t.Action]
	if t.Threads > 0 {
		if _, held := w.halted[self][t.Execution]; held && w.running(self) >= w.slots[self] {
			w.t.Fatalf("rank %d has %s go on before a slot is free", self, a.Package)
		}
		delete(w.halted[self], t.Execution)
		return
	}
	if w.mode == Blocking || t.Execution == (Execution{Action: a.ID}) && !w.ranks[self].Holds(a.Outputs[0]) {
		w.t.Fatalf("rank %d holds %s in %s mode", self, a.Package, w.mode)
	}
	if t.Share {
		w.sharesHeld++
	}
	w.halted[self][t.Execution] = w.rng.IntN(4) == 0
	w.holds++
}

// count checks that a rank runs no more than it has slots for, holds nothing while one is free, and not too much.
func (w *world) count(self plan.Rank) {
	if w.dead[self] {
		return
	}
	n, held := w.running(self), len(w.halted[self])
	if held > w.plan.Aside*w.slots[self] || n > w.slots[self] || n < w.slots[self] && held > 0 || n != w.ranks[self].active {
		w.t.Fatalf("rank %d runs %d executions in %d slots, holds %d, and counts %d", self, n, w.slots[self], held, w.ranks[self].active)
	}
}

// running counts what has a slot.
func (w *world) running(self plan.Rank) int {
	n := len(w.busy[self]) - len(w.halted[self])
	for _, t := range w.busy[self] {
		if t.Ahead && w.joined[self][t.Action] { // it has the slot of its action, or none if that was given back
			n--
		}
	}
	return n
}

// ahead begins an action: it may hand out types, and pauses.
func (w *world) ahead(self plan.Rank, h Help) {
	a := &w.plan.Actions[h.Action]
	r := w.ranks[self]
	for _, in := range a.Inputs {
		if !r.Holds(in) && !r.typed[in] {
			w.t.Fatalf("rank %d began %s without the types of %s", self, a.Package, w.plan.Artifacts[in].Path)
		}
	}
	w.begun[self][a.ID] = false
	if n := len(w.begun[self]); n > w.plan.Aside*w.slots[self] || w.mode == Blocking {
		w.t.Fatalf("rank %d has begun %d actions, with %d slots, in %s mode", self, n, w.slots[self], w.mode)
	}
	x := Execution{Action: a.ID, Ahead: true}
	if h.Threads < 1 {
		w.t.Fatalf("rank %d begins %s without threads", self, a.Package)
	}
	pause := func() {
		delete(w.joined[self], a.ID)
		if _, wanted := w.begun[self][a.ID]; wanted {
			w.begun[self][a.ID] = true
		}
		e, err := r.Paused(a.ID)
		w.effects(self, e, err)
	}
	if w.fail[a.ID] {
		w.next(self, x, pause)
		return
	}
	w.next(self, x, func() {
		w.next(self, x, pause)
		if _, wanted := w.begun[self][a.ID]; wanted || w.joined[self][a.ID] {
			w.effects(self, r.Typed(a.Outputs[0]), nil)
		}
	})
}

// help compiles a share: nothing but its slot and whom it is for is of interest.
func (w *world) help(self plan.Rank, h Help) {
	for _, in := range w.plan.Actions[h.Action].Inputs {
		if !w.ranks[self].Holds(in) {
			w.t.Fatalf("rank %d helps %s without %s", self, w.plan.Actions[h.Action].Package, w.plan.Artifacts[in].Path)
		}
	}
	if w.mode == Blocking {
		w.t.Fatalf("rank %d helps %s in blocking mode", self, w.plan.Actions[h.Action].Package)
	}
	x := Execution{Action: h.Action, Share: true}
	w.next(self, x, func() {
		delete(w.halted[self], x)
		_, wanted, e, err := w.ranks[self].Helped(h.Action)
		if wanted {
			w.shares++
		}
		w.effects(self, e, err)
	})
}

// repeat executes an action a second time. When that is to be ended, it ends by itself or before.
func (w *world) repeat(self plan.Rank, a plan.ActionID) {
	r := w.ranks[self]
	for _, in := range w.plan.Actions[a].Inputs {
		if !r.Holds(in) {
			w.t.Fatalf("rank %d executes %s a second time without %s", self, w.plan.Actions[a].Package, w.plan.Artifacts[in].Path)
		}
	}
	x := Execution{Action: a, Second: true}
	end := func() {
		delete(w.halted[self], x)
		tell, e, err := r.Repeated(a, !r.second(a).ceasing || w.rng.IntN(2) > 0)
		if tell {
			w.send(self, 0, func() {
				awaited, o := w.root.Repeated(a, self, true)
				if awaited && w.root.ended[a] {
					w.twice[a] = self
				}
				w.orders(o, nil)
			})
		}
		w.effects(self, e, err)
	}
	if outputs := w.plan.Actions[a].Outputs; !w.early || len(outputs) == 0 {
		w.next(self, x, end)
	} else {
		w.next(self, x, func() {
			w.next(self, x, end)
			if f := outputs[0]; r.GivesOut(f) {
				w.given++
				w.send(self, 0, func() { w.orders(w.root.Exists(f, self), nil) })
				e, err := r.GaveOut(f)
				w.effects(self, e, err)
			}
		})
	}
}

// call calls for all shares of an action, or dismisses them.
func (w *world) call(self plan.Rank, a plan.ActionID, tell func(*Rank) (Effects, error)) {
	for _, to := range w.plan.HelpersOf(a) {
		if to != self {
			w.send(self, to, func() { e, err := tell(w.ranks[to]); w.effects(to, e, err) })
		}
	}
}

// takes is how long an action takes on a rank: what is expected, three times as much or less, and much more on slow ranks.
func (w *world) takes(on plan.Rank, a *plan.Action) int64 {
	took := int64(float64(a.Cost) * (0.3 + 2.7*w.rng.Float64()))
	if w.slow > 0 && on%2 == 1 {
		took *= int64(1 + w.rng.IntN(20))
	}
	return took
}

func (w *world) execute(self plan.Rank, s Start) {
	a := &w.plan.Actions[s.Action]
	r := w.ranks[self]
	for _, in := range a.Inputs {
		if !r.Holds(in) {
			w.t.Fatalf("rank %d started %s without %s", self, a.Package, w.plan.Artifacts[in].Path)
		}
	}
	paused, begun := w.begun[self][a.ID]
	if w.joined[self][a.ID] || !begun && slices.ContainsFunc(w.busy[self], func(t task) bool { return t.Ahead && t.Action == a.ID }) {
		w.t.Fatalf("rank %d started %s while a head start runs that is of no use", self, a.Package)
	}
	if s.Threads < 1 {
		w.t.Fatalf("rank %d starts %s without threads", self, a.Package)
	}
	if begun {
		w.heads++
		delete(w.begun[self], a.ID)
	}
	if begun && !paused {
		w.joins++
		w.joined[self][a.ID] = true
	}
	x := Execution{Action: a.ID}
	if w.mode == Blocking && int(a.Group) > len(w.order[self]) {
		w.t.Fatalf("rank %d started %s of group %d after %d barriers", self, a.Package, a.Group, len(w.order[self]))
	}
	produce := func(out plan.ArtifactID) {
		w.send(self, 0, func() { w.orders(w.root.Exists(out, self), nil) })
		e, err := r.Produced(out)
		w.effects(self, e, err)
	}
	called := !s.Again && w.rng.IntN(8) > 0 // else it comes out of a store
	if called {
		w.call(self, a.ID, func(r *Rank) (Effects, error) { return r.Called(a.ID, self) })
	}
	end := func() {
		if _, held := w.halted[self][x]; held {
			w.strays++
			delete(w.halted[self], x)
		}
		if called {
			w.call(self, a.ID, func(r *Rank) (Effects, error) { return r.Dismissed(a.ID, self), nil })
		}
		if w.upGiven[a.ID] {
			delete(w.upGiven, a.ID)
			if w.rng.IntN(4) > 0 {
				w.reliefs++
				w.send(self, 0, func() { o, err := w.root.GaveUp(a.ID, self); w.orders(o, err) })
				w.gaveBack(self, a.ID)
				return
			}
		}
		if w.flaky[a.ID] > 0 {
			w.flaky[a.ID]--
			w.returns = append(w.returns, returned{a.ID, self})
			w.send(self, 0, func() { o, err := w.root.GaveBack(a.ID, self); w.orders(o, err) })
			w.gaveBack(self, a.ID)
			return
		}
		delete(w.meanwhile[self], a.ID)
		w.runs[a.ID]++
		w.last[a.ID] = self
		took := w.takes(self, a)
		ok := !w.fail[a.ID]
		// The end is told before its consequences, as package rank does.
		w.send(self, 0, func() {
			for _, out := range a.Outputs {
				if ok {
					w.orders(w.root.Exists(out, self), nil)
				}
			}
			if ok && w.audits > 0 && int(a.ID)%w.audits == 0 {
				if u := w.root.relief(a.ID); u != nil && u.made && u.on != self {
					w.twice[a.ID] = u.on // as package rank sees
				}
				w.root.Audit(a.ID)
			}
			w.root.Took(a.ID, self, took)
			o, err := w.root.Done(a.ID, self, ok)
			w.orders(o, err)
		})
		e, err := r.Finished(a.ID, ok)
		w.effects(self, e, err)
	}
	if w.early && len(a.Outputs) > 0 && !s.Again {
		exports := func() {
			w.next(self, x, end)
			produce(a.Outputs[0])
		}
		switch {
		case w.joined[self][a.ID] && w.flaky[a.ID] > 0:
			w.next(self, x, end) // it is given back before it goes on
		case begun || a.Kind != plan.Compile || w.fail[a.ID]:
			w.next(self, x, exports)
		default:
			w.next(self, x, func() {
				w.next(self, x, exports)
				w.effects(self, r.Typed(a.Outputs[0]), nil)
			})
		}
		return
	}
	w.next(self, x, end)
}

func (w *world) orders(o Orders, err error) {
	if err != nil {
		w.t.Fatalf("root: %v", err)
	}
	for _, a := range o.Fail {
		for to := range w.ranks {
			w.send(0, plan.Rank(to), func() { w.effects(plan.Rank(to), w.ranks[to].Failed(a), nil) })
		}
	}
	for _, y := range o.Yield {
		w.send(0, y.From, func() {
			e, ok := w.ranks[y.From].Yield(y.Action)
			w.send(y.From, 0, func() { o, err := w.root.Yielded(y.Action, y.From, ok); w.orders(o, err) })
			w.effects(y.From, e, nil)
		})
	}
	for _, a := range o.Assign {
		w.moves++
		w.send(0, a.To, func() { e, err := w.ranks[a.To].Assigned(a.Action, a.Holders); w.effects(a.To, e, err) })
	}
	if s := o.Survey; s != nil {
		for to := range w.ranks {
			w.send(0, plan.Rank(to), func() {
				held := w.ranks[to].Surveyed(*s)
				w.send(plan.Rank(to), 0, func() { w.orders(w.root.Held(s.Epoch, plan.Rank(to), held), nil) })
			})
		}
	}
	if rec := o.Recover; rec != nil {
		w.again += rec.Redone
		for to := range w.ranks {
			w.send(0, plan.Rank(to), func() { w.effects(plan.Rank(to), w.ranks[to].Recover(*rec), nil) })
		}
	}
	for _, a := range o.Dismiss {
		w.send(0, a.To, func() { w.effects(a.To, w.ranks[a.To].Dismiss(a.Action), nil) })
	}
	for _, a := range o.Repeat {
		why := w.root.Why(a.Action)
		w.send(0, a.To, func() { e, err := w.ranks[a.To].Repeat(a.Action, a.Holders, why); w.effects(a.To, e, err) })
	}
	for _, y := range o.GiveUp {
		w.send(0, y.From, func() {
			runs, gaveUp, e := w.ranks[y.From].GiveUp(y.Action)
			if runs {
				w.upGiven[y.Action] = true
			} else if gaveUp {
				w.reliefs++
				w.send(y.From, 0, func() { o, err := w.root.GaveUp(y.Action, y.From); w.orders(o, err) })
			}
			w.effects(y.From, e, nil)
		})
	}
	for _, k := range o.Commit {
		for to := range w.ranks {
			w.send(0, plan.Rank(to), func() {
				w.order[to] = append(w.order[to], k)
				e, err := w.ranks[to].Committed(k)
				w.effects(plan.Rank(to), e, err)
			})
		}
	}
	w.over = w.over || o.Over
}

func TestWorlds(t *testing.T) {
	var moves, shares, heads, joins, holds, sharesHeld, strays int
	for _, size := range []int{1, 2, 3, 5, 8} {
		for _, mode := range []Mode{Split, Blocking} {
			for _, early := range []bool{false, true} {
				for seed := range uint64(60) {
					w := newWorld(t, seed, 60, size, mode)
					w.early = early
					w.run()
					name := fmt.Sprintf("size %d, %s, early %v, seed %d", size, mode, early, seed)
					if !w.over {
						t.Fatalf("%s: stuck with %d actions left", name, w.root.Left())
					}
					for i := range w.plan.Actions {
						if n := w.runs[plan.ActionID(i)]; n != 1 {
							t.Fatalf("%s: action %d was executed %d times", name, i, n)
						}
					}
					for r, seen := range w.order {
						if len(seen) != len(w.plan.Groups()) || !slices.IsSorted(seen) {
							t.Fatalf("%s: rank %d saw commits %v", name, r, seen)
						}
					}
					if mode == Blocking && w.moves > 0 {
						t.Fatalf("%s: %d actions moved", name, w.moves)
					}
					for r := range w.ranks {
						if n := len(w.ranks[r].shares.ids); n > 0 || w.ranks[r].active > 0 {
							t.Fatalf("%s: rank %d is left with %d shares to compile and %d slots taken", name, r, n, w.ranks[r].active)
						}
						if n := w.ranks[r].begun; n > 0 || len(w.begun[r])+len(w.joined[r]) > 0 {
							t.Fatalf("%s: rank %d is left with head starts of %v and %v, and counts %d", name, r, w.begun[r], w.joined[r], n)
						}
						if held := w.ranks[r].held.ids; len(held)+len(w.halted[r])+len(w.ranks[r].occupied) > 0 {
							t.Fatalf("%s: rank %d is left with what it holds, %v, %v and %v", name, r, held, w.halted[r], w.ranks[r].occupied)
						}
					}
					moves += w.moves
					shares += w.shares
					heads += w.heads
					joins += w.joins
					holds += w.holds
					sharesHeld += w.sharesHeld
					strays += w.strays
				}
			}
		}
	}
	if moves == 0 {
		t.Error("no world moved an action: the test does not reach balance")
	}
	if shares == 0 {
		t.Error("no share was compiled in time")
	}
	if joins == 0 || heads == joins {
		t.Errorf("of %d actions that went on from head starts, %d were started before those had paused", heads, joins)
	}
	if sharesHeld == 0 || sharesHeld == holds {
		t.Errorf("of %d executions that were held, %d were shares", holds, sharesHeld)
	}
	if holds == 0 || strays == 0 || strays == holds {
		t.Errorf("of %d actions that were held, %d ended all the same", holds, strays)
	}
	t.Logf("%d actions moved, %d shares were compiled in time, %d head starts were of use (%d while they ran), %d executions were held, of them %d shares (%d ended all the same)", moves, shares, heads, joins, holds, sharesHeld, strays)
}

// A failure ends the build: what depends on it is dropped, all else is executed.
func TestFailure(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 8} {
		for _, mode := range []Mode{Split, Blocking} {
			for _, early := range []bool{false, true} {
				for seed := range uint64(60) {
					w := newWorld(t, seed, 60, size, mode)
					w.early = early
					broken := plan.ActionID(w.rng.IntN(40))
					w.fail[broken] = true
					w.run()
					name := fmt.Sprintf("size %d, %s, early %v, seed %d", size, mode, early, seed)
					if !w.over || !slices.Equal(w.root.Failed(), []plan.ActionID{broken}) {
						t.Fatalf("%s: over %v, failed %v, broken %d, left %d", name, w.over, w.root.Failed(), broken, w.root.Left())
					}
					doomed := map[plan.ActionID]bool{}
					var doom func(plan.ActionID)
					doom = func(a plan.ActionID) { w.plan.Dependents(a, func(c plan.ActionID) { doomed[c] = true; doom(c) }) }
					doom(broken)
					for i := range w.plan.Actions {
						a := plan.ActionID(i)
						n := w.runs[a]
						if doomed[a] && n != 0 && !early || !doomed[a] && n != 1 {
							t.Fatalf("%s: action %d (depends on the broken one: %v) was executed %d times", name, a, doomed[a], n)
						}
					}
				}
			}
		}
	}
}

func TestViolations(t *testing.T) {
	w := newWorld(t, 1, 20, 2, Split)
	r, _ := NewRank(w.plan, 0, 1, Split)
	if _, err := r.Finished(19, true); err == nil {
		t.Error("an action that did not run ended")
	}
	if _, err := r.Committed(3); err == nil {
		t.Error("barrier 3 closed first")
	}
	root := NewRoot(w.plan, []int{1, 1}, Split)
	on := w.plan.Owner[0]
	if _, err := root.Done(0, on, true); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Done(0, on, true); err == nil {
		t.Error("an action ended twice")
	}
	if _, err := root.Done(1, 1-w.plan.Owner[1], true); err == nil {
		t.Error("an action ended on a rank that did not have it")
	}
}

// Ranks are lost at random moments, one or two of them; the build goes on with
// the rest, down to root alone, and every action is executed.
func TestLoss(t *testing.T) {
	again := 0
	for _, size := range []int{2, 3, 5, 8} {
		for _, mode := range []Mode{Split, Blocking} {
			for _, early := range []bool{false, true} {
				for seed := range seeds(t, 100) {
					w := newWorld(t, seed, 60, size, mode)
					w.early = early
					w.kills = map[plan.Rank]int{}
					for range 1 + w.rng.IntN(2) {
						w.kills[plan.Rank(1+w.rng.IntN(size-1))] = w.rng.IntN(600)
					}
					w.run()
					name := fmt.Sprintf("size %d, %s, early %v, seed %d, losses %v", size, mode, early, seed, w.kills)
					if !w.over {
						t.Fatalf("%s: stuck with %d actions left, barriers closed %d of %d", name, w.root.Left(), w.root.Closed(), len(w.plan.Groups()))
					}
					for i := range w.plan.Actions {
						if w.runs[plan.ActionID(i)] == 0 {
							t.Fatalf("%s: action %d was never executed", name, i)
						}
					}
					if link := plan.ActionID(len(w.plan.Actions) - 1); w.runs[link] != 1 {
						t.Fatalf("%s: linked %d times", name, w.runs[link])
					}
					again += w.again
				}
			}
		}
	}
	if again == 0 {
		t.Error("no loss made an action be executed again")
	}
	t.Logf("%d actions were executed again", again)
}

// seeds is how many random worlds a test goes through: DISTGO_SEEDS, if set, and fewer in the fast tier.
func seeds(t *testing.T, few uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv("DISTGO_SEEDS"), 10, 32)
	switch {
	case err != nil && testing.Short():
		return few / 4
	case err != nil:
		return few
	}
	t.Logf("%d seeds", n)
	return n
}
