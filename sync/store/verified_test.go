package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was found undamaged is known to the next run, but not after the machine
// was started anew, nor of a file that was changed.
func TestVerifiedFilesAreNotReadAgain(t *testing.T) {
	boot := bootID
	defer func() { bootID = boot }()
	for _, c := range []struct {
		name    string
		changed bool // by its times
		boot    string
		age     time.Duration // of the file, when it is read first
		found   bool
	}{
		{"as it was", false, "one", time.Hour, false},
		{"changed", true, "one", time.Hour, true},
		{"after a start", false, "two", time.Hour, true},
		{"just made", false, "one", 0, true},
		{"no boot ID", false, "", time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
			bootID = func() string { return min("one", c.boot) }
			x := open(t, dir)
			f := x.put("content")
			path := x.path(f.Digest)
			made := time.Now().Add(-c.age)
			if err := os.Chtimes(path, made, made); err != nil {
				t.Fatal(err)
			}
			if err := x.Get(f, dst); err != nil {
				t.Fatal(err)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			damageFile(t, path, flip(3))
			if !c.changed {
				if err := os.Chtimes(path, made, made); err != nil {
					t.Fatal(err)
				}
			}
			bootID = func() string { return c.boot }
			y := open(t, dir)
			if err := y.Get(f, dst); errors.Is(err, ErrAbsent) != c.found {
				t.Errorf("got %v, damage to be found: %v", err, c.found)
			}
		})
	}
}
