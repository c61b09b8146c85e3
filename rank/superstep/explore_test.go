package superstep

import (
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
)

// An exploration goes through every state that a small world can reach, whatever the order in which messages arrive and
// actions end, and whenever ranks are lost or give actions back. Messages between two ranks keep their order; what root
// tells itself comes before its next event, as in package rank.
type exploration struct {
	plan    *plan.Plan
	mode    Mode
	early   bool // exports appear before the action ends
	types   bool // types may, before that
	slots   []int
	mutant  mutant
	seen    map[uint64]struct{}
	seed    maphash.Seed
	ends    int
	deepest int
	limit   int // states; more is an error

	losses, returns int
	held            bool // nothing moves until a rank has something to execute
	audited         []plan.ActionID
	slow            int // how often root takes a rank to be slow
}

// misses is the event that ends that. It need not come.
const misses = "a store misses"

// isHeld marks the ends of what is held. They come only if they are on their way.
const isHeld = " (is held)"

// isSlow marks the events that root takes a rank to be slow. None need come.
const isSlow = " (is slow)"

// A mutant is a defect that the exploration must find.
type mutant string

const (
	sound          mutant = ""
	heldIsMade     mutant = "an artifact that came from a lost rank is not put by who makes it again" // was distgo's
	forgetsReaders mutant = "who reads what a lost rank had put is not put it again"
	nobodyPuts     mutant = "nobody puts the inputs of an action that changed hands"
	yieldsRunning  mutant = "a rank gives up an action that it executes"
	commitsEarly   mutant = "root closes a barrier before all its actions have ended"
	forgetsExports mutant = "an executed action whose artifacts are lost is not executed again"
	keepsSlot      mutant = "a share keeps its slot when it has ended"
	helpsBlind     mutant = "a share starts without its inputs"
	keepsSeconds   mutant = "a rank waits on for the inputs of a second execution that a lost rank was to send"
	neverCeases    mutant = "a second execution keeps a slot that an action is ready for"
	wordsOnly      mutant = "a rank says that it gave up an action, and goes on with it"
	secondIsDone   mutant = "a second execution that was ended counts as one that ended"
	pausedHolds    mutant = "a head start keeps its slot when it has paused"
	pausedStarts   mutant = "what has paused goes on without its inputs"
	startsTwice    mutant = "an action is started while its head start runs"
	neverQuits     mutant = "what was begun of an action that changes hands is kept"
	joinedEnds     mutant = "a head start gives up its slot when it has paused, though its action has that now"
	neverGoesOn    mutant = "what is held never goes on"
	heldKeepsSlot  mutant = "what is held keeps its slot"
	reliefStands   mutant = "what is held in relief never goes on"
	shareStands    mutant = "a share that is held never goes on"
)

