package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"os/exec"
	"strings"

	"github.com/badbubble/distgo/bench/sample"
)

// planned is what is read of distgo plan --json.
type planned struct {
	Actions []struct {
		Group           int
		Inputs, Outputs []int
	}
}

// describe measures a program's graph of actions. It asks distgo's own command, since CGO_ENABLED is a process's.
func describe(ctx context.Context, exe string, p *Program, flags []string) (*sample.Graph, error) {
	argv := append([]string{"plan", "--json", "-p", p.Dir, "-m", p.Main, "--"}, flags...)
	cmd := exec.CommandContext(ctx, exe, argv...)
	cmd.Env, cmd.WaitDelay = environ(p.environment()...), endTime
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, config("%s: %s", p.Name, strings.TrimSpace(said.String()))
	}
	var plan planned
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, fmt.Errorf("reading the plan of %s: %w", p.Name, err)
	}
	return plan.graph(), nil
}

func (p *planned) graph() *sample.Graph {
	maker := map[int]int{} // of an artifact
	for i, a := range p.Actions {
		for _, out := range a.Outputs {
			maker[out] = i
		}
	}
	before := make([][]int, len(p.Actions))
	groups := map[int]int{}
	for i, a := range p.Actions {
		groups[a.Group]++
		for _, in := range a.Inputs {
			if j, ok := maker[in]; ok && j != i {
				before[i] = append(before[i], j)
			}
		}
	}
	g := &sample.Graph{Actions: len(p.Actions), Groups: len(groups), Width: width(before)}
	for _, n := range groups {
		g.Largest = max(g.Largest, n)
	}
	return g
}

// width is the greatest number of vertices of which none depends on another, directly or not: what so many slots could
// do at once at most. By Dilworth's theorem it is n less a greatest matching of the transitive closure. before lists the
// vertices that each depends on; they form no cycle.
func width(before [][]int) int {
	n := len(before)
	below := closure(before)
	matched := make([]int, n) // by the lower vertex: its partner above, or -1
	for i := range matched {
		matched[i] = -1
	}
	var seen []uint64
	var augment func(v int) bool
	augment = func(v int) bool {
		for w, word := range below[v] {
			for word &^= seen[w]; word != 0; word &= word - 1 {
				u := w*64 + bits.TrailingZeros64(word)
				if seen[w]>>(u%64)&1 == 1 {
					continue
				}
				seen[w] |= 1 << (u % 64)
				if matched[u] < 0 || augment(matched[u]) {
					matched[u] = v
					return true
				}
			}
		}
		return false
	}
	size := 0
	for v := range n {
		seen = make([]uint64, (n+63)/64)
		if augment(v) {
			size++
		}
	}
	return n - size
}

// closure is, by vertex, the set of all that it depends on.
func closure(before [][]int) [][]uint64 {
	n := len(before)
	below := make([][]uint64, n)
	var visit func(v int)
	visit = func(v int) {
		if below[v] != nil {
			return
		}
		below[v] = make([]uint64, (n+63)/64)
		for _, u := range before[v] {
			visit(u)
			below[v][u/64] |= 1 << (u % 64)
			for w := range below[v] {
				below[v][w] |= below[u][w]
			}
		}
	}
	for v := range n {
		visit(v)
	}
	return below
}
