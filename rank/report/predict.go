package report

import (
	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
)

// Predict says how long the run would have taken on so many ranks of so many
// slots: its measured durations, put through the scheduler that plans builds,
// with the network's cost of each artifact that changes ranks. What precedes
// execution (capture, meeting, planning) is taken to be as it was, and so are
// packages that were helped. Microseconds of root's wall time.
func (r *Report) Predict(ranks, slots int, network schedule.Network) int64 {
	p := r.Replan()
	places := make([]schedule.Rank, ranks)
	for i := range places {
		places[i].Slots = slots
	}
	return r.Plan + schedule.Place(p, places, network)
}

// Replan makes a plan of what was recorded: an export and an object of each
// compile, with their sizes; imports read the one, links the other.
func (r *Report) Replan() *plan.Plan {
	p := &plan.Plan{}
	index := map[int32]plan.ActionID{}
	for i := range r.Actions {
		index[r.Actions[i].ID] = plan.ActionID(i)
	}
	for i := range r.Actions {
		a := &r.Actions[i]
		action := plan.Action{ID: plan.ActionID(i), Kind: kindOf(a.Kind), Package: a.Package, Group: plan.Superstep(a.Group), Cost: a.End - a.Start}
		action.Lead = action.Cost
		if a.Exported > a.Start {
			action.Lead = a.Exported - a.Start
		}
		for _, f := range []plan.Artifact{{Kind: plan.Export, Size: a.Export}, {Kind: plan.Object, Size: a.Object}} {
			f.ID, f.Producer = plan.ArtifactID(len(p.Artifacts)), action.ID
			action.Outputs = append(action.Outputs, f.ID)
			p.Artifacts = append(p.Artifacts, f)
		}
		p.Actions = append(p.Actions, action)
	}
	for i := range r.Actions {
		action := &p.Actions[i]
		for _, d := range r.Actions[i].Deps {
			producer, ok := index[d]
			if !ok {
				continue
			}
			f := p.Actions[producer].Outputs[0]
			if action.Kind == plan.Link {
				f = p.Actions[producer].Outputs[1]
			}
			action.Inputs = append(action.Inputs, f)
			p.Artifacts[f].Consumers = append(p.Artifacts[f].Consumers, action.ID)
		}
	}
	p.Owner = make([]plan.Rank, len(p.Actions))
	p.Priority = plan.BottomLevels(p)
	return p
}

func kindOf(name string) plan.ActionKind {
	for _, k := range []plan.ActionKind{plan.Link, plan.Prepare} {
		if name == k.String() {
			return k
		}
	}
	return plan.Compile
}
