package rank

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// What one node's store holds serves all: who has nothing gets it from who has,
// and keeps it.
func TestStoresServeEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime")
	}
	full, other, third := filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "other"), filepath.Join(t.TempDir(), "third")
	var project string
	build := func(size int, stores ...string) report.Report {
		t.Helper()
		w := newWholeWorld(t, size, tiny)
		if project == "" {
			project = w.project
		}
		w.project = project // the directory is in what is compiled
		reported := filepath.Join(project, "report.json")
		w.change = func(cfg *Config) {
			cfg.Store, cfg.NoPlanCache = stores[cfg.Place.Rank], true
			cfg.Request.Output, cfg.Report = filepath.Join(project, "made"), reported
		}
		for r, err := range w.run(t.Context(), t) {
			if err != nil {
				t.Fatalf("rank %d: %v\n%s", r, err, w.words.String())
			}
		}
		return *readReport(t, reported)
	}
	compiled := func(rep report.Report) (n int) {
		for _, a := range rep.Actions {
			if a.Kind != "link" && !a.Cached {
				n++
			}
		}
		return n
	}
	if n := compiled(build(1, full)); n == 0 {
		t.Fatal("nothing was compiled with an empty store")
	}
	for _, c := range []struct {
		what   string
		stores []string
	}{
		{"a rank with an empty store", []string{full, other}},
		{"root with an empty store", []string{third, full}},
	} {
		rep := build(2, c.stores...)
		if n := compiled(rep); n > 0 {
			t.Errorf("%s: %d actions were executed", c.what, n)
		}
	}
	for _, dir := range []string{other, third} {
		s := openStore(t, dir)
		if st, err := s.Stat(t.Context()); err != nil || st.Entries == 0 {
			t.Errorf("%s holds %+v, %v", dir, st, err)
		}
		if v, err := s.Verify(t.Context()); err != nil || v.Damaged > 0 {
			t.Errorf("%s: %+v, %v", dir, v, err)
		}
	}
}

// A rank for which nothing is to be done makes no scratch directory.
func TestRankWithoutWorkMakesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime")
	}
	w := newWholeWorld(t, 1, tiny)
	for r, err := range w.run(t.Context(), t) {
		if err != nil {
			t.Fatalf("rank %d: %v\n%s", r, err, w.words.String())
		}
	}
	base := t.TempDir() // where none can be made
	write(t, filepath.Join(base, fmt.Sprintf("distgo-%d", os.Geteuid())), "")
	w.size = 2
	for _, all := range []bool{false, true} {
		w.change = func(cfg *Config) {
			cfg.NoPlanCache, cfg.All = true, all
			if cfg.Place.Rank == 1 {
				cfg.Scratch = base
			}
		}
		if err := errors.Join(w.run(t.Context(), t)...); all != (err != nil) {
			t.Errorf("with everything to do, %v: %v\n%s", all, err, w.words.String())
		}
	}
}

// What another rank's store holds is waited for, not that of a rank that has none, or this one's.
func TestStoresAwaited(t *testing.T) {
	own := openStore(t, t.TempDir())
	for told, awaited := range map[string]bool{"": false, own.ID(): false, "another": true} {
		synctest.Test(t, func(t *testing.T) {
			worlds := transporttest.NewWorld(t, 2, transporttest.WithConfig(func(c *transport.Config) {
				c.Info, _ = msgpack.Marshal(view{Store: told})
			}))
			p := newPeers(worlds[0], own, "", thereAlready)
			select {
			case <-p.all:
				if awaited {
					t.Errorf("store %q is not waited for", told)
				}
			default:
				if !awaited {
					t.Errorf("store %q is waited for", told)
				}
			}
		})
	}
}
