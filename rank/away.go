package rank

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/transport"
)

// A rank is away when it does not see the files that root sees: the project,
// the module cache, the toolchain. Nothing of them need be there; root sends it
// what its actions read. Cgo, C compilers and links stay with ranks that see
// root's files.

// away tells such a rank what it has to know of root.
type away struct {
	Goroot   string `msgpack:"g"`
	ToolDir  string `msgpack:"t"`
	Cwd      string `msgpack:"c"` // where the user stands
	Compiler string `msgpack:"p,omitempty"`
	Digest   string `msgpack:"d,omitempty"` // of the pipelined compiler
	Signal   string `msgpack:"s,omitempty"`
	Types    string `msgpack:"y,omitempty"`
	Local    bool   `msgpack:"l,omitempty"` // files of the node may serve that are the same under the same path
}

// findTools asks the go command. Only root cannot do without, and says so when
// the others have come: they wait for it.
func (r *run) findTools(ctx context.Context) (err error) {
	if r.tools == nil { // root's plan has told
		r.tools = r.recallTools()
	}
	if r.tools == nil {
		r.tools, err = r.askForTools(ctx)
	}
	if err == nil {
		r.place, err = r.tools.Place()
	}
	if err != nil {
		r.tools, r.toolless = nil, err
	}
	if ctx.Err() != nil || r.cfg.Place.Size == 1 {
		return because(ctx, err)
	}
	return nil
}

// compareViews finds out at root which ranks are away, and says why.
func (r *run) compareViews() error {
	r.away = make([]bool, r.cfg.Place.Size)
	reasons := map[string]map[plan.Rank]bool{}
	var order []string
	views, err := r.views()
	if err != nil {
		return err
	}
	for i, v := range views {
		reason := r.unlike(v)
		if reason == "" {
			continue
		}
		r.away[i+1] = true
		if reasons[reason] == nil {
			reasons[reason] = map[plan.Rank]bool{}
			order = append(order, reason)
		}
		reasons[reason][plan.Rank(i+1)] = true
	}
	for _, reason := range order {
		r.progress.Say("distgo: %s: %s; what is compiled there is sent, and cgo and links stay with those that see root's files", named(reasons[reason]), reason)
	}
	return nil
}

// unlike says in what a rank's view differs from root's, "" if in nothing.
func (r *run) unlike(v view) string {
	switch {
	case r.cfg.SendFiles:
		return "--send-files"
	case v.Toolless != "":
		first, _, _ := strings.Cut(v.Toolless, "\n")
		first, _, _ = strings.Cut(first, "; ") // what could be done about it need not be
		return first
	case v.Place.Toolchain != r.place.Toolchain:
		return fmt.Sprintf("its Go is %s, root's is %s", clipIDs(v.Place.Toolchain), clipIDs(r.place.Toolchain))
	case v.Place.Project != r.place.Project:
		return fmt.Sprintf("its project %s is not the files that root sees", r.cfg.Project)
	case v.Place.Modules != r.place.Modules:
		return "its module cache is not the one that root sees"
	}
	return ""
}

// clipIDs shortens the build IDs in an identity.
func clipIDs(place string) string {
	words := strings.Fields(place)
	for i, w := range words {
		if len(w) > 20 && strings.Contains(w, ",") {
			words[i] = w[:8]
		}
	}
	return strings.Join(words, " ")
}

// awayOrder is what root tells a rank that is away.
func (r *run) awayOrder(p *plan.Plan) *away {
	o := &away{Goroot: r.tools.Root(), ToolDir: r.tools.ToolDir(), Cwd: r.cfg.Cwd, Local: !r.cfg.SendFiles}
	if p.Pipelined {
		o.Compiler, o.Digest, o.Signal, o.Types = r.compiler.Path, r.compiler.Digest, r.compiler.Signal, r.compiler.Types
	}
	return o
}

// takePlan reads what root sent.
func (r *run) takePlan(f transport.Frame) (*plan.Plan, superstep.Mode, error) {
	var o order
	if err := f.Decode(&o); err != nil || f.Blob == nil {
		return nil, 0, err
	}
	if err := r.takeAway(o.Away); err != nil {
		return nil, 0, err
	}
	return decodePlan(f, r.cfg.Place.Size)
}

// takeAway prepares a rank that is away.
func (r *run) takeAway(o *away) error {
	if o == nil {
		if r.tools == nil {
			return fmt.Errorf("root takes this rank to see its files: %w", r.toolless)
		}
		return nil
	}
	for _, path := range []string{o.Goroot, o.ToolDir, o.Compiler} {
		if path != "" && (!filepath.IsAbs(path) || filepath.Clean(path) != path) {
			return fmt.Errorf("root's toolchain is said to lie in %.200q", path)
		}
	}
	r.orders = o
	r.view = &execute.View{Dir: filepath.Join(r.scratch.Dir(), "root"), Goroot: o.Goroot}
	r.compiler = nil
	if o.Compiler != "" {
		r.compiler = &pipeline.Compiler{Path: r.view.Path(o.Compiler), Digest: o.Digest, Signal: o.Signal, Types: o.Types}
	}
	return nil
}

// fixed lists the actions that a rank that is away cannot execute.
func fixed(p *plan.Plan) []bool {
	fixed := make([]bool, len(p.Actions))
	for i := range p.Actions {
		fixed[i] = !execute.CanMove(&p.Actions[i])
	}
	return fixed
}

// fetchHome gives what ranks that are away cannot execute to those that see
// root's files.
func fetchHome(p *plan.Plan, away []bool, slots []int) {
	load := make([]int64, len(slots))
	for i := range p.Actions {
		load[p.Owner[i]] += p.Actions[i].Cost
	}
	for i, stays := range fixed(p) {
		if !stays || !away[p.Owner[i]] {
			continue
		}
		best := plan.Rank(root)
		for to := range slots {
			if !away[to] && load[to]*int64(slots[best]) < load[best]*int64(slots[to]) {
				best = plan.Rank(to)
			}
		}
		load[p.Owner[i]] -= p.Actions[i].Cost
		load[best] += p.Actions[i].Cost
		p.Owner[i] = best
	}
}
