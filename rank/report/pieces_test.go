package report

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func TestPieces(t *testing.T) {
	for what, c := range map[string]struct {
		action Action
		pieces []Piece
		took   int64
		front  int64
	}{
		"in one piece":           {Action{Slot: 1, Start: 10, Exported: 20, End: 50}, []Piece{{1, 10, 50}}, 40, 10},
		"in no time":             {Action{Slot: 1, Start: 10, End: 10}, []Piece{{1, 10, 10}}, 0, 0},
		"begun ahead":            {Action{Begun: 2, Paused: 5, BegunIn: 1, Start: 10, Exported: 20, End: 50}, []Piece{{1, 2, 5}, {0, 10, 50}}, 43, 13},
		"started before a pause": {Action{Begun: 2, Paused: 15, Start: 10, Exported: 20, End: 50}, []Piece{{0, 2, 10}, {0, 10, 50}}, 48, 18},
		"held": {
			Action{Start: 10, Exported: 20, End: 50, Held: []Hold{{22, 30, 1}, {30, 33, 2}, {40, 41, 0}}},
			[]Piece{{0, 10, 22}, {2, 33, 40}, {0, 41, 50}}, 28, 10,
		},
		"held at its end":   {Action{Start: 10, Exported: 20, End: 50, Held: []Hold{{22, 50, 0}}}, []Piece{{0, 10, 22}}, 12, 10},
		"held all the time": {Action{Start: 10, End: 50, Held: []Hold{{10, 50, 0}}}, []Piece{{0, 50, 50}}, 0, 0},
	} {
		a := &c.action
		if got := a.Pieces(); !slices.Equal(got, c.pieces) || a.Took() != c.took || a.Exported > 0 && a.Front() != c.front {
			t.Errorf("%s: pieces %v, took %d, until the export data %d; want %v, %d, %d", what, got, a.Took(), a.Front(), c.pieces, c.took, c.front)
		}
		if one := a.inOne(); one.End-one.Start != c.took || one.Exported > 0 && one.Exported-one.Start != c.front || one.Took() != c.took {
			t.Errorf("%s: in one piece %+v", what, one)
		}
	}
}

// inPieces is an action that does the same, but in several pieces.
func inPieces(rng *rand.Rand, a Action) Action {
	later := func(by int64) {
		if a.End += by; a.Exported > 0 {
			a.Exported += by
		}
	}
	if ready := max(a.Exported, a.Start+1); rng.IntN(3) > 0 {
		ahead := rng.Int64N(ready - a.Start)
		a.Begun, a.Paused = a.Start, a.Start+ahead
		a.Start = a.Paused
		if pause := rng.Int64N(30); rng.IntN(2) == 0 {
			a.Start += pause
			later(pause)
		} else {
			a.Paused = min(a.Paused+pause, ready)
		}
	}
	for from := max(a.Exported, a.Start+1); from < a.End && rng.IntN(3) > 0; {
		from += rng.Int64N(a.End - from)
		h := Hold{From: from, To: from + 1 + rng.Int64N(30)}
		a.Held = append(a.Held, h)
		a.End += h.To - h.From
		from = h.To
	}
	return a
}

// What was begun ahead, or was held, is no other work, has no other bound, and would take no other time elsewhere.
func TestPiecesAreNoMatter(t *testing.T) {
	split := 0
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		whole := &Report{Plan: 1000, Actions: randomRun(rng, 8), Compiler: "pipelined", HeadStarts: seed%2 == 0}
		for i := range whole.Actions {
			if a := &whole.Actions[i]; a.Exported > 0 && rng.IntN(2) == 0 {
				whole.Shares = append(whole.Shares, Share{Action: a.ID, Rank: 1, End: 40, Taken: true})
			}
		}
		parted := *whole
		parted.Actions = nil
		for _, a := range whole.Actions {
			parted.Actions = append(parted.Actions, inPieces(rng, a))
			split += len(parted.Actions[len(parted.Actions)-1].Pieces()) - 1
		}
		for _, ranks := range []int{1, 4} {
			if got, want := NewBound(parted.Actions, ranks, whole.HeadStarts), NewBound(whole.Actions, ranks, whole.HeadStarts); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: the bound is %+v in pieces, %+v else", seed, got, want)
			}
			if got, want := parted.BoundOn(ranks, 1), whole.BoundOn(ranks, 1); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %d ranks: the bound is %+v in pieces, %+v else", seed, ranks, got, want)
			}
			if got, want := predict(t, &parted, ranks, 1), predict(t, whole, ranks, 1); got != want {
				t.Fatalf("seed %d, %d ranks: %d in pieces, %d else", seed, ranks, got, want)
			}
		}
	}
	if split < 400 {
		t.Errorf("%d pieces more than actions", split)
	}
}

// The summary counts time with a slot.
func TestLongestInPieces(t *testing.T) {
	r := &Report{Actions: []Action{
		{ID: 0, Kind: "compile", Package: "a", Begun: 1, Paused: 1_000_001, Start: 5_000_000, Exported: 6_000_000, End: 7_000_000},
		{ID: 1, Kind: "compile", Package: "b", Deps: []int32{0}, Group: 1, Start: 6_000_000, Exported: 6_500_000, End: 20_000_000, Held: []Hold{{From: 7_000_000, To: 19_500_000}}},
	}}
	for headStarts, want := range map[bool][]string{
		false: {"a 2.00s", "b 1.50s"},
		true:  {"a 2.00s", "b 1.20s"}, // b waits for the export data of a, three fifths of the way to its own
	} {
		r.Bound = NewBound(r.Actions, 2, headStarts)
		if got := r.longest(2); !slices.Equal(got, want) {
			t.Errorf("head starts %v: %v", headStarts, got)
		}
	}
}
