package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// spared is how recently a file must have been used for Tidy to leave it
	// alone however full the store is: a run that has looked it up may be about
	// to get it. It is more than useInterval, or uses would go unseen.
	spared = 2 * useInterval
	// recount is after how long the files are counted in any case: what was put
	// and never entered is found only so.
	recount = 7 * 24 * time.Hour
	// leftover is how old a file without a name must be to have been left by a
	// run that was killed.
	leftover = 24 * time.Hour
)

// Pruned is what Prune did.
type Pruned struct {
	Files int   // removed
	Bytes int64 // in them
	Left  int64 // bytes in the files that stay
}

// Prune removes the files that were used longest ago until the others have at
// most so many bytes, and forgets the actions that made them. Files that were
// used within spare stay.
func (s *Store) Prune(ctx context.Context, keep int64, spare time.Duration) (Pruned, error) {
	s.actions.load() // first, so that what is entered meanwhile is none of ours
	files, err := s.list(ctx)
	if err != nil {
		return Pruned{}, err
	}
	return s.reduce(ctx, files, keep, spare)
}

func (s *Store) reduce(ctx context.Context, files []stored, keep int64, spare time.Duration) (Pruned, error) {
	slices.SortFunc(files, func(a, b stored) int { return a.used.Compare(b.used) })
	var p Pruned
	for _, f := range files {
		p.Left += f.Size
	}
	counted := s.now()
	here := make(map[Digest]bool, len(files))
	var err error
	for _, f := range files {
		here[f.Digest] = true
		if p.Left <= keep || err != nil {
			continue
		}
		if err = ctx.Err(); err != nil {
			continue
		}
		path := s.path(f.Digest)
		if info, serr := os.Lstat(path); serr == nil && counted.Sub(info.ModTime()) < spare {
			continue // used, maybe after it was listed
		}
		if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = rerr
			continue
		}
		delete(here, f.Digest)
		p.Files++
		p.Bytes += f.Size
		p.Left -= f.Size
	}
	return p, errors.Join(err,
		s.actions.clean(func(_ [32]byte, _ time.Time, payload []byte) bool {
			e, err := decodeEntry(payload)
			return err == nil && !slices.ContainsFunc(e.Outputs, func(o Output) bool { return !here[o.Digest] })
		}),
		s.sources.clean(func(_ [32]byte, stamp time.Time, _ []byte) bool { return counted.Sub(stamp) < sourceAge }),
		s.writeCount(count{counted, p.Left}))
}

// Tidy does what a run should do for the store when all else is done: it
// merges the indices' files, clears away what killed runs left, and prunes if
// the store may have outgrown its size, or has not been counted for long. It
// returns at once if another run is doing it.
func (s *Store) Tidy(ctx context.Context) error {
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	if got, supported := tryLock(lock); !got && supported {
		return nil
	}
	if err := errors.Join(s.sweep(), s.actions.merge(), s.sources.merge()); err != nil {
		return fmt.Errorf("tidying the store: %w", err)
	}
	last := s.lastCount()
	age := s.now().Sub(last.at)
	if age >= 0 && age < recount && last.bytes+s.enteredSince(last.at) <= s.max {
		return nil
	}
	files, err := s.list(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.Size
	}
	keep := s.max
	if total > keep {
		keep -= keep / 10 // so that the next run need not prune again
	}
	_, err = s.reduce(ctx, files, keep, spared)
	return err
}

// enteredSince is how many bytes of files at most came with later entries.
func (s *Store) enteredSince(t time.Time) (bytes int64) {
	s.actions.mu.RLock()
	defer s.actions.mu.RUnlock()
	for _, at := range s.actions.index {
		if at.stamp < t.UnixNano() {
			continue
		}
		if e, err := decodeEntry(recordPayload(s.actions.at(at))); err == nil {
			for _, o := range e.Outputs {
				bytes += o.Size
			}
		}
	}
	return bytes
}

// sweep removes the files without a name that killed runs left.
func (s *Store) sweep() error {
	dir := filepath.Join(s.dir, "tmp")
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if info, ierr := e.Info(); ierr == nil && s.now().Sub(info.ModTime()) > leftover {
			if rerr := os.Remove(filepath.Join(dir, e.Name())); !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
		}
	}
	return err
}

// A count is how many bytes of files there were at a time.
type count struct {
	at    time.Time
	bytes int64
}

// lastCount is the zero count, which is long ago, if there was none.
func (s *Store) lastCount() count {
	text, err := os.ReadFile(filepath.Join(s.dir, "pruned"))
	if err != nil {
		return count{}
	}
	at, bytes, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	ns, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseInt(bytes, 10, 64)
	if err1 != nil || err2 != nil || n < 0 {
		return count{}
	}
	return count{time.Unix(0, ns), n}
}

func (s *Store) writeCount(c count) error {
	tmp := s.temp()
	defer os.Remove(tmp) // no longer there after the rename
	if err := os.WriteFile(tmp, fmt.Appendf(nil, "%d %d\n", c.at.UnixNano(), c.bytes), 0o666); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.dir, "pruned"))
}
