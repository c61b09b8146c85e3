package report

import (
	"cmp"
	"slices"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
)

// A Bound is how fast the run's actions could have been executed, by their
// measured durations, with no communication at all.
//
// LB = max(CP, max over r, t of (r + W(v: head(v) >= r, tail(v) >= t)/P + t)):
// actions that cannot start before r, and whose end is followed by t or more,
// must all be executed in between. Heads and tails are longest chains with
// endless slots. With r = t = 0 it is W/P. It is Fernandez and Bussell's (1973)
// bound over intervals of time, by way of the heads and tails of Carlier (1982).
//
// Where in a front end the types are handed out is not recorded, nor what needs no
// export data of imports: every package is taken to be as most are, see headStart. So
// with head starts a chain of packages that are not is shorter or longer than it says.
type Bound struct {
	Slots int     `json:"slots"`
	Work  int64   `json:"work_us"`           // W: sum of durations
	Chain int64   `json:"critical_path_us"`  // CP, the link included
	Lower int64   `json:"bound_us"`          // LB
	Path  []int32 `json:"path,omitempty"`    // the critical path's actions, first to last
	Adds  []int64 `json:"adds_us,omitempty"` // what each adds to it: of one whose export data was there early, no more than that took
	Ratio float64 `json:"ratio"`             // execution time over LB
}

// NewBound computes the bound on so many slots. An action whose export data
// was there before its end lets importers start then, but the link only at its
// end. Head starts let them begin where its types are, and go on to where they inline.
func NewBound(actions []Action, slots int, headStarts bool) Bound {
	return newBound(parts(actions, headStarts), slots, 1).whole()
}

// BoundOn is the bound on so many ranks of so many slots, which may help each
// other where the compiler lets them: work is the actions' without helpers, and
// no chain is shorter than with all the helpers there may be.
func (r *Report) BoundOn(ranks, slots int) Bound {
	shares := 1
	if r.Compiler == "pipelined" {
		shares = min(ranks, plan.MaxShares)
	}
	return newBound(parts(r.Undivided(), r.HeadStarts), ranks*slots, shares).whole()
}

// parts are the actions as if each had been executed in one piece, but in three where
// its types were there before its export data: until its types, which takes those of its
// imports, until it waits for their export data, and the rest. What consists of one part
// is a rest. Part k of action n is number 3n+k.
func parts(actions []Action, headStarts bool) []Action {
	typed := map[int32]bool{}
	for i := range actions {
		a := &actions[i]
		typed[a.ID] = headStarts && a.Exported > a.Start && a.Front() < a.Took()
	}
	all := make([]Action, 0, 3*len(actions))
	for i := range actions {
		whole := actions[i].inOne()
		first, rest := whole, whole
		first.ID, first.Deps, first.Exported = 3*whole.ID, nil, 0
		rest.ID, rest.Deps = 3*whole.ID+2, nil
		for _, d := range whole.Deps {
			rest.Deps = append(rest.Deps, 3*d+2)
			if typed[d] {
				first.Deps = append(first.Deps, 3*d)
			} else {
				first.Deps = append(first.Deps, 3*d+2)
			}
		}
		if typed[whole.ID] {
			types, waits := headStart(whole.Front())
			second := first
			first.End = whole.Start + types
			second.ID, second.Deps, second.Start, second.End = first.ID+1, []int32{first.ID}, first.End, whole.Start+waits
			rest.Start, rest.Deps = second.End, append(rest.Deps, second.ID)
			all = append(all, first, second)
		}
		all = append(all, rest)
	}
	return all
}

// whole is the bound with actions in place of their parts.
func (b Bound) whole() Bound {
	path, adds := b.Path, b.Adds
	b.Path, b.Adds = nil, nil
	for i, id := range path {
		id /= 3
		if last := len(b.Path) - 1; last >= 0 && b.Path[last] == id {
			b.Adds[last] += adds[i]
			continue
		}
		b.Path, b.Adds = append(b.Path, id), append(b.Adds, adds[i])
	}
	return b
}

// headStart is how long a compile takes to its types, and until nothing goes on without
// the export data of its imports, that takes so long to its own: of all packages of wego
// and gg, go1.26.8, 0.42 to 0.45 and 0.63, of their large ones 0.3 to 0.65 and 0.5 to 0.8.
func headStart(lead int64) (types, waits int64) { return lead * 2 / 5, lead * 3 / 5 }

func newBound(actions []Action, slots, shares int) Bound {
	n := len(actions)
	index := make(map[int32]int, n)
	order := make([]int, n)
	least := make([]int64, n) // how long it takes with all helpers
	took := make([]int64, n)
	for i := range actions {
		index[actions[i].ID] = i
		order[i] = i
		least[i], took[i] = actions[i].least(shares), actions[i].Took()
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(actions[a].Group) - int(actions[b].Group) })

	b := Bound{Slots: slots}
	head := make([]int64, n) // earliest start
	from := make([]int, n)   // the dependency that decides it
	last := -1
	for _, i := range order {
		a := &actions[i]
		from[i] = -1
		for _, d := range a.Deps {
			j, ok := index[d]
			if !ok {
				continue // satisfied from a store
			}
			if at := head[j] + lead(&actions[j], a, least[j]); at > head[i] {
				head[i], from[i] = at, j
			}
		}
		b.Work += took[i]
		if end := head[i] + least[i]; end > b.Chain {
			b.Chain, last = end, i
		}
	}
	for i, until := last, b.Chain; i >= 0; i, until = from[i], head[i] {
		b.Path, b.Adds = append(b.Path, actions[i].ID), append(b.Adds, until-head[i])
	}
	slices.Reverse(b.Path)
	slices.Reverse(b.Adds)
	if slots < 1 {
		return b
	}
	b.Lower = max(b.Chain, between(took, head, tails(actions, least, index, order), int64(slots)))
	return b
}

// tails is, by action, how long after its end the last one cannot end earlier.
func tails(actions []Action, least []int64, index map[int32]int, order []int) []int64 {
	tail := make([]int64, len(actions))
	for _, i := range slices.Backward(order) {
		a := &actions[i]
		for _, d := range a.Deps {
			if j, ok := index[d]; ok {
				rest := lead(&actions[j], a, least[j]) + least[i] + tail[i]
				tail[j] = max(tail[j], rest-least[j])
			}
		}
	}
	return tail
}

// between is the largest bound that an interval from head r to tail t gives.
func between(took, head, tail []int64, slots int64) (lower int64) {
	byTail := make([]int, len(took))
	for i := range byTail {
		byTail[i] = i
	}
	slices.SortFunc(byTail, func(a, b int) int { return cmp.Compare(tail[b], tail[a]) })
	heads := slices.Clone(head)
	slices.Sort(heads)
	for _, r := range slices.Compact(heads) {
		work := int64(0)
		for _, i := range byTail {
			if head[i] >= r {
				work += took[i]
				lower = max(lower, r+work/slots+tail[i])
			}
		}
	}
	return lower
}

// lead is how long after its start a, which takes so long, lets c begin.
func lead(a, c *Action, takes int64) int64 {
	if a.Exported > 0 && c.Kind != "link" {
		return a.Front()
	}
	return takes
}

// least is how long an action takes at least where its back end is divided into
// so many shares, which are all there when its own is done.
func (a *Action) least(shares int) int64 {
	if a.Exported <= a.Start || shares < 2 {
		return a.Took()
	}
	front := a.Front()
	each := (a.Took() - front) / int64(shares)
	return front + each + int64(shares-1)*schedule.Handling(each)
}
