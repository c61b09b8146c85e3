package rank

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/badbubble/distgo/sync/store"
)

// storeDir is where little things are kept between runs: compilers, history.
// A home directory that all nodes share is a good place for them.
func (r *run) storeDir() (string, error) {
	if r.cfg.Store != "" {
		return r.cfg.Store, nil
	}
	return store.DefaultDir(os.Getenv)
}

// artifactDir is where artifacts are kept. They are linked from the scratch
// directory and back; where the user's cache directory is on another file
// system, such as a home directory on NFS, each would have to be copied, over
// the network at that. Then they stay beside the scratch directory.
func (r *run) artifactDir() (string, error) {
	dir, err := r.storeDir()
	if err != nil || r.cfg.Store != "" {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if sameDevice(dir, r.scratch.Dir()) {
		return dir, nil
	}
	return filepath.Join(filepath.Dir(filepath.Dir(r.scratch.Dir())), fmt.Sprintf("distgo-store-%d", os.Getuid())), nil
}

func sameDevice(a, b string) bool {
	var x, y syscall.Stat_t
	return syscall.Stat(a, &x) == nil && syscall.Stat(b, &y) == nil && x.Dev == y.Dev
}

// openStore gives the loop an action cache. A run without a store is slower,
// not wrong, and says so.
func (r *run) openStore(l *loop) error {
	dir, err := r.artifactDir()
	if err == nil {
		r.store, err = store.Open(store.Options{Dir: dir, Damaged: func(d store.Damage) {
			fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: the store: %s; it is made again\n", r.cfg.Place.Rank, d)
		}})
	}
	if err != nil {
		if r.cfg.Store != "" {
			return Usage(err)
		}
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: nothing is kept between runs: %v\n", r.cfg.Place.Rank, err)
		return nil
	}
	l.cache = &cache{
		store: r.store, plan: l.plan, exchange: l.exchange, file: l.file, fresh: r.cfg.All,
		warn: func(format string, args ...any) { fmt.Fprintf(r.cfg.Stderr, format+"\n", args...) },
	}
	if l.plan.Pipelined {
		l.cache.compiler = r.compiler.Digest
	}
	return nil
}

// closeStore writes what is to be written and, if asked, keeps the store in its
// bounds. That may take long and comes last, when nobody waits for this rank.
func (r *run) closeStore(ctx context.Context, tidy bool) {
	if r.store == nil {
		return
	}
	var err error
	if tidy {
		err = r.store.Tidy(ctx)
	}
	err = errors.Join(err, r.store.Close())
	if err != nil && ctx.Err() == nil && !r.cfg.Quiet {
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: tidying the store: %v\n", r.cfg.Place.Rank, err)
	}
}
