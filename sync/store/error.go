package store

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// ErrAbsent says that a file is not in the store, or was damaged and is no more.
var ErrAbsent = errors.New("not in the store")

// ArchiveError says that what was to be imported is no sound archive.
type ArchiveError struct{ Text string }

func (e *ArchiveError) Error() string {
	return "the archive " + e.Text + ": export it again"
}

// UsageError says that a directory cannot be used as a store.
type UsageError struct {
	Text string
	Hint string // what to do about it
}

func (e *UsageError) Error() string { return e.Text + ": " + e.Hint }

// Full reports whether err came of a disk, a quota or a file size limit that
// is exhausted.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// Damage is something in the store that is not as it was written.
type Damage struct {
	Path   string
	Reason string
}

func (d Damage) String() string {
	return fmt.Sprintf("%s is damaged: %s", d.Path, d.Reason)
}

// damages passes each damaged path on once.
type damages struct {
	tell  func(Damage) // may be nil
	mu    sync.Mutex
	named map[string]bool // guarded by mu
}

func (d *damages) report(path, format string, args ...any) {
	d.mu.Lock()
	again := d.named[path]
	if d.named == nil {
		d.named = map[string]bool{}
	}
	d.named[path] = true
	d.mu.Unlock()
	if !again && d.tell != nil {
		d.tell(Damage{path, fmt.Sprintf(format, args...)})
	}
}
