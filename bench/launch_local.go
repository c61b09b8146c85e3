package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/badbubble/distgo/bench/sample"
)

// Local measures on this machine: ranks of distgo -n beside each other, everything pinned to as many cores as the cell
// has. There is no network between the ranks but the loopback.
type Local struct{ Cores int } // the machine's

// Name is "local".
func (l *Local) Name() string { return "local" }

// Fit refuses cells of more cores than there are.
func (l *Local) Fit(c sample.Cell) (sample.Cell, error) {
	c.Dilation = 1
	if c.Total() > l.Cores {
		return c, fmt.Errorf("%d cores do not fit this machine's %d; --through=emulate slows time down until they do", c.Total(), l.Cores)
	}
	return c, nil
}

// Launch runs the build.
func (l *Local) Launch(ctx context.Context, t *Task) (*Result, error) {
	// Beside what was built before, the go command keeps an index of modules in its cache: both sides begin without.
	env := environ(append(t.Program.environment(), "GOCACHE="+filepath.Join(t.Work, "gocache"))...)
	argv := []string{t.Exe, "bench", "pin", "--cores", strconv.Itoa(t.Cell.Total()), "--"}
	if t.Cell.Builder == sample.Distgo {
		// The ranks are this user's on this machine, and pinned together: slots say what each may use.
		store := filepath.Join(t.Work, "store")
		if err := freshStore(store, t.Kept); err != nil {
			return nil, err
		}
		return t.run(ctx, t.Work, env, append(argv, t.distgo(t.Cell.Nodes, store)...))
	}
	env = append(env, "GOMAXPROCS="+strconv.Itoa(t.Cell.Cores))
	if t.Cell.Cache == sample.Warm {
		fill := *t
		fill.Cell.Cache = sample.Cold
		if r, err := fill.run(ctx, t.Program.Dir, env, append(argv, fill.goBuild()...)); err != nil || r.Failed != "" {
			return r, err
		}
		// The go command links again only when the program is not in its place.
		if err := t.forgetProgram(); err != nil {
			return nil, err
		}
	}
	return t.run(ctx, t.Program.Dir, env, append(argv, t.goBuild()...))
}
