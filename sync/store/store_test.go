package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fixture is a store and what it said was damaged.
type fixture struct {
	*Store
	t *testing.T

	mu     sync.Mutex
	damage []Damage // guarded by mu
}

func open(t *testing.T, dir string, change ...func(*Options)) *fixture {
	t.Helper()
	x := &fixture{t: t}
	o := Options{Dir: dir, Damaged: func(d Damage) {
		x.mu.Lock()
		x.damage = append(x.damage, d)
		x.mu.Unlock()
	}}
	for _, f := range change {
		f(&o)
	}
	var err error
	if x.Store, err = Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// named fails the test unless exactly so many damages were named, and all with
// a part of some text.
func (x *fixture) named(n int, part string) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range x.damage {
		if !strings.Contains(d.String(), part) {
			x.t.Errorf("%q says nothing of %q", d, part)
		}
	}
	if len(x.damage) != n {
		x.t.Errorf("named %d damages %v, want %d", len(x.damage), x.damage, n)
	}
}

func (x *fixture) put(content string) File {
	x.t.Helper()
	f, err := x.PutReader(strings.NewReader(content))
	if err != nil {
		x.t.Fatal(err)
	}
	return f
}

// commit enters an action with one output.
func (x *fixture) commit(name, content string) Key {
	x.t.Helper()
	key := NewKey("test").Strings("name", name).Sum()
	if err := x.Commit(key, Entry{Name: name, Outputs: []Output{{"out", x.put(content)}}, CPU: time.Second}); err != nil {
		x.t.Fatal(err)
	}
	return key
}

// holds fails the test unless an entry's output is to be had with its content.
func (x *fixture) holds(key Key, content string) {
	x.t.Helper()
	e, ok := x.Lookup(key)
	if !ok {
		x.t.Errorf("no entry for %q", content)
		return
	}
	dst := filepath.Join(x.t.TempDir(), "out")
	if err := x.Get(e.Outputs[0].File, dst); err != nil {
		x.t.Error(err)
	} else if is := read(x.t, dst); is != content {
		x.t.Errorf("got %q, want %q", is, content)
	}
}

func (x *fixture) lacks(key Key, what string) {
	x.t.Helper()
	if _, ok := x.Lookup(key); ok {
		x.t.Errorf("there is an entry for %s, want none", what)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// damageFile changes what a read-only file holds.
func damageFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b := change([]byte(read(t, path)))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(b))
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 4; return b }
}

