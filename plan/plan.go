package plan

import (
	"fmt"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// Rank numbers a process of the world, 0 ≤ Rank < size. Root is rank 0.
type Rank int

// ActionID is an action's index in Plan.Actions.
type ActionID int32

// ArtifactID is an artifact's index in Plan.Artifacts.
type ArtifactID int32

// Superstep numbers the groups: superstep k carries group k. The first is 0.
type Superstep int32

// ActionKind says what an action makes.
type ActionKind uint8

// The values travel in plans and reports: append only.
const (
	Compile ActionKind = iota + 1 // one package
	Link                          // one program
	Prepare                       // what a compile reads beside sources: a preprocessed profile, a coverage file, a C object
)

func (k ActionKind) String() string {
	switch k {
	case Compile:
		return "compile"
	case Link:
		return "link"
	case Prepare:
		return "prepare"
	}
	return fmt.Sprintf("ActionKind(%d)", uint8(k))
}

// ArtifactKind says who reads an artifact, and with it which lane it takes.
type ArtifactKind uint8

// The values travel in plans and reports: append only.
const (
	Export ArtifactKind = iota + 1 // export data (.x): importers' compiles read it
	Object                         // link object (.a): only links read it
	Other                          // anything else that one action leaves for another
)

func (k ArtifactKind) String() string {
	switch k {
	case Export:
		return "export"
	case Object:
		return "object"
	case Other:
		return "other"
	}
	return fmt.Sprintf("ArtifactKind(%d)", uint8(k))
}

// An Action is one vertex of the build.
type Action struct {
	ID       ActionID             `msgpack:"i"`
	Kind     ActionKind           `msgpack:"k"`
	Package  string               `msgpack:"p"`           // import path; repeats when a package is built in variants
	Node     string               `msgpack:"n"`           // cmd/go's name for its directory, "b012"
	Group    Superstep            `msgpack:"g"`           // depth in the graph
	Cost     int64                `msgpack:"w"`           // estimated microseconds of one core
	Lead     int64                `msgpack:"l"`           // of those, until its export data is there; Cost unless the compiler is pipelined
	Estimate int64                `msgpack:"-"`           // Cost as the source's size has it, where Cost is measured; 0 otherwise
	Text     int64                `msgpack:"x,omitempty"` // of Cost as estimated, reading long literals
	Inputs   []ArtifactID         `msgpack:"r,omitempty"` // ascending
	Outputs  []ArtifactID         `msgpack:"o,omitempty"` // ascending
	Steps    []transcript.Command `msgpack:"c,omitempty"` // commands in order; left out of the copies of ranks that do not execute it
}

// An Artifact is a file that one action produces and others read.
type Artifact struct {
	ID        ArtifactID   `msgpack:"i"`
	Kind      ArtifactKind `msgpack:"k"`
	Path      string       `msgpack:"p"`           // below every rank's scratch directory, slash-separated
	Size      int64        `msgpack:"z,omitempty"` // bytes, where they are known beforehand
	Producer  ActionID     `msgpack:"f"`
	Consumers []ActionID   `msgpack:"t,omitempty"` // ascending
}

// MostAside is how many compilers of either kind that Aside counts are worth their memory.
const MostAside = 24

// A Plan is a whole build.
type Plan struct {
	GoVersion string     `msgpack:"v"`
	Actions   []Action   `msgpack:"a"`
	Artifacts []Artifact `msgpack:"f"`
	Owner     []Rank     `msgpack:"o"`           // by ActionID: who executes it, unless it is moved while the build runs
	Priority  []int64    `msgpack:"y"`           // by ActionID: higher starts first
	Helpers   [][]Rank   `msgpack:"h,omitempty"` // by ActionID: who compiles a share of it, see shares.go; nil where nobody helps
	Env       []string   `msgpack:"e"`           // environment of every command, sorted
	Pipelined bool       `msgpack:"l"`           // compiles hand out export data before their end
	Aside     int        `msgpack:"m,omitempty"` // how many compilers may wait in memory begun, and how many held, for each slot of a rank; at most MostAside
}

// Groups lists the actions by group, each in ascending order.
// Groups are executed in order, one superstep each.
func (p *Plan) Groups() [][]ActionID {
	var groups [][]ActionID
	for i := range p.Actions {
		g := int(p.Actions[i].Group)
		for len(groups) <= g {
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], ActionID(i))
	}
	return groups
}

// Commands counts the tool invocations of a.
func (a *Action) Commands() int {
	n := 0
	for i := range a.Steps {
		if a.Steps[i].Op == transcript.Run {
			n++
		}
	}
	return n
}

// Dependents calls f for every action that reads an output of a.
// An action that reads several outputs is seen several times.
func (p *Plan) Dependents(a ActionID, f func(ActionID)) {
	for _, out := range p.Actions[a].Outputs {
		for _, c := range p.Artifacts[out].Consumers {
			f(c)
		}
	}
}

// Dependencies calls f for every action whose output a reads.
// An action that gives several inputs is seen several times.
func (p *Plan) Dependencies(a ActionID, f func(ActionID)) {
	for _, in := range p.Actions[a].Inputs {
		f(p.Artifacts[in].Producer)
	}
}

// Targets lists the files outside the scratch directories that links write:
// programs, archives; absolute.
func (p *Plan) Targets() []string {
	var targets []string
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Kind != Link {
			continue
		}
		for j := range a.Steps {
			c := &a.Steps[j]
			switch c.Op {
			case transcript.Copy, transcript.Move, transcript.Join:
				if to := c.Args[len(c.Args)-1]; !strings.HasPrefix(to, transcript.Work) {
					targets = append(targets, to)
				}
			}
		}
	}
	return targets
}

// Last returns the action that all others lead to, the link of the only
// program: nothing else runs when it does. Ok is false where there is none.
func (p *Plan) Last() (last ActionID, ok bool) {
	for i := range p.Actions {
		end := true
		p.Dependents(ActionID(i), func(ActionID) { end = false })
		if end && ok {
			return 0, false
		}
		if end {
			last, ok = ActionID(i), true
		}
	}
	return last, ok
}
