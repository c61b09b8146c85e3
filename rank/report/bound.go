package report

import "slices"

// A Bound is how fast the run's actions could have been executed, by their
// measured durations, with no communication at all.
//
// LB = max(W/P, CP, max over v of (earliest start of v + d(v) + W(descendants of v)/P)),
// the third after Fernandez and Bussell (1973).
type Bound struct {
	Slots int     `json:"slots"`
	Work  int64   `json:"work_us"`          // W: sum of durations
	Chain int64   `json:"critical_path_us"` // CP, the link included
	Lower int64   `json:"bound_us"`         // LB
	Path  []int32 `json:"path,omitempty"`   // the critical path's actions, first to last
	Ratio float64 `json:"ratio"`            // execution time over LB
}

// NewBound computes the bound on so many slots. An action whose export data
// was there before its end lets importers start then, but the link only at its
// end.
func NewBound(actions []Action, slots int) Bound {
	n := len(actions)
	index := make(map[int32]int, n)
	order := make([]int, n)
	for i := range actions {
		index[actions[i].ID] = i
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(actions[a].Group) - int(actions[b].Group) })

	b := Bound{Slots: slots}
	start := make([]int64, n) // earliest
	from := make([]int, n)    // the dependency that decides it
	last := -1
	for _, i := range order {
		a := &actions[i]
		from[i] = -1
		for _, d := range a.Deps {
			j, ok := index[d]
			if !ok {
				continue // satisfied from a store
			}
			if at := start[j] + lead(&actions[j], a); at > start[i] {
				start[i], from[i] = at, j
			}
		}
		d := a.End - a.Start
		b.Work += d
		if end := start[i] + d; end > b.Chain {
			b.Chain, last = end, i
		}
	}
	for i := last; i >= 0; i = from[i] {
		b.Path = append(b.Path, actions[i].ID)
	}
	slices.Reverse(b.Path)
	if slots < 1 {
		return b
	}
	b.Lower = max(b.Work/int64(slots), b.Chain)
	for i, w := range descendants(actions, index, order) {
		b.Lower = max(b.Lower, start[i]+actions[i].End-actions[i].Start+w/int64(slots))
	}
	return b
}

// lead is how long after its start a lets c begin.
func lead(a, c *Action) int64 {
	if a.Exported > 0 && c.Kind != "link" {
		return a.Exported - a.Start
	}
	return a.End - a.Start
}

// descendants sums, by action, the durations of all that cannot start before
// it has ended. Pipelined importers can, and are left out.
func descendants(actions []Action, index map[int32]int, order []int) []int64 {
	n := len(actions)
	words := (n + 63) / 64
	below := make([][]uint64, n)
	sum := make([]int64, n)
	for i := range below {
		below[i] = make([]uint64, words)
	}
	for _, i := range slices.Backward(order) {
		for _, d := range actions[i].Deps {
			j, ok := index[d]
			if !ok || actions[j].Exported > 0 && actions[i].Kind != "link" {
				continue
			}
			below[j][i/64] |= 1 << (i % 64)
			for w := range below[j] {
				below[j][w] |= below[i][w]
			}
		}
	}
	for i := range below {
		for j := range actions {
			if below[i][j/64]>>(j%64)&1 == 1 {
				sum[i] += actions[j].End - actions[j].Start
			}
		}
	}
	return sum
}
