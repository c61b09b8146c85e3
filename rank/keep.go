package rank

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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

// StoreDir is where a run on this node keeps artifacts, with its --store and
// --scratch.
func StoreDir(dir, base string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := store.DefaultDir(os.Getenv)
	if err != nil {
		return "", Usage(err)
	}
	if base == "" {
		base = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err == nil && sameDevice(dir, base) {
		return dir, nil
	}
	return besideScratch(base), nil
}

// besideScratch is the store of this user on the file system of scratch
// directories.
func besideScratch(base string) string {
	return filepath.Join(base, fmt.Sprintf("distgo-store-%d", os.Getuid()))
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
	if sameDevice(dir, r.scratch.Base()) {
		return dir, nil
	}
	return besideScratch(r.scratch.Base()), nil
}

func sameDevice(a, b string) bool {
	var x, y syscall.Stat_t
	return syscall.Stat(a, &x) == nil && syscall.Stat(b, &y) == nil && x.Dev == y.Dev
}

// openStore opens the store of this node. A run without one is slower, not
// wrong, and says so.
func (r *run) openStore() error {
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
	}
	return nil
}

// newCache is the action cache of a plan, nil without a store.
func (r *run) newCache(l *loop) *cache {
	if r.store == nil {
		return nil
	}
	c := &cache{
		store: r.store, plan: l.plan, exchange: l.exchange, file: l.file, fresh: r.cfg.All,
		notes:  &r.notes,
		tracer: &tracer{runner: l.runner, compilers: l.runner.Tools.Compilers},
		warn:   func(format string, args ...any) { fmt.Fprintf(r.cfg.Stderr, format+"\n", args...) },
	}
	if r.inbox != nil {
		c.peers = r.inbox.peers
	}
	if l.plan.Pipelined {
		c.compiler = r.compiler.Digest
	}
	if r.isRoot() {
		c.foreseen = &r.foreseen
		c.ldflags = linkFlags(l.plan)
	}
	return c
}

// serve tells the other ranks what the store holds and gives it to them, until
// the function that it returns is called, which waits for that.
func (r *run) serve(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	p := r.inbox.peers
	if p == nil {
		return func() {}
	}
	serving, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := p.announce()
		if err == nil {
			err = p.serve(serving)
		}
		if err != nil && serving.Err() == nil {
			cancel(err)
		}
	})
	return func() { end(); wg.Wait() }
}

// closeStore writes what is to be written and, if asked, keeps the store in its
// bounds. That may take long and comes last, when nobody waits for this rank.
func (r *run) closeStore(ctx context.Context, tidy bool) {
	if r.store == nil {
		return
	}
	if r.keeps != nil {
		r.keeps()
	}
	err := r.notes.keep(notesPath(r.store.Dir(), r.cfg.Place.Rank), r.cfg.Place.RunID(), r.begun)
	if store.Full(err) {
		err = nil // the actions' files were told of
	}
	if tidy {
		err = errors.Join(err, r.store.Tidy(ctx))
	}
	err = errors.Join(err, r.store.Close())
	if err != nil && ctx.Err() == nil && !r.cfg.Quiet {
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: tidying the store: %v\n", r.cfg.Place.Rank, err)
	}
}