// events lists what can happen next, each with its name.
func (x *exploration) events(c *cosmos) (names []string, events []func(*history)) {
	add := func(name string, f func(*history)) { names, events = append(names, name), append(events, f) }
	size := len(c.ranks)
	for from := range size {
		for to := range size {
			l := from*size + to
			if len(c.links[l]) == 0 {
				continue
			}
			m := c.links[l][0]
			add(fmt.Sprintf("%d→%d: %d %d", from, to, m.op, m.n), func(h *history) {
				h.links[l] = h.links[l][1:]
				h.deliver(plan.Rank(from), plan.Rank(to), m)
			})
			if last := len(c.links[l]) - 1; c.dead[from] && (to != 0 || last > 0) {
				add(fmt.Sprintf("%d→%d: the rest does not arrive", from, to), func(h *history) {
					h.links[l] = nil
					if to == 0 {
						h.links[l] = c.links[l][last:] // the word of its loss
					}
				})
			}
		}
	}
	for r := range size {
		for i, j := range c.jobs[r] {
			p := x.plan.Actions[j.action].Package
			if j.share {
				p = "its share of " + p
			}
			if j.second {
				p += " a second time"
			}
			if j.ahead {
				p += " ahead"
			}
			joins := !j.ahead && !j.share && !j.second && slices.ContainsFunc(c.jobs[r], func(o job) bool { return o.action == j.action && o.ahead })
			need := "" // no end need come of what is held, unless it is given up, or a share that nobody wants
			if j.held && !(j.share && c.ranks[r].caller[j.action] == nobody) {
				need = isHeld
			}
			if j.givingUp {
				add(fmt.Sprintf("%d gives up %s", r, p), func(h *history) { h.end(plan.Rank(r), i, "gives up") })
			}
			if c.returns > 0 && !j.ahead && !j.share && !j.second {
				add(fmt.Sprintf("%d gives back %s%s", r, p, need), func(h *history) { h.returns--; h.end(plan.Rank(r), i, "gives back") })
			}
			if joins {
				continue // it waits until that has paused
			}
			if x.types && !j.typed && !j.exported && !j.quit && x.plan.Actions[j.action].Kind == plan.Compile {
				add(fmt.Sprintf("%d has the types of %s", r, p), func(h *history) { h.end(plan.Rank(r), i, "types") })
			}
			if j.ahead { // with or without types: who starts it meets what was wrong
				add(fmt.Sprintf("%d pauses %s", r, p), func(h *history) { h.end(plan.Rank(r), i, "pauses") })
				continue
			}
			if j.ceasing {
				add(fmt.Sprintf("%d is stopped in %s", r, p), func(h *history) { h.end(plan.Rank(r), i, "is stopped") })
			}
			if x.early && !j.exported && len(x.plan.Actions[j.action].Outputs) > 0 {
				add(fmt.Sprintf("%d exports %s", r, p), func(h *history) { h.end(plan.Rank(r), i, "exports") })
			} else {
				add(fmt.Sprintf("%d ends %s%s", r, p, need), func(h *history) { h.end(plan.Rank(r), i, "ends") })
			}
		}
		if r != 0 && c.losses > 0 && !c.dead[r] && !c.over {
			add(fmt.Sprintf("%d is lost", r), func(h *history) { h.losses--; h.kill(plan.Rank(r)) })
		}
	}
	for a := range x.plan.Actions {
		a := plan.ActionID(a)
		if c.slow == 0 || x.mode == Blocking || !c.root.moves() {
			continue
		}
		what := fmt.Sprintf("%d with %s", c.root.owner[a], x.plan.Actions[a].Package)
		if to := c.root.reliever(a); to != nobody {
			add(what+isSlow, func(h *history) { h.slow--; h.root.relieve(a, to); h.orders(h.root.take(), nil) })
		}
		if c.root.withdrawable(a) {
			add(what+", not begun"+isSlow, func(h *history) { h.slow--; h.root.withdraw(a); h.orders(h.root.take(), nil) })
		}
	}
	if c.root.held && !c.over {
		add(misses, func(h *history) { h.orders(h.root.Release(), nil) })
	}
	return names, events
}

// step makes the state that an event leads to.
func (x *exploration) step(c *cosmos, event func(*history)) (next *cosmos, err error) {
	defer func() {
		if r := recover(); r != nil {
			d, ok := r.(*defect)
			if !ok {
				panic(r)
			}
			err = d
		}
	}()
	h := &history{cosmos: c.clone(), x: x}
	event(h)
	h.settle()
	return h.cosmos, nil
}

func (x *exploration) begin() *cosmos {
	size := len(x.slots)
	c := &cosmos{
		ranks: make([]Rank, size), links: make([][]message, size*size), jobs: make([][]job, size), paused: make([][]job, size), meanwhile: make([][]plan.ArtifactID, size),
		dead: make([]bool, size), runs: make([]int8, len(x.plan.Actions)), twice: make([]bool, len(x.plan.Actions)), losses: x.losses, returns: x.returns, slow: x.slow,
	}
	h := &history{cosmos: c, x: x}
	c.root = *NewRoot(x.plan, x.slots, x.mode)
	for i := range size {
		r, e := NewRank(x.plan, plan.Rank(i), x.slots[i], x.mode)
		c.ranks[i] = *r
		h.effects(plan.Rank(i), e, nil)
	}
	if x.held {
		c.root.Hold()
	}
	h.orders(c.root.Begin(), nil)
	h.settle()
	return c
}

