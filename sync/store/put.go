package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Put takes a file into the store. Where it can the store links it instead of
// copying it: the file becomes read-only, and from now on nobody may change
// what is in it.
func (s *Store) Put(path string) (File, error) { return s.put(path, nil) }

// PutKnown is Put for a file whose digest the caller has just computed: it is
// not read again. Whoever uses it will find out if the digest was wrong.
func (s *Store) PutKnown(path string, f File) error {
	_, err := s.put(path, &f)
	return err
}

// PutReader takes what r gives into the store.
func (s *Store) PutReader(r io.Reader) (File, error) {
	tmp := s.temp()
	defer os.Remove(tmp) // no longer there after the rename
	f, err := write(tmp, r)
	if err == nil {
		err = s.install(tmp, f)
	}
	if err != nil {
		return File{}, fmt.Errorf("storing: %w", err)
	}
	return f, nil
}

func (s *Store) put(path string, known *File) (File, error) {
	f, err := s.take(path, known)
	if err != nil {
		return File{}, fmt.Errorf("storing %s: %w", path, err)
	}
	return f, nil
}

func (s *Store) take(path string, known *File) (File, error) {
	if known != nil && s.has(*known) {
		return *known, nil
	}
	tmp := s.temp()
	defer os.Remove(tmp) // no longer there after the rename
	if !adopt(path, tmp) {
		in, err := os.Open(path)
		if err != nil {
			return File{}, err
		}
		defer in.Close()
		f, err := write(tmp, in)
		if err != nil {
			return File{}, err
		}
		if known != nil && f != *known {
			return File{}, errors.New("it has changed since it was digested")
		}
		return f, s.install(tmp, f)
	}
	if known == nil {
		f, err := digestFile(tmp)
		if err != nil {
			return File{}, err
		}
		known = &f
	}
	return *known, s.install(tmp, *known)
}

// adopt makes tmp a second, read-only name of a regular file. It fails where
// the two are on different file systems, where the file is another user's, or
// where the file system has no links.
func adopt(path, tmp string) bool {
	if os.Link(path, tmp) != nil {
		return false
	}
	info, err := os.Lstat(tmp)
	if err == nil && info.Mode().IsRegular() {
		if info.Mode().Perm()&0o222 == 0 || os.Chmod(tmp, info.Mode().Perm()&^0o222) == nil {
			return true
		}
	}
	os.Remove(tmp)
	return false
}

// write copies r to a new read-only file.
func write(path string, r io.Reader) (File, error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), r)
	if err = errors.Join(err, out.Close()); err != nil {
		return File{}, err
	}
	return File{Digest(h.Sum(nil)), n}, nil
}

func digestFile(path string) (File, error) {
	in, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	return digest(in)
}

// digest reads to the end.
func digest(r io.Reader) (File, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return File{Digest(h.Sum(nil)), n}, err
}

// install gives a temporary file its name, unless there is one by that name.
func (s *Store) install(tmp string, f File) error {
	if s.has(f) {
		return nil
	}
	path := s.path(f.Digest)
	err := os.Rename(tmp, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o777); err == nil {
			err = os.Rename(tmp, path)
		}
	}
	return err
}

// useInterval is how old a file's modification time, which is when it was last
// used, may be before a use is recorded: rarely enough to cost nothing, often
// enough to know what is old. See cmd/go/internal/cache, mtimeInterval.
const useInterval = time.Hour

// has reports whether a file is here by name and size, and records the use. A
// file of another size is removed and named.
func (s *Store) has(f File) bool {
	path := s.path(f.Digest)
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	if !info.Mode().IsRegular() || info.Size() != f.Size {
		s.discard(path, info, fmt.Sprintf("it has %d bytes, not %d", info.Size(), f.Size))
		return false
	}
	if now := s.now(); now.Sub(info.ModTime()) > useInterval {
		_ = os.Chtimes(path, time.Time{}, now) // a store that is only read keeps no account
	}
	return true
}

// discard removes a damaged file, unless it has been replaced since, and names it.
func (s *Store) discard(path string, seen fs.FileInfo, reason string) {
	if info, err := os.Lstat(path); err == nil && os.SameFile(info, seen) {
		os.Remove(path)
	}
	s.damages.report(path, "%s; removed", reason)
}
