package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// Validate checks the package's invariants and that every index is in range,
// so that a plan that arrived over the wire can be used without further checks.
func (p *Plan) Validate(size int) error {
	n := len(p.Actions)
	if len(p.Owner) != n || len(p.Priority) != n {
		return fmt.Errorf("plan of %d actions has %d owners and %d priorities", n, len(p.Owner), len(p.Priority))
	}
	for i := range p.Actions {
		if err := p.validateAction(ActionID(i), size); err != nil {
			return err
		}
	}
	paths := make(map[string]ArtifactID, len(p.Artifacts))
	for i := range p.Artifacts {
		f := &p.Artifacts[i]
		if err := p.validateArtifact(ArtifactID(i)); err != nil {
			return err
		}
		if twin, ok := paths[f.Path]; ok {
			return fmt.Errorf("artifacts %d and %d of the plan are both %s", twin, i, f.Path)
		}
		paths[f.Path] = f.ID
	}
	if err := p.validateHelpers(size); err != nil {
		return err
	}
	return p.validateEdges()
}

func (p *Plan) validateAction(id ActionID, size int) error {
	a := &p.Actions[id]
	if a.ID != id || a.Group < 0 || int(a.Group) >= len(p.Actions) {
		return fmt.Errorf("action %d of the plan is misnumbered or in group %d", id, a.Group)
	}
	if o := p.Owner[id]; o < 0 || int(o) >= size {
		return fmt.Errorf("action %d is placed on rank %d of %d", id, o, size)
	}
	if a.Node != "" && (!transcript.LocalPath(a.Node) || strings.Contains(a.Node, "/")) {
		return fmt.Errorf("action %d has a directory outside the scratch directory: %q", id, a.Node)
	}
	return a.ValidateSteps(a.Steps)
}

func (p *Plan) validateArtifact(id ArtifactID) error {
	f := &p.Artifacts[id]
	if f.ID != id || f.Producer < 0 || int(f.Producer) >= len(p.Actions) {
		return fmt.Errorf("artifact %d of the plan is misnumbered or has no producer", id)
	}
	if !transcript.LocalPath(f.Path) {
		return fmt.Errorf("artifact %d of the plan has a path outside the scratch directory: %q", id, f.Path)
	}
	for _, c := range f.Consumers {
		if c < 0 || int(c) >= len(p.Actions) {
			return fmt.Errorf("artifact %d of the plan is read by action %d of %d", id, c, len(p.Actions))
		}
		if p.Actions[c].Group <= p.Actions[f.Producer].Group {
			return fmt.Errorf("action %d reads %s of action %d, which is not in an earlier group", c, f.Path, f.Producer)
		}
	}
	return nil
}

// An edge of the graph, told by an action or by an artifact.
type edge struct {
	action   ActionID
	artifact ArtifactID
}

// validateEdges checks that actions and artifacts tell the same, each once: an
// input that is counted twice, or that nobody knows the reader of, would never
// be complete.
func (p *Plan) validateEdges() error {
	var reads, read, makes, made []edge
	for i := range p.Actions {
		for _, in := range p.Actions[i].Inputs {
			reads = append(reads, edge{ActionID(i), in})
		}
		for _, out := range p.Actions[i].Outputs {
			makes = append(makes, edge{ActionID(i), out})
		}
	}
	for i := range p.Artifacts {
		for _, c := range p.Artifacts[i].Consumers {
			read = append(read, edge{c, ArtifactID(i)})
		}
		made = append(made, edge{p.Artifacts[i].Producer, ArtifactID(i)})
	}
	if e, ok := differ(reads, read); ok {
		return fmt.Errorf("that action %d reads artifact %d of %d is not told once by each of the two", e.action, e.artifact, len(p.Artifacts))
	}
	if e, ok := differ(makes, made); ok {
		return fmt.Errorf("that action %d makes artifact %d of %d is not told once by each of the two", e.action, e.artifact, len(p.Artifacts))
	}
	return nil
}

// differ finds an edge that is not exactly once in each list.
func differ(a, b []edge) (edge, bool) {
	order := func(x, y edge) int {
		if x.action != y.action {
			return int(x.action) - int(y.action)
		}
		return int(x.artifact) - int(y.artifact)
	}
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a) || i < len(b) && order(b[i], a[i]) < 0:
			return b[i], true
		case i >= len(b) || order(a[i], b[i]) < 0 || i > 0 && a[i] == a[i-1]:
			return a[i], true
		}
	}
	return edge{}, false
}

// ValidateSteps checks commands that a is to execute: that they are complete,
// and write nothing outside the scratch directory that Invariant 3 forbids.
func (a *Action) ValidateSteps(steps []transcript.Command) error {
	for i := range steps {
		c := &steps[i]
		if len(c.Args) < arity(c.Op) {
			return fmt.Errorf("command %d of action %d, of kind %d, has %d arguments", i, a.ID, c.Op, len(c.Args))
		}
		for _, to := range placed(c) {
			if a.Kind == Link && slices.Contains(placing, c.Op) {
				continue
			}
			if rel, ok := strings.CutPrefix(to, transcript.Work); !ok || !transcript.LocalPath(strings.TrimSuffix(rel, "/")) {
				return fmt.Errorf("command %d of action %d, a %s, writes outside the scratch directory: %q", i, a.ID, a.Kind, to)
			}
		}
	}
	return nil
}

// placing are the commands with which links put programs in their places.
var placing = []transcript.Op{transcript.Mkdir, transcript.Copy, transcript.Move, transcript.Symlink, transcript.Join}

// arity is how many arguments a command has at least.
func arity(op transcript.Op) int {
	switch op {
	case transcript.Copy, transcript.Move, transcript.Symlink:
		return 2
	case transcript.Join:
		return 3
	}
	return 1
}

// placed lists the files that a command writes by itself; those of a tool are
// the tool's business.
func placed(c *transcript.Command) []string {
	switch c.Op {
	case transcript.Mkdir, transcript.Write, transcript.Pack, transcript.Remove:
		return c.Args[:1]
	case transcript.Copy, transcript.Move, transcript.Symlink, transcript.Join:
		return c.Args[arity(c.Op)-1 : arity(c.Op)]
	case transcript.Run:
		if c.Stdout != "" {
			return []string{c.Stdout}
		}
	}
	return nil
}
