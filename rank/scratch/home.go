package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// home is distgo-<uid>, the directory that holds this user's scratch directories of one base.
type home struct {
	path string
	root *os.Root // all work goes through it, so that no symbolic link leads out
}

// errHomeGone says that another run removed the home while it was empty.
var errHomeGone = errors.New("the scratch home went away")

// trueBase spells a base in one way for every run: the marker of a dead run's tools holds the path.
func trueBase(base string) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return "", fmt.Errorf("the scratch base (choose another with --scratch): %w", err)
	}
	return base, nil
}

func homePath(base string) string { return filepath.Join(base, fmt.Sprintf("distgo-%d", os.Geteuid())) }

// openHome makes the home if need be, and refuses one that another user prepared.
func openHome(base string) (*home, error) {
	path := homePath(base)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return enterHome(path)
}

// enterHome opens an existing home.
func enterHome(path string) (*home, error) {
	seen, err := os.Lstat(path)
	if isGone(err) {
		return nil, errHomeGone
	} else if err != nil {
		return nil, err
	}
	if !seen.IsDir() {
		return nil, &Error{path + " is not a directory", "remove it or choose another base with --scratch"}
	}
	if uid := owner(seen); uid != os.Geteuid() {
		return nil, &Error{fmt.Sprintf("%s belongs to user %d", path, uid), "choose another base with --scratch"}
	}
	root, err := os.OpenRoot(path)
	if isGone(err) {
		return nil, errHomeGone
	} else if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(seen, opened) {
		err = &Error{path + " was exchanged while it was opened", "choose another base with --scratch"}
	}
	if err == nil && opened.Mode().Perm() != 0o700 {
		err = root.Chmod(".", 0o700)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &home{path, root}, nil
}

// leave closes the home and removes it if nothing is in it.
func (h *home) leave() error {
	_ = os.Remove(h.path) // rmdir refuses while another run is there
	return h.root.Close()
}

// lock makes the lock file of a new name and locks it.
func (h *home) lock(name string) (*os.File, error) {
	f, err := h.root.OpenFile(lockName(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if isGone(err) {
		return nil, errHomeGone
	} else if err != nil {
		return nil, err
	}
	// A sweep can come between the two calls and take the file for a dead run's; then it is the sweep that removes it.
	if err := flock(f, syscall.LOCK_NB); err != nil || !h.inPlace(name, f) {
		f.Close()
		if err == nil || errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errHomeGone // which begins anew
		}
		return nil, fmt.Errorf("locking %s: %w", filepath.Join(h.path, lockName(name)), err)
	}
	return f, nil
}

// inPlace says whether f is still what the name's lock file is.
func (h *home) inPlace(name string, f *os.File) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := h.root.Lstat(lockName(name))
	return err == nil && os.SameFile(opened, there)
}

func lockName(name string) string { return name + lockSuffix }

const lockSuffix = ".lock"

// flock locks a file, with LOCK_NB now or not at all.
func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|how); err != syscall.EINTR {
			return err
		}
	}
}

func owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
