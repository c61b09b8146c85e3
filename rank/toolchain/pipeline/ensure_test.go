package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a maker that writes a small file in place of a compiler.
type counted struct {
	made atomic.Int32
	fail error
}

func (m *counted) make(_ context.Context, dir string) (Compiler, error) {
	m.made.Add(1)
	if m.fail != nil {
		return Compiler{}, m.fail
	}
	path := filepath.Join(dir, "made")
	if err := os.WriteFile(path, []byte("a compiler"), 0o777); err != nil {
		return Compiler{}, err
	}
	return open(path, TypesEnv)
}

func (m *counted) ensure(t *testing.T, goCmd Go, store string) (Compiler, error) {
	return ensure(t.Context(), goCmd, store, func(string) {}, m.make)
}

// only tells the one entry of store with a suffix.
func only(t *testing.T, store, suffix string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(store, "*"+suffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("entries *%s: %v, %v", suffix, names, err)
	}
	return names[0]
}

func TestEnsureMakesOnce(t *testing.T) {
	goCmd, store := fakeRoot(t), filepath.Join(t.TempDir(), "a", "b")
	var m counted
	var wg sync.WaitGroup
	got := make([]Compiler, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = m.ensure(t, goCmd, store); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := m.made.Load(); n != 1 {
		t.Errorf("made %d times by %d callers at once", n, len(got))
	}
	for _, c := range got {
		if c != got[0] || c.Path == "" || c.Signal != SignalEnv || c.Types != TypesEnv {
			t.Errorf("%+v beside %+v", c, got[0])
		}
	}
	if _, err := os.Stat(filepath.Join(store, filepath.Base(filepath.Dir(got[0].Path))+partSuffix)); err == nil {
		t.Error("the maker's directory was left behind")
	}
}

func TestEnsureMakesAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, goCmd *Go, c Compiler)
		want   int32
	}{
		{"nothing changed", func(*testing.T, *Go, Compiler) {}, 1},
		{"unrelated environment", func(_ *testing.T, g *Go, _ Compiler) { g.Env = []string{"GOFLAGS=-x", "CC=cc"} }, 1},
		{"damaged", func(t *testing.T, _ *Go, c Compiler) { write(t, c.Path, "a compiler.") }, 2},
		{"gone", func(t *testing.T, _ *Go, c Compiler) { os.Remove(c.Path) }, 2},
		{"other compiler", func(t *testing.T, g *Go, _ Compiler) { write(t, filepath.Join(g.Root, stockCompiler()), "patched") }, 2},
		{"other version", func(t *testing.T, g *Go, _ Compiler) { write(t, filepath.Join(g.Root, "VERSION"), "go1.26.8-acme\n") }, 2},
		{"other experiment", func(_ *testing.T, g *Go, _ Compiler) { g.Env = []string{"GOEXPERIMENT=nodwarf5"} }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			goCmd, store := fakeRoot(t), t.TempDir()
			goCmd.Env = []string{}
			var m counted
			c, err := m.ensure(t, goCmd, store)
			if err != nil {
				t.Fatal(err)
			}
			test.change(t, &goCmd, c)
			c, err = m.ensure(t, goCmd, store)
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile(c.Path); string(text) != "a compiler" {
				t.Errorf("the compiler is %q", text)
			}
			if n := m.made.Load(); n != test.want {
				t.Errorf("made %d times, want %d", n, test.want)
			}
		})
	}
}

// TestUntouchedIsNotRead sees the compiler taken for whole by what it looks like, once
// it has been read, and read again when it is another: of the same size, or put in
// its place.
func TestUntouchedIsNotRead(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"written": func(t *testing.T, path string) { write(t, path, "a compileR") },
		"replaced": func(t *testing.T, path string) {
			write(t, path+"-", "a compileR")
			if err := os.Rename(path+"-", path); err != nil {
				t.Fatal(err)
			}
		},
		"other digest": func(t *testing.T, path string) {
			write(t, filepath.Join(filepath.Dir(path), digestFile), strings.Repeat("0", 64))
		},
	} {
		t.Run(name, func(t *testing.T) {
			goCmd, store := fakeRoot(t), t.TempDir()
			var m counted
			c, err := m.ensure(t, goCmd, store)
			if err != nil {
				t.Fatal(err)
			}
			k := kept{path: filepath.Dir(c.Path)}
			made, err := os.Stat(c.Path)
			if err != nil || !k.compare(c.Digest, made.ModTime()) || k.untouched() {
				t.Fatal("a file that young may change unseen", err)
			}
			if later := time.Now().Add(time.Minute); k.compare("another", later) || k.untouched() {
				t.Fatal("another digest than it has is remembered")
			} else if !k.compare(c.Digest, later) || !k.untouched() {
				t.Fatal("it is read each time")
			}
			if moved := (kept{path: k.path + "-moved"}); os.Rename(k.path, moved.path) != nil || !moved.untouched() || os.Rename(moved.path, k.path) != nil {
				t.Error("by another name it is read again")
			}
			change(t, c.Path)
			if k.untouched() {
				t.Error("taken for what it was")
			}
			if c, err = m.ensure(t, goCmd, store); err != nil || m.made.Load() != 2 {
				t.Errorf("made %d times: %v", m.made.Load(), err)
			}
		})
	}
}