// run goes through all states, depth first.
func (x *exploration) run() error {
	x.seen, x.seed = map[uint64]struct{}{}, maphash.MakeSeed()
	type visit struct {
		names  []string
		events []func(*history)
		state  *cosmos
		at     string
	}
	var buf [4096]byte
	open := func(c *cosmos, at string) visit {
		names, events := x.events(c)
		return visit{names, events, c, at}
	}
	start := x.begin()
	x.seen[x.key(start, buf[:])] = struct{}{}
	stack := []visit{open(start, "the begin")}
	wrong := func(err error) error {
		d := &defect{what: err.Error()}
		for _, v := range stack {
			d.trail = append(d.trail, v.at)
		}
		return d
	}
	for len(stack) > 0 {
		v := &stack[len(stack)-1]
		if len(v.events) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		event, name := v.events[0], v.names[0]
		v.events, v.names = v.events[1:], v.names[1:]
		next, err := x.step(v.state, event)
		if err != nil {
			return wrong(fmt.Errorf("%w (%s)", err, name))
		}
		key := x.key(next, buf[:])
		if _, known := x.seen[key]; known {
			continue
		}
		x.seen[key] = struct{}{}
		if len(x.seen) > x.limit {
			return fmt.Errorf("more than %d states", x.limit)
		}
		stack = append(stack, open(next, name))
		x.deepest = max(x.deepest, len(stack))
		if v := &stack[len(stack)-1]; !slices.ContainsFunc(v.names, func(n string) bool {
			return n != misses && !strings.HasSuffix(n, " is lost") && !strings.HasSuffix(n, isSlow) && !strings.HasSuffix(n, isHeld)
		}) {
			x.ends++
			if err := x.quiet(v.state); err != nil {
				return wrong(err)
			}
		}
	}
	return nil
}

// quiet checks a state in which nothing happens any more.
func (x *exploration) quiet(c *cosmos) error {
	groups := plan.Superstep(len(x.plan.Groups()))
	switch {
	case !c.over:
		return fmt.Errorf("stuck with %d actions left, barriers closed %d of %d", c.root.Left(), c.root.Closed(), groups)
	case c.root.closed != groups:
		return fmt.Errorf("over with %d of %d barriers closed", c.root.closed, groups)
	}
	for i := range c.ranks {
		if !c.dead[i] && c.ranks[i].committed != groups {
			return fmt.Errorf("rank %d saw %d of %d barriers close", i, c.ranks[i].committed, groups)
		}
		if r := &c.ranks[i]; !c.dead[i] && len(r.held.ids)+len(r.occupied)+len(c.jobs[i])+len(r.reliefs.ids)+len(r.seconds) > 0 {
			return fmt.Errorf("rank %d is left with %v, of which it holds %v, and %v a second time", i, c.jobs[i], r.held.ids, r.seconds)
		}
		if r := &c.ranks[i]; !c.dead[i] && len(c.paused[i])+len(r.aheads.ids)+r.begun > 0 {
			return fmt.Errorf("rank %d is left with head starts: %v have paused, %v may begin, it counts %d", i, c.paused[i], r.aheads.ids, r.begun)
		}
	}
	return nil
}

// smallPlan is a plan of compiles, each with the compiles it imports and its owner, and a link at root.
func smallPlan(t *testing.T, size int, owners []plan.Rank, imports ...[]plan.ActionID) *plan.Plan {
	p := &plan.Plan{Aside: plan.MostAside}
	link := plan.Action{ID: plan.ActionID(len(imports)), Kind: plan.Link, Package: "main", Cost: 1}
	for i, of := range imports {
		a := plan.Action{ID: plan.ActionID(i), Kind: plan.Compile, Package: fmt.Sprintf("p%d", i), Cost: 10, Lead: 10}
		for j := range 2 {
			f := plan.ArtifactID(len(p.Artifacts))
			p.Artifacts = append(p.Artifacts, plan.Artifact{ID: f, Kind: plan.ArtifactKind(j + 1), Path: fmt.Sprintf("b%d/%d", i, j), Producer: a.ID})
			a.Outputs = append(a.Outputs, f)
		}
		for _, d := range of {
			f := p.Actions[d].Outputs[0]
			a.Inputs = append(a.Inputs, f)
			p.Artifacts[f].Consumers = append(p.Artifacts[f].Consumers, a.ID)
			a.Group = max(a.Group, p.Actions[d].Group+1)
		}
		object := a.Outputs[1]
		p.Artifacts[object].Consumers = append(p.Artifacts[object].Consumers, link.ID)
		link.Inputs = append(link.Inputs, object)
		link.Group = max(link.Group, a.Group+1)
		p.Actions = append(p.Actions, a)
	}
	p.Actions = append(p.Actions, link)
	p.Owner = append(slices.Clone(owners), 0)
	p.Priority = plan.BottomLevels(p)
	if err := p.Validate(size); err != nil {
		t.Fatal(err)
	}
	return p
}

