package bench

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestWidth(t *testing.T) {
	for name, c := range map[string]struct {
		before [][]int
		want   int
	}{
		"none":             {nil, 0},
		"one":              {[][]int{nil}, 1},
		"chain":            {[][]int{nil, {0}, {1}, {2}}, 1},
		"free":             {[][]int{nil, nil, nil}, 3},
		"diamond":          {[][]int{nil, {0}, {0}, {1, 2}}, 2},
		"wider than level": {[][]int{nil, nil, {0}, {2}, {1}, {1}}, 3}, // 3, 4 and 5 on levels 2, 1 and 1
	} {
		if got := width(c.before); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestWidthAgainstAllSubsets tries every subset of small random graphs.
func TestWidthAgainstAllSubsets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		n := 1 + rng.IntN(9)
		before := make([][]int, n)
		for v := range n {
			for u := range v {
				if rng.IntN(4) == 0 {
					before[v] = append(before[v], u)
				}
			}
		}
		below := closure(before)
		best := 0
		for set := range 1 << n {
			size, free := 0, true
			for v := range n {
				if set>>v&1 == 1 {
					size++
					free = free && below[v][0]&uint64(set) == 0
				}
			}
			if free {
				best = max(best, size)
			}
		}
		if got := width(before); got != best {
			t.Fatalf("%v: %d, want %d", before, got, best)
		}
	}
}

func TestPlannedGraph(t *testing.T) {
	var p planned
	for _, a := range []struct {
		group   int
		in, out []int
	}{{0, nil, []int{0, 1}}, {0, nil, []int{2}}, {1, []int{0, 2}, []int{3}}, {1, []int{0}, []int{4}}, {2, []int{3, 4, 1}, nil}} {
		p.Actions = append(p.Actions, struct {
			Group           int
			Inputs, Outputs []int
		}{a.group, a.in, a.out})
	}
	g := p.graph()
	if g.Actions != 5 || g.Groups != 3 || g.Largest != 2 || g.Width != 2 {
		t.Errorf("%+v", g)
	}
}

func TestCountActions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "graph.json")
	text := `[{"Mode":"link-install"},{"Mode":"link","Package":"p","Cmd":["link"]},{"Mode":"build","Package":"p","Cmd":["compile"]},
		{"Mode":"build","Package":"fmt","Cmd":null},{"Mode":"build","Package":"unsafe"},{"Mode":"build check cache","Package":"fmt"}]`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	planned, ran, err := countActions(path)
	if err != nil || planned != 3 || ran != 2 {
		t.Errorf("planned %d, ran %d, %v", planned, ran, err)
	}
	if err := os.WriteFile(path, []byte("["), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := countActions(path); err == nil {
		t.Error("half a file is a graph")
	}
}