func TestPutAndGet(t *testing.T) {
	x := open(t, filepath.Join(t.TempDir(), "store"))
	dir := t.TempDir()
	const content = "export data"
	src := writeFile(t, filepath.Join(dir, "src"), content)
	f, err := x.Put(src)
	if err != nil {
		t.Fatal(err)
	}
	if want := (File{sha256.Sum256([]byte(content)), int64(len(content))}); f != want {
		t.Errorf("put %v, want %v", f, want)
	}
	if !x.Has(f) {
		t.Error("what was put is not there")
	}
	dst := writeFile(t, filepath.Join(dir, "dst"), "something else")
	for range 2 { // the second is not hashed, and replaces the same file
		if err := x.Get(f, dst); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, dst) != content {
		t.Errorf("got %q", read(t, dst))
	}
	a, _ := os.Stat(src)
	b, _ := os.Stat(dst)
	if !os.SameFile(a, b) {
		t.Error("on one file system, put and get made a copy")
	}
	if a.Mode().Perm()&0o222 != 0 {
		t.Errorf("what was put has mode %v, want it read-only", a.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(x.Dir(), "tmp", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	x.named(0, "")
}

func TestCopiesAreIndependent(t *testing.T) {
	x := open(t, t.TempDir())
	dir := t.TempDir()
	src := writeFile(t, filepath.Join(dir, "src"), "program")
	f, err := x.Put(src)
	if err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(dir, "dst")
	for range 2 { // hashed on the way, and not
		if err := x.Copy(f, dst, 0o755); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dst)
		if err != nil || info.Mode().Perm()&0o700 != 0o700 {
			t.Errorf("copy has mode %v, %v", info.Mode(), err)
		}
		writeFile(t, dst, "changed")
	}
	in, err := x.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(in); err != nil || b.String() != "program" {
		t.Errorf("the store's file is %q, %v", b.String(), err)
	}
}

func TestAbsent(t *testing.T) {
	x := open(t, t.TempDir())
	f := File{sha256.Sum256(nil), 0}
	dst := filepath.Join(t.TempDir(), "dst")
	_, err := x.Open(f)
	for _, err := range []error{err, x.Get(f, dst), x.Copy(f, dst, 0o644), x.Commit(Key{}, Entry{Outputs: []Output{{"x", f}}})} {
		if !errors.Is(err, ErrAbsent) {
			t.Errorf("error %v, want ErrAbsent", err)
		}
	}
	if _, err := os.Stat(dst); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	if _, err := x.Put(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put what is not there: %v", err)
	}
}

func TestPutKnownOfAnotherFileSystem(t *testing.T) {
	const shm = "/dev/shm"
	dir, err := os.MkdirTemp(shm, "store-test-")
	if err != nil {
		t.Skip("no second file system:", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	x := open(t, t.TempDir())
	src := writeFile(t, filepath.Join(dir, "src"), "content")
	f := File{sha256.Sum256([]byte("content")), 7}
	if err := x.PutKnown(src, f); err != nil {
		t.Fatal(err)
	}
	if err := x.Get(f, filepath.Join(dir, "dst")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "dst")); got != "content" {
		t.Errorf("got %q", got)
	}
	if err := x.PutKnown(src, File{sha256.Sum256([]byte("others")), 7}); err == nil {
		t.Error("a file of another digest was taken")
	}
}

func TestEntriesOutliveTheRun(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	want := Entry{Name: "net/http", Text: "# net/http\nwarning", CPU: 3 * time.Second, Wall: time.Second,
		Outputs: []Output{{"x", x.put("export")}, {"a", x.put("object")}, {"empty", x.put("")}}}
	key := NewKey("compile").Strings("args", "-p", "net/http").Sum()
	if err := x.Commit(key, want); err != nil {
		t.Fatal(err)
	}
	both := open(t, dir) // while the other still runs
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"a concurrent run": both.Store, "the next run": open(t, dir).Store} {
		is, ok := s.Lookup(key)
		if !ok || fmt.Sprint(is) != fmt.Sprint(want) {
			t.Errorf("%s has %v, %v, want %v", name, is, ok, want)
		}
	}
	if _, ok := both.Lookup(NewKey("compile").Sum()); ok {
		t.Error("there is an entry that nobody made")
	}
}

func TestLatestEntryCounts(t *testing.T) {
	dir := t.TempDir()
	x, y := open(t, dir), open(t, dir)
	x.commit("p", "old")
	key := y.commit("p", "new")
	y.holds(key, "new")
	z := open(t, dir)
	z.holds(key, "new")
}

func TestIDIsTheStores(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	if y := open(t, dir); x.ID() == "" || x.ID() != y.ID() {
		t.Errorf("one store has the IDs %q and %q", x.ID(), y.ID())
	}
	if y := open(t, t.TempDir()); x.ID() == y.ID() {
		t.Errorf("two stores have the ID %q", x.ID())
	}
	writeFile(t, filepath.Join(dir, "id"), "")
	if y := open(t, dir); y.ID() == "" {
		t.Error("a store whose ID was truncated gets none")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "file"), "")
	everyones := filepath.Join(dir, "everyones")
	if err := errors.Join(os.Mkdir(everyones, 0o777), os.Chmod(everyones, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", "relative", file, everyones} {
		var usage *UsageError
		if _, err := Open(Options{Dir: dir}); !errors.As(err, &usage) {
			t.Errorf("%q: error %v, want a *UsageError", dir, err)
		}
	}
	private := filepath.Join(dir, "a", "b")
	open(t, private)
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a new store has mode %v, %v", info.Mode(), err)
	}
}

func TestDefaultDir(t *testing.T) {
	for _, test := range []struct{ xdg, home, want string }{
		{"/xdg", "/home/u", "/xdg/distgo"},
		{"", "/home/u", "/home/u/.cache/distgo"},
		{"relative", "/home/u", "/home/u/.cache/distgo"},
		{"", "", ""},
	} {
		is, err := DefaultDir(func(name string) string {
			return map[string]string{"XDG_CACHE_HOME": test.xdg, "HOME": test.home}[name]
		})
		if is != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v", test, is, err)
		}
	}
}