// clone is a plan that can be given helpers.
func clone(p *plan.Plan) *plan.Plan {
	q := *p
	return &q
}

// explorations are small enough to be gone through on every check; with DISTGO_EXPLORE, larger ones are too.
func explorations(t *testing.T) map[string]exploration {
	chain := smallPlan(t, 3, []plan.Rank{1, 2}, nil, []plan.ActionID{0})
	fork := smallPlan(t, 3, []plan.Rank{1, 2, 1}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	queue := smallPlan(t, 3, []plan.Rank{1, 1, 2}, nil, nil, []plan.ActionID{0})
	slots := []int{1, 1, 1}
	const most = 1_000_000
	helped := clone(fork)
	helped.Pipelined, helped.Helpers = true, [][]plan.Rank{nil, {0}, {2}, nil}
	helpedAll := clone(chain)
	helpedAll.Pipelined, helpedAll.Helpers = true, [][]plan.Rank{{2}, {0, 1}, nil}
	helpedOne := clone(chain)
	helpedOne.Pipelined, helpedOne.Helpers = true, [][]plan.Rank{nil, {0}, nil}
	helpedRush := smallPlan(t, 3, []plan.Rank{1, 0, 2}, nil, nil, []plan.ActionID{1})
	helpedRush.Priority[2] += helpedRush.Priority[0] // more urgent than the share
	helpedRush.Pipelined, helpedRush.Helpers = true, [][]plan.Rank{{2}, nil, nil, nil}
	for _, p := range []*plan.Plan{helped, helpedAll, helpedOne, helpedRush} {
		if err := p.Validate(3); err != nil {
			t.Fatal(err)
		}
	}
	typed := func(p *plan.Plan) *plan.Plan { p = clone(p); p.Pipelined = true; return p }
	steps := smallPlan(t, 3, []plan.Rank{1, 2, 1}, nil, []plan.ActionID{0}, []plan.ActionID{1})
	pair := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	byRoot := smallPlan(t, 3, []plan.Rank{1, 2, 0}, nil, []plan.ActionID{0}, []plan.ActionID{0})
	rush := smallPlan(t, 3, []plan.Rank{1, 0, 2}, nil, nil, []plan.ActionID{1})
	rush.Priority[2]++ // more urgent than what is executed in relief of rank 1
	alone := smallPlan(t, 3, []plan.Rank{1, 1}, nil, []plan.ActionID{0})
	all := map[string]exploration{
		"typed slow alone":       {plan: typed(alone), types: true, slots: slots, slow: 1, limit: most},
		"slow rush":              {plan: typed(rush), slots: slots, slow: 1, limit: most},
		"slow alone, 1 return":   {plan: typed(alone), slots: slots, slow: 1, returns: 1, limit: most},
		"chain, 2 losses":        {plan: chain, slots: slots, losses: 2, limit: most},
		"chain, loss and return": {plan: chain, slots: slots, losses: 1, returns: 1, limit: most},
		"fork":                   {plan: fork, slots: slots, limit: most},
		"fork, 1 loss":           {plan: fork, slots: slots, losses: 1, limit: most},
		"queue, 1 loss":          {plan: queue, slots: slots, losses: 1, limit: most},
		"queue held, 1 loss":     {plan: queue, slots: slots, losses: 1, held: true, limit: most},
		"queue, 1 return":        {plan: queue, slots: slots, returns: 1, limit: most},
		"helped fork":            {plan: helped, slots: slots, limit: most},
		"helped chain, 1 loss":   {plan: helpedAll, slots: slots, losses: 1, limit: most},
		"helped rush":            {plan: helpedRush, slots: slots, limit: most},
		"helped rush, 1 loss":    {plan: helpedRush, slots: slots, losses: 1, limit: most},
		"helped end, 1 return":   {plan: helpedOne, slots: slots, returns: 1, limit: most},
		"fork by root, 1 loss":   {plan: byRoot, slots: slots, losses: 1, limit: most},
		"audited chain, 1 loss":  {plan: chain, slots: slots, losses: 1, audited: []plan.ActionID{1}, limit: most},
		"slow chain":             {plan: chain, slots: slots, slow: 2, limit: most},
		"slow chain, 1 loss":     {plan: chain, slots: slots, slow: 1, losses: 1, limit: most},
		"slow fork":              {plan: fork, slots: slots, slow: 1, limit: most},
		"slow chain, 1 return":   {plan: chain, slots: slots, slow: 1, returns: 1, limit: most},
		"audited slow chain":     {plan: chain, slots: slots, slow: 1, audited: []plan.ActionID{0, 1}, limit: most},
		"audited fork":           {plan: fork, slots: slots, audited: []plan.ActionID{0, 1}, limit: most},
		"typed steps":            {plan: typed(steps), types: true, slots: slots, limit: most},
		"typed fork":             {plan: typed(fork), types: true, slots: slots, limit: most},
		"typed pair":             {plan: typed(pair), types: true, slots: slots, limit: most},
		"typed chain, 2 slots":   {plan: typed(chain), types: true, slots: []int{1, 2, 2}, limit: most},
		"typed chain, 1 loss":    {plan: typed(chain), types: true, slots: slots, losses: 1, limit: most},
		"typed chain, 1 return":  {plan: typed(chain), types: true, slots: slots, returns: 1, limit: most},
		"typed slow chain":       {plan: typed(chain), types: true, slots: slots, slow: 1, limit: most},
		"typed helped chain":     {plan: helpedAll, types: true, slots: slots, limit: most},
		"typed audited chain":    {plan: typed(chain), types: true, slots: slots, audited: []plan.ActionID{0}, limit: most},
	}
	if os.Getenv("DISTGO_EXPLORE") != "" {
		const more = 20_000_000 // some 50 bytes each
		diamond := smallPlan(t, 3, []plan.Rank{1, 2, 1, 2}, nil, []plan.ActionID{0}, []plan.ActionID{0}, []plan.ActionID{1, 2})
		all["audited slow chain, 1 loss"] = exploration{plan: chain, slots: slots, slow: 1, losses: 1, audited: []plan.ActionID{0, 1}, limit: more}
		all["audited fork, 1 loss"] = exploration{plan: fork, slots: slots, losses: 1, audited: []plan.ActionID{0, 1, 2}, limit: more}
		all["audited chain, 2 losses"] = exploration{plan: chain, slots: slots, losses: 2, audited: []plan.ActionID{0, 1}, limit: more}
		all["audited queue, loss and return"] = exploration{plan: queue, slots: slots, losses: 1, returns: 1, audited: []plan.ActionID{0}, limit: more}
		all["audited helped fork"] = exploration{plan: helped, slots: slots, audited: []plan.ActionID{0, 1}, limit: more}
		all["slow fork, 1 loss"] = exploration{plan: fork, slots: slots, slow: 1, losses: 1, limit: more}
		all["slow chain, 2 losses"] = exploration{plan: chain, slots: slots, slow: 1, losses: 2, limit: more}
		all["slow chain, loss and return"] = exploration{plan: chain, slots: slots, slow: 1, losses: 1, returns: 1, limit: more}
		all["slow queue, 1 loss"] = exploration{plan: queue, slots: slots, slow: 1, losses: 1, limit: more}
		all["slow helped fork"] = exploration{plan: helped, slots: slots, slow: 1, limit: more}
		all["chain, 1 loss, 2 returns"] = exploration{plan: chain, slots: slots, losses: 1, returns: 2, limit: more}
		all["fork, 2 losses"] = exploration{plan: fork, slots: slots, losses: 2, limit: more}
		all["helped chain, 1 return"] = exploration{plan: helpedAll, slots: slots, returns: 1, limit: more}
		all["helped fork, 1 loss"] = exploration{plan: helped, slots: slots, losses: 1, limit: more}
		all["typed steps, 1 return"] = exploration{plan: typed(steps), types: true, slots: slots, returns: 1, limit: more}
		all["typed steps, 1 loss"] = exploration{plan: typed(steps), types: true, slots: slots, losses: 1, limit: more}
		all["typed fork, 1 loss"] = exploration{plan: typed(fork), types: true, slots: slots, losses: 1, limit: more}
		all["typed chain, loss and return"] = exploration{plan: typed(chain), types: true, slots: slots, losses: 1, returns: 1, limit: more}
		all["typed slow steps"] = exploration{plan: typed(steps), types: true, slots: slots, slow: 1, limit: more}
		all["typed slow chain, 1 loss"] = exploration{plan: typed(chain), types: true, slots: slots, slow: 1, losses: 1, limit: more}
		all["slow alone, loss and return"] = exploration{plan: typed(alone), slots: slots, slow: 1, losses: 1, returns: 1, limit: more}
		all["slow alone, 2 returns"] = exploration{plan: typed(alone), slots: slots, slow: 1, returns: 2, limit: more}
		all["slower alone, 1 return"] = exploration{plan: typed(alone), slots: slots, slow: 2, returns: 1, limit: more}
		all["slow alone, 1 loss"] = exploration{plan: typed(alone), slots: slots, slow: 1, losses: 1, limit: more}
		all["typed helped fork"] = exploration{plan: helped, types: true, slots: slots, limit: more}
		all["queue, loss and return"] = exploration{plan: queue, slots: slots, losses: 1, returns: 1, limit: more}
		behind := smallPlan(t, 3, []plan.Rank{1, 2, 2}, nil, []plan.ActionID{0}, nil)
		all["queue behind, 1 loss, 2 returns"] = exploration{plan: behind, slots: slots, losses: 1, returns: 2, limit: more}
		all["diamond, 1 loss"] = exploration{plan: diamond, slots: slots, losses: 1, limit: more}
	}
	return all
}

// Whatever the order of messages, ends, losses and returns: every action is executed, once where no rank is lost, with
// its inputs; barriers close in order, the same on all ranks; and the build comes to its end.
func TestExplore(t *testing.T) {
	explorations := explorations(t)
	small := explorations["fork by root, 1 loss"].plan
	for name, of := range explorations {
		for _, mode := range []Mode{Split, Blocking} {
			for _, early := range []bool{false, true} {
				x := of
				x.mode, x.early = mode, early
				name := fmt.Sprintf("%s, %s, early %v", name, mode, early)
				t.Run(name, func(t *testing.T) {
					if long := early || strings.Contains(name, "slow alone"); testing.Short() && long && mode == Split && x.plan != small {
						t.Skip("all of them take a minute")
					}
					err := x.run()
					if err != nil {
						t.Error(err)
					}
					t.Logf("%d states, %d ends, at most %d events", len(x.seen), x.ends, x.deepest)
				})
			}
		}
	}
}

// The exploration finds defects.
func TestExploreFindsMutants(t *testing.T) {
	for m, name := range map[mutant]string{
		heldIsMade: "fork, 1 loss", forgetsReaders: "fork by root, 1 loss", nobodyPuts: "chain, 2 losses", forgetsExports: "fork, 1 loss",
		yieldsRunning: "queue, 1 loss", commitsEarly: "queue, 1 return",
		keepsSlot: "helped fork", helpsBlind: "helped chain, 1 loss",
		secondIsDone: "audited fork", wordsOnly: "slow chain", neverCeases: "audited fork", keepsSeconds: "audited chain, 1 loss",
		pausedHolds: "typed steps", pausedStarts: "typed steps", startsTwice: "typed chain, 2 slots", neverQuits: "typed slow chain",
		joinedEnds: "typed pair", neverGoesOn: "queue, 1 return", heldKeepsSlot: "queue, 1 return", shareStands: "helped rush", reliefStands: "slow rush",
	} {
		t.Run(string(m), func(t *testing.T) {
			x := explorations(t)[name]
			x.mode, x.mutant, x.early = Split, m, slices.Contains([]mutant{neverGoesOn, heldKeepsSlot, shareStands}, m)
			err := x.run()
			if _, found := errors.AsType[*defect](err); !found {
				t.Fatalf("not found in %d states: %v", len(x.seen), err)
			}
			t.Logf("found after %d states: %.100s", len(x.seen), err)
		})
	}
}
