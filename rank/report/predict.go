package report

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/superstep/replay"
)

// scatter is by how much at most a duration is other than it was recorded. From
// one repetition to the next, an action of the same world takes times of 3 to 9 %
// standard deviation (wego, emulated, medians by cell); so much moves what is
// critical, and when helpers are free, by more: a build's time by 4 %.
const scatter = 0.1

// executions are how often a prediction executes the plan, which is odd.
const executions = 5

// Predict says how long the run would have taken on so many ranks of so many
// slots: it is planned for them as it was planned, by what the scheduler took
// actions to cost, helpers included, and then executed in virtual time by the
// very state machines that run builds, with the durations that were measured and
// what the network takes for each message and artifact. It is the median of
// several executions, whose durations are scattered. What precedes execution
// (capture, meeting, planning) is taken to be as it was, but for the making of a
// compiler, which is there the next time. Microseconds of root's wall time; an error
// is a report that is none of a run.
func (r *Report) Predict(ranks, slots int, network schedule.Network) (int64, error) {
	p := r.Replan()
	if err := p.Validate(ranks); err != nil {
		return 0, err
	}
	took := r.Durations(p)
	places, each := make([]schedule.Rank, ranks), make([]int, ranks)
	for i := range places {
		places[i].Slots, each[i] = slots, slots
	}
	mode := superstep.Split
	if r.Barrier == superstep.Blocking.String() {
		mode = superstep.Blocking
	}
	r.place(p, places, mode)
	var ends []int64
	for n := range executions {
		end, err := replay.Run(p, scattered(took, n), each, nil, mode, network)
		if err != nil {
			return 0, err
		}
		ends = append(ends, end)
	}
	slices.Sort(ends)
	return r.Plan - r.Making + ends[executions/2], nil
}

// Durations are what the actions of p, which the run was planned as anew, have taken.
func (r *Report) Durations(p *plan.Plan) []replay.Duration {
	took := make([]replay.Duration, len(p.Actions))
	for i := range p.Actions {
		a := &p.Actions[i]
		took[i] = replay.Duration{Cost: a.Cost, Lead: a.Lead}
		if r.HeadStarts && a.Lead < a.Cost {
			took[i].Types, took[i].Waits = headStart(a.Lead)
		}
	}
	return took
}

// scattered are the durations of an execution: of the first as they are, then in
// pairs of which one has what the other lacks. So more than half of all take no
// less than any sum of durations that is a bound of the first.
func scattered(took []replay.Duration, execution int) []replay.Duration {
	if execution == 0 {
		return took
	}
	rng := rand.New(rand.NewPCG(uint64(execution+1)/2, 0))
	other := slices.Clone(took)
	for i := range other {
		part := scatter * (2*rng.Float64() - 1)
		if execution%2 == 0 {
			part = -part
		}
		other[i] = other[i].Each(func(d int64) int64 { return d + int64(part*float64(d)) })
	}
	return other
}

// place schedules p by what was known before the run: neither how long actions
// take nor what comes of them.
func (r *Report) place(p *plan.Plan, ranks []schedule.Rank, mode superstep.Mode) {
	for i := range p.Actions {
		if a := &p.Actions[i]; r.Actions[i].Cost > 0 {
			a.Cost, a.Lead = r.Actions[i].Cost, r.Actions[i].Cost
		}
	}
	if p.Pipelined {
		p.Pipeline()
	}
	p.Priority = plan.BottomLevels(p)
	sizes := make([]int64, len(p.Artifacts))
	for i := range p.Artifacts {
		sizes[i], p.Artifacts[i].Size = p.Artifacts[i].Size, 0
	}
	if mode == superstep.Split {
		schedule.Help(p, ranks, schedule.Gigabit)
	} else {
		schedule.Place(p, ranks, schedule.Gigabit)
	}
	for i := range p.Artifacts {
		p.Artifacts[i].Size = sizes[i]
	}
}

// Undivided are the actions as they would have been without helpers: the shares
// that their compiles took are put back.
func (r *Report) Undivided() []Action {
	actions := slices.Clone(r.Actions)
	for i := range actions {
		a := &actions[i]
		if a.Exported <= a.Start {
			continue
		}
		for j := range r.Shares {
			if s := &r.Shares[j]; s.Action == a.ID && s.Taken {
				a.End += schedule.Spared(max(0, s.Took()-a.Front()))
			}
		}
	}
	return actions
}

// Replan makes a plan of what was recorded, without helpers: an export and an
// object of each compile, with their sizes; imports read the one, links the other.
func (r *Report) Replan() *plan.Plan {
	p := &plan.Plan{Pipelined: r.Compiler == "pipelined", Aside: r.Aside}
	actions := r.Undivided()
	index := map[int32]plan.ActionID{}
	for i := range r.Actions {
		index[r.Actions[i].ID] = plan.ActionID(i)
	}
	for i := range actions {
		a := &actions[i]
		action := plan.Action{ID: plan.ActionID(i), Kind: kindOf(a.Kind), Package: a.Package, Group: plan.Superstep(a.Group), Cost: a.Took()}
		action.Lead = action.Cost
		if a.Exported > a.Start {
			action.Lead = a.Front()
		}
		for _, f := range []plan.Artifact{{Kind: plan.Export, Size: a.Export}, {Kind: plan.Object, Size: a.Object}} {
			f.ID, f.Producer = plan.ArtifactID(len(p.Artifacts)), action.ID
			f.Path = strconv.Itoa(int(f.ID))
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