// What another node gives is kept as if it had been made here, and takes the place of nothing that is whole.
func TestKeep(t *testing.T) {
	goCmd, store := fakeRoot(t), filepath.Join(t.TempDir(), "a", "b")
	if c, ok := Find(goCmd, store); ok {
		t.Fatalf("%+v was found where there is none", c)
	}
	path := filepath.Join(t.TempDir(), "given")
	write(t, path, "a compiler")
	given, err := open(path, TypesEnv)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		if err := Keep(goCmd, store, given); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		c, ok := Find(goCmd, store)
		if text, _ := os.ReadFile(c.Path); !ok || c.Digest != given.Digest || c.Types != TypesEnv || string(text) != "a compiler" {
			t.Errorf("%s: %v, %+v, %q", what, ok, c, text)
		}
		if info, err := os.Stat(c.Path); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("%s: it is no program: %v", what, err)
		}
	}
	check("none there")
	m := counted{}
	if c, err := m.ensure(t, goCmd, store); err != nil || c.Digest != given.Digest || m.made.Load() != 0 {
		t.Errorf("made %d times: %+v, %v", m.made.Load(), c, err)
	}
	damaged, _ := Find(goCmd, store)
	if err := os.WriteFile(damaged.Path, []byte("something else"), 0o777); err != nil {
		t.Fatal(err)
	}
	check("a damaged one there")

	other := given
	other.Digest = strings.Repeat("0", len(given.Digest))
	os.RemoveAll(filepath.Dir(damaged.Path))
	if err := Keep(goCmd, store, other); err == nil {
		t.Error("a compiler of another digest was kept")
	}
	if c, ok := Find(goCmd, store); ok {
		t.Errorf("%+v was found", c)
	}

	maker := kept{path: strings.TrimSuffix(only(t, store, lockSuffix), lockSuffix)}
	unlock, err := maker.lock(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := Keep(goCmd, store, given); err != nil { // at once
		t.Errorf("while somebody makes one: %v", err)
	}
	if c, ok := Find(goCmd, store); ok {
		t.Errorf("%+v was found", c)
	}
}

func TestEnsureAfterKilledMaker(t *testing.T) {
	goCmd, store := fakeRoot(t), t.TempDir()
	id, _, err := identity(goCmd)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(store, id+partSuffix, "keep", compilerFile), "half")
	var m counted
	if _, err := m.ensure(t, goCmd, store); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(store, id+partSuffix)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the killed maker's directory: %v", err)
	}
}

func TestEnsureRemembersRefusal(t *testing.T) {
	goCmd, store := fakeRoot(t), t.TempDir()
	m := counted{fail: &Difference{"differs\nin two lines"}}
	_, first := m.ensure(t, goCmd, store)
	_, second := m.ensure(t, goCmd, store)
	want := "pipelined compiler: " + goCmd.Version + ": the probe program differs; using the stock compiler"
	for _, err := range []error{first, second} {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var difference *Difference
	if !errors.As(first, &difference) {
		t.Errorf("%#v hides its cause", first)
	}
	if n := m.made.Load(); n != 1 {
		t.Errorf("tried %d times", n)
	}

	old := time.Now().Add(-retryAfter - time.Minute)
	if err := os.Chtimes(only(t, store, refusedSuffix), old, old); err != nil {
		t.Fatal(err)
	}
	m.fail = nil
	if _, err := m.ensure(t, goCmd, store); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

func TestEnsureEndsOnContext(t *testing.T) {
	goCmd, store := fakeRoot(t), t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("enough")
	waits := func(string) { cancel(mine) } // told once it waits for the lock
	var inner error
	_, err := ensure(t.Context(), goCmd, store, func(string) {}, func(context.Context, string) (Compiler, error) {
		_, inner = ensure(ctx, goCmd, store, waits, nil)
		return Compiler{}, context.Canceled
	})
	if inner != mine {
		t.Errorf("the waiter ended with %v", inner)
	}
	if err == nil || !strings.Contains(err.Error(), "using the stock compiler") {
		t.Errorf("the maker ended with %v", err)
	}

	ended, cancel2 := context.WithCancel(t.Context())
	store = t.TempDir()
	_, err = ensure(ended, goCmd, store, func(string) {}, func(ctx context.Context, _ string) (Compiler, error) {
		cancel2()
		return Compiler{}, ctx.Err()
	})
	if err != context.Canceled {
		t.Errorf("a cancelled maker ended with %v", err)
	}
	if refused, _ := filepath.Glob(filepath.Join(store, "*"+refusedSuffix)); len(refused) != 0 {
		t.Error("a cancelled maker counts as a refusal")
	}
}
