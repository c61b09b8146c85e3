package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// sweep cleans up after dead ranks whose guardians are dead too, or have not come to it yet, and returns their directories.
// What goes wrong with one does not keep it from the next.
func (h *home) sweep() (swept []string, err error) {
	entries, err := fs.ReadDir(h.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), lockSuffix)
		if !isLock || !e.Type().IsRegular() {
			continue
		}
		switch buried, buryErr := h.bury(name, syscall.LOCK_NB); {
		case buryErr != nil:
			err = errors.Join(err, fmt.Errorf("clearing away %s: %w", filepath.Join(h.path, name), buryErr))
		case buried:
			swept = append(swept, filepath.Join(h.path, name))
		}
	}
	return swept, err
}

// bury cleans up after a rank, and reports whether there was a directory. It waits for the rank to be dead and anybody else
// who is at it to be done; with LOCK_NB it leaves then.
func (h *home) bury(name string, how int) (bool, error) {
	f, err := h.root.OpenFile(lockName(name), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if isGone(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close() // which unlocks it
	if flock(f, how) != nil || !h.inPlace(name, f) {
		return false, nil
	}
	if _, err := h.root.Lstat(name); isGone(err) { // the lock of a run that is only just beginning, and will find out
		return false, h.remove(name)
	}
	if err := EndMarked(marker(filepath.Join(h.path, name))); err != nil {
		return false, err
	}
	return true, h.clean(name, f)
}

// clean ends the processes that belong to a directory and removes it, unless it is to be kept, and then its lock file.
// The caller holds the lock.
func (h *home) clean(name string, lock *os.File) error {
	if !h.inPlace(name, lock) {
		return nil // it has been done, down to the last step
	}
	if err := endMarkedIfAny(marker(filepath.Join(h.path, name))); err != nil {
		return err
	}
	keep, err := isKept(lock)
	if err != nil {
		return err
	}
	if keep {
		return h.root.Remove(lockName(name))
	}
	return h.remove(name)
}

// endMarkedIfAny spares the second look where the first finds nothing: a rank that closes has waited for its tools.
func endMarkedIfAny(marker string) error {
	found, err := killMarked(marker)
	if err != nil || found == 0 {
		return err
	}
	return EndMarked(marker)
}

// remove removes a directory and then its lock file.
func (h *home) remove(name string) error {
	err := h.root.RemoveAll(name)
	if errors.Is(err, fs.ErrPermission) {
		// Directories without write permission, such as a module cache's, do not let go of their entries.
		_ = fs.WalkDir(h.root.FS(), name, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = h.root.Chmod(path, 0o700)
			}
			return nil
		})
		err = h.root.RemoveAll(name)
	}
	if err != nil {
		return err
	}
	if err := h.root.Remove(lockName(name)); err != nil && !isGone(err) {
		return err
	}
	return nil
}

// keepNote in the lock file says that the directory stays. It is there and not with the guardian, because the guardian
// can be killed too.
const keepNote = "keep\n"

func markKept(lock *os.File) error {
	_, err := lock.WriteAt([]byte(keepNote), 0)
	return err
}

func isKept(lock *os.File) (bool, error) {
	info, err := lock.Stat()
	return err == nil && info.Size() == int64(len(keepNote)), err
}
