package rank

import (
	"context"
	"fmt"
	"os"

	"github.com/badbubble/distgo/sync/store"
)

// storeDir is where things are kept between runs.
func (r *run) storeDir() (string, error) {
	if r.cfg.Store != "" {
		return r.cfg.Store, nil
	}
	return store.DefaultDir(os.Getenv)
}

// openStore gives the loop an action cache. A run without a store is slower,
// not wrong, and says so.
func (r *run) openStore(l *loop) error {
	dir, err := r.storeDir()
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

// closeStore writes what is to be written and keeps the store in its bounds.
func (r *run) closeStore() {
	if r.store == nil {
		return
	}
	err := r.store.Tidy(context.Background())
	if cerr := r.store.Close(); err == nil {
		err = cerr
	}
	if err != nil && !r.cfg.Quiet {
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: tidying the store: %v\n", r.cfg.Place.Rank, err)
	}
}
