package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestRunsAtOnce lets several stores on one directory, each used by several
// goroutines, put, look up, get, merge and prune. Whatever one of them gets
// must be right, and nothing may be damaged.
func TestRunsAtOnce(t *testing.T) {
	dir, work := t.TempDir(), t.TempDir()
	var wg sync.WaitGroup
	for run := range 3 {
		x := open(t, dir, func(o *Options) { o.MaxBytes = 1 << 20 })
		for who := range 3 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(run), uint64(who)))
				dst := filepath.Join(work, fmt.Sprint(run, "-", who))
				for range 150 {
					if err := step(t.Context(), x.Store, r, dst); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	x := open(t, dir)
	v, err := x.Verify(t.Context())
	if err != nil || v.Damaged > 0 || v.Files == 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
	x.named(0, "")
}

// step does one thing that a run may do.
func step(ctx context.Context, s *Store, r *rand.Rand, dst string) error {
	number := r.Uint64N(50)
	key := scribbleKey(number)
	switch r.IntN(20) {
	case 0:
		return s.Tidy(ctx)
	case 1:
		_, err := s.Prune(ctx, 200<<10, 0)
		return err
	case 2:
		s.Summary()
		_, err := s.Stat(ctx)
		return err
	}
	if e, ok := s.Lookup(key); ok {
		err := s.Get(e.Outputs[0].File, dst)
		if errors.Is(err, ErrAbsent) {
			return nil // pruned just now
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(dst)
		if err == nil && !bytes.Equal(b, scribble(number)) {
			err = fmt.Errorf("action %d gave something else", number)
		}
		return err
	}
	os.Remove(dst)
	if err := os.WriteFile(dst, scribble(number), 0o644); err != nil {
		return err
	}
	f, err := s.Put(dst)
	if err != nil {
		return err
	}
	err = s.Commit(key, Entry{Name: "scribble", Outputs: []Output{{"out", f}}})
	if errors.Is(err, ErrAbsent) {
		return nil // pruned just now
	}
	return err
}

// TestSameFileAtOnce: of many who put the same, all succeed.
func TestSameFileAtOnce(t *testing.T) {
	dir := t.TempDir()
	content := scribble(1)
	var wg sync.WaitGroup
	for range 8 {
		x := open(t, dir)
		wg.Go(func() {
			f, err := x.PutReader(bytes.NewReader(content))
			if err == nil {
				err = x.Commit(Key{1}, Entry{Outputs: []Output{{"out", f}}})
			}
			if err != nil {
				t.Error(err)
			}
			if e, ok := x.Lookup(Key{1}); !ok || e.Outputs[0].File != f {
				t.Errorf("entry %v, %v", e, ok)
			}
		})
	}
	wg.Wait()
	x := open(t, dir)
	if is, err := x.Stat(t.Context()); err != nil || is.Files != 1 || is.Entries != 1 || is.Bytes != int64(len(content)) {
		t.Errorf("%+v, %v", is, err)
	}
}
