package store

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// later shifts a store's clock, so that files just written look settled.
func later(d time.Duration) func(*Options) {
	return func(o *Options) { o.now = func() time.Time { return time.Now().Add(d) } }
}

func (x *fixture) source(path, want string) {
	x.t.Helper()
	f, err := x.Source(path)
	if err != nil || f != (File{sha256.Sum256([]byte(want)), int64(len(want))}) {
		x.t.Errorf("the digest of %s is %v, %v, want that of %q", path, f, err, want)
	}
}

func TestSourceIsRememberedAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(t.TempDir(), "a.go"), "package a")
	x := open(t, dir, later(time.Hour))
	x.source(path, "package a")
	x.Close()
	y := open(t, dir, later(time.Hour))
	y.source(path, "package a")
	y.source(path, "package a")
	if y.sources.own != nil {
		t.Error("what did not change was read again")
	}
	y.named(0, "")
}

// TestChangedSourceIsSeen changes a file in each way that leaves as much as
// can be as it was.
func TestChangedSourceIsSeen(t *testing.T) {
	for name, change := range map[string]func(path string, was fs.FileInfo) error{
		"same size": func(path string, _ fs.FileInfo) error { return os.WriteFile(path, []byte("package b"), 0o644) },
		"same size and time": func(path string, was fs.FileInfo) error {
			return errors.Join(os.WriteFile(path, []byte("package b"), 0o644), os.Chtimes(path, was.ModTime(), was.ModTime()))
		},
		"another file of the same size and time": func(path string, was fs.FileInfo) error {
			tmp := path + ".new"
			return errors.Join(os.WriteFile(tmp, []byte("package b"), 0o644), os.Chtimes(tmp, was.ModTime(), was.ModTime()), os.Rename(tmp, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t, t.TempDir(), later(time.Hour))
			path := writeFile(t, filepath.Join(t.TempDir(), "a.go"), "package a")
			x.source(path, "package a")
			was, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			for now := was; changed(now).Equal(changed(was)); now, _ = os.Stat(path) { // until the clock has ticked
				if err := change(path, was); err != nil {
					t.Fatal(err)
				}
			}
			x.source(path, "package b")
		})
	}
}

// TestRacySourceIsNotRemembered: a file that has just been written may be
// written again within one tick of the clock.
func TestRacySourceIsNotRemembered(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "a.go"), "package a")
	for name, at := range map[string]time.Duration{"just now": 0, "within a tick": time.Second, "in the future": -time.Hour} {
		x := open(t, t.TempDir(), later(at))
		x.source(path, "package a")
		if n := x.sources.len(); n != 0 {
			t.Errorf("written %s: its digest is remembered", name)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil { // as tar and cp -p do
		t.Fatal(err)
	}
	x := open(t, t.TempDir())
	x.source(path, "package a")
	if n := x.sources.len(); n != 0 {
		t.Error("changed just now, with an old modification time: its digest is remembered")
	}
	y := open(t, t.TempDir(), later(racyMargin+time.Hour))
	y.source(path, "package a")
	if n := y.sources.len(); n != 1 {
		t.Error("left alone for long: its digest is not remembered")
	}
}

func TestDamagedSourceCacheIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(t.TempDir(), "a.go"), "package a")
	x := open(t, dir, later(time.Hour))
	x.source(path, "package a")
	x.Close()
	logs, _ := filepath.Glob(filepath.Join(dir, "sources", "*.log"))
	if len(logs) != 1 {
		t.Fatalf("segments %v, want one", logs)
	}
	damageFile(t, logs[0], flip(len(read(t, logs[0]))-1)) // in the digest
	y := open(t, dir, later(time.Hour))
	y.source(path, "package a")
	y.named(1, "sources")
}

func TestSourcesAreForgottenWithAge(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(t.TempDir(), "a.go"), "package a")
	for _, step := range []struct {
		at      time.Duration
		use     bool
		entries int
	}{{day, true, 1}, {12 * day, true, 1}, {40 * day, false, 1}, {43 * day, false, 0}} {
		x := open(t, dir, later(step.at))
		if step.use {
			x.source(path, "package a")
			x.Close()
			x = open(t, dir, later(step.at))
		}
		if _, err := x.Prune(t.Context(), 0, 0); err != nil {
			t.Fatal(err)
		}
		if n := x.sources.len(); n != step.entries {
			t.Errorf("on day %v there are %d digests, want %d", step.at/day, n, step.entries)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	x := open(t, t.TempDir())
	if _, err := x.Source(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := x.Source(t.TempDir()); err == nil {
		t.Error("a directory has a digest")
	}
	x.source("/dev/null", "")
	if x.sources.len() != 0 {
		t.Error("the digest of a device is remembered")
	}
}
