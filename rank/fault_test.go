package rank

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wrapped lets each command of a world pass a script, which gets the command line and the environment DIR, a directory
// of the world's.
func wrapped(t *testing.T, w *wholeWorld, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "wrap")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nDIR="+dir+"\n"+script+"\nexec \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.change = func(cfg *Config) { cfg.All, cfg.Wrap = true, []string{path} }
	return dir
}

// A tool that is killed is tried again, on another rank; the second time, or when the tool has words against the code, it
// is the end.
func TestToolKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime")
	}
	const compilesRuntime = `case "$*" in *" -p runtime "*) `
	for name, c := range map[string]struct {
		script string
		code   int
		says   []string
		silent []string
	}{
		"once": {compilesRuntime + `mkdir $DIR/once 2>/dev/null && kill -9 $$;; esac`, ExitBuilt,
			[]string{"a tool compiling runtime was ended by a signal (killed)", "it is tried again"}, []string{"going on without"}},
		"always": {compilesRuntime + `kill -SEGV $$;; esac`, ExitWorld,
			[]string{"segmentation fault", "it was tried before, on rank "}, nil},
		"a compile error": {compilesRuntime + `echo "x.go:1: no" >&2; exit 1;; esac`, ExitNotBuilt,
			[]string{"x.go:1: no"}, []string{"tried"}},
		"lack of disk, on one rank": {`case "$*" in *-1-??????????/b*) echo "compile: writing output: write x: no space left on device" >&2; exit 1;; esac`, ExitBuilt,
			[]string{"no space left on device", "going on without rank 1 ", "it could not execute 2 actions"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWholeWorld(t, 3, tiny)
			wrapped(t, w, c.script)
			errs := w.run(t.Context(), t)
			said := w.words.String()
			for r, err := range errs {
				var e *Error
				if errors.As(err, &e) && !e.Silent {
					said += Sentence(e, e.Code) + "\n"
				}
				if r == 0 && (c.code == ExitBuilt) != (err == nil) || err != nil && r == 0 && (!errors.As(err, &e) || e.Code != c.code) {
					t.Errorf("rank %d: %v, expected exit code %d", r, err, c.code)
				}
			}
			for _, words := range c.says {
				if !strings.Contains(said, words) {
					t.Errorf("it does not say %q:\n%s", words, said)
				}
			}
			for _, words := range c.silent {
				if strings.Contains(said, words) {
					t.Errorf("it says %q:\n%s", words, said)
				}
			}
			t.Log(said)
		})
	}
}
