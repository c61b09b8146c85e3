package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A stored file is one that a listing found.
type stored struct {
	File
	used time.Time // last, give or take useInterval
}

// list returns all files, whether an entry names them or not. What has no
// business in the directory is left alone.
func (s *Store) list(ctx context.Context) ([]stored, error) {
	var files []stored
	top := filepath.Join(s.dir, "files")
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sub := fmt.Sprintf("%02x", i)
		entries, err := os.ReadDir(filepath.Join(top, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			d, err := ParseDigest(e.Name())
			if err != nil || e.Name()[:2] != sub {
				continue
			}
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() {
				continue // it has just been removed
			}
			files = append(files, stored{File{d, info.Size()}, info.ModTime()})
		}
	}
	return files, nil
}

// Stats say what is in a store.
type Stats struct {
	Entries int   // of the action cache
	Sources int   // source files whose digests are known
	Files   int   // content-addressed
	Bytes   int64 // in them
	Oldest  time.Time
}

// Stat counts what is in the store. Oldest is when the file that would be
// pruned first was last used, and zero if there is none.
func (s *Store) Stat(ctx context.Context) (Stats, error) {
	files, err := s.list(ctx)
	st := Stats{Entries: s.actions.len(), Sources: s.sources.len(), Files: len(files)}
	for _, f := range files {
		st.Bytes += f.Size
		if st.Oldest.IsZero() || f.used.Before(st.Oldest) {
			st.Oldest = f.used
		}
	}
	return st, err
}

// Verified is what Verify found.
type Verified struct {
	Files      int   // read
	Bytes      int64 // in them
	Damaged    int   // files removed
	Incomplete int   // entries forgotten because a file of theirs is not here
}

// Verify reads the whole store, removes what is damaged and forgets the
// actions that made it. What it removes is told to Options.Damaged.
func (s *Store) Verify(ctx context.Context) (Verified, error) {
	s.actions.load() // first, so that what is entered meanwhile is none of ours
	files, err := s.list(ctx)
	if err != nil {
		return Verified{}, err
	}
	var v Verified
	here := make(map[File]bool, len(files))
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		switch err := s.reread(f.File); {
		case err == nil:
			here[f.File] = true
		case errors.Is(err, ErrAbsent):
			v.Damaged++
		case errors.Is(err, fs.ErrNotExist):
			continue // pruned meanwhile
		default:
			return v, err
		}
		v.Files++
		v.Bytes += f.Size
	}
	err = s.actions.clean(func(_ [32]byte, _ time.Time, payload []byte) bool {
		e, err := decodeEntry(payload)
		for _, o := range e.Outputs {
			if !here[o.File] {
				err = ErrAbsent
			}
		}
		if err != nil {
			v.Incomplete++
		}
		return err == nil
	})
	return v, err
}

// reread is verify for a file that may have been read before.
func (s *Store) reread(f File) error {
	started := s.now()
	in, err := os.Open(s.path(f.Digest))
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	is, err := digest(in)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.path(f.Digest), err)
	}
	return s.judge(f, info, started, is)
}

func (j *journal) len() int {
	j.load()
	j.mu.RLock()
	defer j.mu.RUnlock()
	return len(j.index)
}
