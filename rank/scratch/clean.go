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

// sweep cleans up after the runs of which neither the rank nor the guardian lives, and returns their directories. What
// goes wrong with one does not keep it from the next.
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
		f, openErr := h.root.OpenFile(e.Name(), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if openErr != nil {
			if !isGone(openErr) {
				err = errors.Join(err, openErr)
			}
			continue
		}
		if flock(f) == nil && h.inPlace(name, f) {
			// Without a directory it is the lock of a run that is only just beginning, and will find out.
			_, statErr := h.root.Lstat(name)
			if cleanErr := h.clean(name, f); cleanErr != nil {
				err = errors.Join(err, fmt.Errorf("clearing away %s: %w", filepath.Join(h.path, name), cleanErr))
			} else if statErr == nil {
				swept = append(swept, filepath.Join(h.path, name))
			}
		}
		f.Close() // which unlocks it
	}
	return swept, err
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

// endMarkedIfAny spares the second look where the first finds nothing: a rank that closes has waited for its tools, and
// whoever comes after its death has left them time to show their environment.
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
