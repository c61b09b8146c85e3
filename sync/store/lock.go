package store

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a file's lock if nobody has it. supported is false where the
// file system has no locks. Closing the file gives it back.
func tryLock(f *os.File) (got, supported bool) {
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return true, true
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, true
	}
	return false, false
}
