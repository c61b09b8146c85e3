package store

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Has reports whether a file is here, by its name and size, and keeps it from
// being the next to be pruned. It does not read it.
func (s *Store) Has(f File) bool { return s.has(f) }

// Get puts a file at dst, whole and verified, and replaces what is there. It is
// a link of the store's own file where that can be: read it, remove it, but do
// not write to it, nor let a tool that opens what is there instead of replacing
// it. Its mode is read-only and otherwise as it happens to be. The error is
// ErrAbsent if the file is not here; after any other, too, it can be made anew.
func (s *Store) Get(f File, dst string) error {
	tmp := partial(dst)
	if os.Link(s.path(f.Digest), tmp) != nil {
		return s.Copy(f, dst, 0o444)
	}
	defer unix.Unlink(tmp) // no longer there after the rename, unless dst was this very file
	// From here on nobody can take it away. It is verified as what was linked.
	if err := s.verifyAt(tmp, f); err != nil {
		return err
	}
	return os.Rename(tmp, dst)
}

// verifyAt is verify of a file that is opened only if it has to be read.
func (s *Store) verifyAt(path string, f File) error {
	if info, err := os.Lstat(path); err == nil && s.isVerified(f, info) {
		return nil
	}
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	return errors.Join(s.verify(in, f), in.Close())
}

// Copy puts a verified copy of a file at dst, and replaces what is there. It is
// the caller's to write to.
func (s *Store) Copy(f File, dst string, perm fs.FileMode) error {
	in, err := s.open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := partial(dst)
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := errors.Join(s.pour(out, in, f), out.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, dst)
}

// Open opens a file for reading, once it is verified.
func (s *Store) Open(f File) (*os.File, error) {
	in, err := s.open(f)
	if err != nil {
		return nil, err
	}
	if err := s.verify(in, f); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func (s *Store) open(f File) (*os.File, error) {
	in, err := os.Open(s.path(f.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", f.Digest, ErrAbsent)
	}
	return in, err
}

// pour writes the file in to out. Its bytes are hashed on the way, unless they
// were before: then the kernel may copy, or share, them by itself.
func (s *Store) pour(out, in *os.File, f File) error {
	started := s.now()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if s.isVerified(f, info) {
		_, err := io.Copy(out, in)
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err != nil {
		return err
	}
	return s.judge(f, info, started, File{Digest(h.Sum(nil)), n})
}

// verify reads a file to its end, unless it was read before, and back to its
// start.
func (s *Store) verify(in *os.File, f File) error {
	started := s.now()
	info, err := in.Stat()
	if err != nil || s.isVerified(f, info) {
		return err
	}
	is := File{Size: info.Size()}
	if is.Size == f.Size {
		if is, err = digest(in); err != nil {
			return fmt.Errorf("reading %s: %w", s.path(f.Digest), err)
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return s.judge(f, info, started, is)
}

// partial is a name beside path, for what is not whole yet.
func partial(path string) string {
	return filepath.Join(filepath.Dir(path), ".part-"+rand.Text())
}
