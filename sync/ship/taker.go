package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/badbubble/distgo/sync/store"
)

// A Taker is the side of a rank that does not see root's files.
type Taker struct {
	store *store.Store
	view  string
	local bool

	mu     sync.Mutex
	here   map[store.Digest]*arrival // guarded by mu
	links  map[store.Digest]string   // guarded by mu: files of this node that are the same as root's
	counts Counts                    // guarded by mu
}

// arrival is a file that is here or was asked for.
type arrival struct{ done chan struct{} }

// Counts is what a Taker had to do with, in bytes of distinct files.
type Counts struct {
	Read  int64 // what its actions read
	Local int64 // of that, what lay under the same path
	Asked int64 // of that, what it asked for; the rest was in the store
}

// NewTaker returns a Taker that keeps files in s and lays them out below view.
// Local says whether files of this node may serve that lie where root's do.
func NewTaker(s *store.Store, view string, local bool) *Taker {
	return &Taker{store: s, view: view, local: local, here: map[store.Digest]*arrival{}, links: map[store.Digest]string{}}
}

// Missing finds what has to be asked for. It names each file once.
func (t *Taker) Missing(files []File) (digests [][]byte, err error) {
	for _, f := range files {
		if err := f.check(); err != nil {
			return nil, err
		}
		t.mu.Lock()
		_, known := t.here[f.content().Digest]
		if !known {
			t.here[f.content().Digest] = &arrival{make(chan struct{})}
			t.counts.Read += f.Size
		}
		t.mu.Unlock()
		if known {
			continue
		}
		switch {
		case t.isLocal(f):
			t.count(func(c *Counts) { c.Local += f.Size })
			t.arrived(f.content().Digest)
		case t.store.Has(f.content()):
			t.arrived(f.content().Digest)
		default:
			t.count(func(c *Counts) { c.Asked += f.Size })
			digests = append(digests, f.Digest)
		}
	}
	return digests, nil
}

// isLocal reports whether root's file lies here too.
func (t *Taker) isLocal(f File) bool {
	if !t.local {
		return false
	}
	if info, err := os.Stat(f.Path); err != nil || !info.Mode().IsRegular() || info.Size() != f.Size || f.Exec && info.Mode()&0o111 == 0 {
		return false
	}
	if is, err := t.store.Source(f.Path); err != nil || is != f.content() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links[f.content().Digest] = f.Path
	return true
}

func (t *Taker) count(f func(*Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.counts)
}

// Counts is what there was to do so far.
func (t *Taker) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// arrived lets those go on who wait for a file.
func (t *Taker) arrived(d store.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.here[d]; a != nil {
		select {
		case <-a.done:
		default:
			close(a.done)
		}
	}
}

// Receive takes a batch into the store.
func (t *Taker) Receive(b Batch, blob io.Reader) error {
	return b.contents(blob, func(want store.File, content io.Reader) error {
		got, err := t.store.PutReader(content)
		if err != nil {
			return err
		}
		if got != want {
			return violation("a file of %d bytes arrived with the digest %s, as %d bytes with %s", want.Size, want.Digest, got.Size, got.Digest)
		}
		t.arrived(want.Digest)
		return nil
	})
}

// Wait returns when files are here.
func (t *Taker) Wait(ctx context.Context, files []File) error {
	for _, f := range files {
		t.mu.Lock()
		a := t.here[f.content().Digest]
		t.mu.Unlock()
		if a == nil {
			return fmt.Errorf("%s was never asked for", f.Path)
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Lay puts files that are here in their places below the view. A file that the
// store has lost meanwhile is forgotten, and the error store.ErrAbsent: it is
// missing again.
func (t *Taker) Lay(files []File) error {
	for _, f := range files {
		if err := t.lay(f); err != nil {
			if errors.Is(err, store.ErrAbsent) {
				t.mu.Lock()
				delete(t.here, f.content().Digest)
				t.mu.Unlock()
			}
			return fmt.Errorf("laying out %s: %w", f.Path, err)
		}
	}
	return nil
}

func (t *Taker) lay(f File) error {
	at := filepath.Join(t.view, f.Path)
	if _, err := os.Lstat(at); err == nil {
		return nil // of another action
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	t.mu.Lock()
	same := t.links[f.content().Digest]
	t.mu.Unlock()
	switch {
	case same != "":
		if err := os.Symlink(same, at); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case f.Exec:
		// No child may be born while the program is open for writing: it would keep it open, and the program could not be
		// started. See https://go.dev/issue/22315.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		return t.store.Copy(f.content(), at, 0o500)
	}
	return t.store.Get(f.content(), at)
}
