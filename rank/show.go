package rank

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/toolchain"
)

// Form is how a plan is printed.
type Form uint8

// The forms of PrintPlan.
const (
	Table Form = iota
	JSON
	Dot
)

// PrintPlan makes the plan of cfg, places it on ranks with so many slots each,
// and prints it. Nothing is built.
func PrintPlan(ctx context.Context, w io.Writer, cfg Config, ranks, slots int, form Form) error {
	if ranks < 1 || slots < 1 {
		return usage("a plan for %d ranks of %d slots: both are at least 1", ranks, slots)
	}
	tools, err := toolchain.Find(ctx, cfg.Project)
	if err != nil {
		return failure(because(ctx, err))
	}
	p, _, err := Plan(ctx, cfg, tools)
	if err != nil {
		return failure(because(ctx, err))
	}
	places := make([]schedule.Rank, ranks)
	for i := range places {
		places[i].Slots = slots
	}
	schedule.Place(p, places, schedule.Gigabit)
	switch form {
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(p)
	case Dot:
		return printDot(w, p)
	}
	return printTable(w, p)
}

func printTable(w io.Writer, p *plan.Plan) error {
	commands := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "group\trank\taction\tpackage\tcommands\tinputs\tcost")
	for g, actions := range p.Groups() {
		for _, id := range actions {
			a := &p.Actions[id]
			commands += a.Commands()
			fmt.Fprintf(t, "%d\t%d\t%s %s\t%s\t%d\t%d\t%.2fs\n", g, p.Owner[id], a.Kind, a.Node, a.Package, a.Commands(), len(a.Inputs), float64(a.Cost)/1e6)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d actions in %d groups, %d commands, %d artifacts\n", len(p.Actions), len(p.Groups()), commands, len(p.Artifacts))
	return err
}

func printDot(w io.Writer, p *plan.Plan) error {
	fmt.Fprintln(w, "digraph plan {\n\trankdir=LR\n\tnode [shape=box]")
	for i := range p.Actions {
		a := &p.Actions[i]
		fmt.Fprintf(w, "\ta%d [label=%q]\n", a.ID, fmt.Sprintf("%s %s\nrank %d", a.Kind, a.Package, p.Owner[i]))
		seen := map[plan.ActionID]bool{}
		p.Dependencies(a.ID, func(d plan.ActionID) {
			if !seen[d] {
				seen[d] = true
				fmt.Fprintf(w, "\ta%d -> a%d\n", d, a.ID)
			}
		})
	}
	_, err := fmt.Fprintln(w, "}")
	return err
}
