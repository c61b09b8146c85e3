package plan

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// Rough costs in microseconds of one core, where nothing was measured yet.
// Fitted by eye to the cold builds of GO_BUILD_FACTS: 165 s for 1044 packages
// of alist. Only their proportions matter: they order work, they time nothing.
const (
	costStart    = 15_000 // starting a tool, reading a few imports
	costPerKB    = 4_000  // compiling Go
	costPerKBAsm = 1_000  // assembling
	costC        = 80_000 // a C file's headers, whatever its own size
	costPerKBC   = 4_000  // compiling C: 35 s for the 9 MB of sqlite3.c
	costLinkObj  = 3_000  // linking, per object
)

func estimate(a *Action, size func(string) int64) int64 {
	var cost int64
	for i := range a.Steps {
		c := &a.Steps[i]
		if c.Op != transcript.Run {
			continue
		}
		switch toolName(c.Args[0]) {
		case "compile":
			cost += costStart + sourceKB(c, ".go", size)*costPerKB
		case "asm":
			cost += costStart + sourceKB(c, ".s", size)*costPerKBAsm
		case "link":
			cost += costStart + int64(len(a.Inputs))*costLinkObj
		case "cgo":
			cost += costC
		default:
			cost += costC
			if isCCompile(c) {
				cost += sourceKB(c, path.Ext(c.Args[len(c.Args)-1]), size) * costPerKBC
			}
		}
	}
	return max(cost, costStart)
}

func sourceKB(c *transcript.Command, ext string, size func(string) int64) int64 {
	var bytes int64
	for _, arg := range c.Args {
		if path.Ext(arg) != ext || strings.HasPrefix(arg, transcript.Work) {
			continue
		}
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(c.Dir, arg)
		}
		bytes += size(arg)
	}
	return bytes / 1024
}

// frontEnd is the part of a compile that passes before its export data is
// ready: 30 to 37 % in the four programs of GO_BUILD_FACTS, section 4.
const frontEnd = 0.35

// Pipeline says that compiles hand out export data before their end.
func (p *Plan) Pipeline() {
	p.Pipelined = true
	for i := range p.Actions {
		if a := &p.Actions[i]; a.Kind == Compile {
			a.Lead = int64(frontEnd * float64(a.Cost))
		}
	}
	p.Priority = BottomLevels(p)
}

// After is how long after its start an action has made an artifact, as
// estimated.
func (p *Plan) After(f *Artifact) int64 {
	a := &p.Actions[f.Producer]
	if f.Kind == Export {
		return a.Lead
	}
	return a.Cost
}

// BottomLevels gives each action the cost of the longest chain that starts
// with it: its own and its dependents', to the end of the build.
func BottomLevels(p *Plan) []int64 {
	level := make([]int64, len(p.Actions))
	for _, id := range slices.Backward(p.order()) {
		a := &p.Actions[id]
		level[id] = max(level[id], a.Cost) // dependents have raised it to their chains by now
		for _, in := range a.Inputs {
			f := &p.Artifacts[in]
			level[f.Producer] = max(level[f.Producer], p.After(f)+level[id])
		}
	}
	return level
}

// order lists the actions by group and, within one, by number.
func (p *Plan) order() []ActionID {
	order := make([]ActionID, len(p.Actions))
	for i := range order {
		order[i] = ActionID(i)
	}
	slices.SortStableFunc(order, func(a, b ActionID) int {
		return int(p.Actions[a].Group) - int(p.Actions[b].Group)
	})
	return order
}
