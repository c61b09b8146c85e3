package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A Witness sees every change that it should, and none that it should not.
func TestWitness(t *testing.T) {
	soon := time.Now().Add(time.Hour) // what was made here was there long before
	for what, c := range map[string]struct {
		change func(dir string) error
		seen   bool
	}{
		"nothing":                {func(string) error { return nil }, false},
		"content, time put back": {rewriteAsBefore, true},
		"a file of its own":      {func(dir string) error { return os.WriteFile(filepath.Join(dir, "made"), []byte("x"), 0o600) }, false},
		"one source more":        {func(dir string) error { return os.WriteFile(filepath.Join(dir, "b.go"), nil, 0o600) }, true},
		"a directory more":       {func(dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }, true},
		"a text more":            {func(dir string) error { return os.WriteFile(filepath.Join(dir, "b.txt"), nil, 0o600) }, false},
		"what git keeps":         {func(dir string) error { return os.Mkdir(filepath.Join(dir, ".git"), 0o700) }, false},
		"one source less":        {func(dir string) error { return os.Remove(filepath.Join(dir, "a.go")) }, true},
		"what was absent":        {func(dir string) error { return os.WriteFile(filepath.Join(dir, "go.work"), nil, 0o600) }, true},
		"what was not there":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, "vendor"), nil, 0o600) }, true},
		"one replaced by a like": {replace, true},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a"), 0o600); err != nil {
				t.Fatal(err)
			}
			w, err := Observe([]Sight{{
				Dir: dir, Names: map[string]bool{"a.go": true, "go.work": true}, Presence: map[string]bool{"vendor": true}, List: Sources,
			}}, soon, []string{filepath.Join(dir, "made")})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			if changed := w.Changed(); len(changed) > 0 != c.seen {
				t.Errorf("changed: %v", changed)
			}
			for _, likely := range []string{dir, filepath.Dir(dir), dir + "/elsewhere"} {
				if w.Holds(likely) == c.seen {
					t.Errorf("it holds, looked at below %s first: %v", likely, !c.seen)
				}
			}
		})
	}
}

// rewriteAsBefore changes a file and sets its modification time to what it was.
func rewriteAsBefore(dir string) error {
	path := filepath.Join(dir, "a.go")
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	for { // until the clock that the file system goes by has moved on
		if err := errors.Join(os.WriteFile(path, []byte("package b"), 0o600), os.Chtimes(path, time.Time{}, info.ModTime())); err != nil {
			return err
		}
		if now, err := os.Stat(path); err != nil || !changed(now).Equal(changed(info)) {
			return err
		}
	}
}

func replace(dir string) error {
	path := filepath.Join(dir, "a.go")
	if err := os.WriteFile(path+".new", []byte("package a"), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// What was changed while it was used is not remembered; what was changed just
// before is, by its content.
func TestWitnessIsNotTooEarly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.go")
	if err := os.WriteFile(path, []byte("package a"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, sight := range map[string]Sight{
		"a file":     {Dir: dir, Names: map[string]bool{"a.go": true}},
		"a presence": {Dir: dir, Presence: map[string]bool{"a.go": true}},
		"a listing":  {Dir: dir, List: All},
	} {
		var unsettled *UnsettledError
		if _, err := Observe([]Sight{sight}, changed(info).Add(-time.Second), nil); !errors.As(err, &unsettled) || unsettled.Path != path {
			t.Errorf("%s that has changed since: %v", what, err)
		}
	}
	w, err := Observe([]Sight{{Dir: dir, Names: map[string]bool{"a.go": true}}}, changed(info).Add(time.Second), nil)
	if err != nil || len(w.Changed()) > 0 {
		t.Fatal(err, w.Changed())
	}
	if err := os.WriteFile(path, []byte("package b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.Changed(), []string{path}) {
		t.Errorf("changed: %v", w.Changed())
	}
}
