package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// used makes a file look as if it was last used so long ago.
func (x *fixture) used(f File, ago time.Duration) {
	x.t.Helper()
	if err := os.Chtimes(x.path(f.Digest), time.Time{}, time.Now().Add(-ago)); err != nil {
		x.t.Fatal(err)
	}
}

const day = 24 * time.Hour

func TestPruneTakesWhatWasUsedLongestAgo(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	var keys []Key
	for i := range 10 {
		content := strings.Repeat(fmt.Sprint(i), 100)
		keys = append(keys, x.commit(content, content))
		x.used(x.put(content), time.Duration(10-i)*day)
	}
	x.Close()
	y := open(t, dir)
	if _, ok := y.Lookup(keys[2]); !ok { // which is a use
		t.Fatal("missed")
	}
	is, err := y.Prune(t.Context(), 350, 0)
	if want := (Pruned{Files: 7, Bytes: 700, Left: 300}); err != nil || is != want {
		t.Errorf("pruned %+v, %v, want %+v", is, err, want)
	}
	z := open(t, dir)
	for i, key := range keys {
		if i == 2 || i >= 8 {
			z.holds(key, strings.Repeat(fmt.Sprint(i), 100))
		} else {
			z.lacks(key, "what was pruned")
		}
	}
	if n := z.actions.len(); n != 3 {
		t.Errorf("%d entries are left, want 3", n)
	}
	z.named(0, "")
}

func TestPruneSparesWhatIsInUse(t *testing.T) {
	x := open(t, t.TempDir())
	old, recent := x.put("old"), x.put("recent")
	x.used(old, 3*time.Hour)
	if is, err := x.Prune(t.Context(), 0, spared); err != nil || is.Files != 1 || !x.Has(recent) || x.Has(old) {
		t.Errorf("pruned %+v, %v; want the old file gone", is, err)
	}
}

func TestWhatWasGotStays(t *testing.T) {
	x := open(t, t.TempDir())
	f := x.put("content")
	dst := filepath.Join(t.TempDir(), "dst")
	if err := x.Get(f, dst); err != nil {
		t.Fatal(err)
	}
	in, err := x.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if is, err := x.Prune(t.Context(), 0, 0); err != nil || is.Files != 1 {
		t.Fatalf("pruned %+v, %v", is, err)
	}
	if is := read(t, dst); is != "content" {
		t.Errorf("got %q", is)
	}
	if is, err := digest(in); err != nil || is != f {
		t.Errorf("open: %v, %v", is, err)
	}
}

func TestTidyKeepsTheStoreBelowItsSize(t *testing.T) {
	dir := t.TempDir()
	max := func(o *Options) { o.MaxBytes = 1000 }
	x := open(t, dir, max)
	if err := x.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		content := strings.Repeat(fmt.Sprintf("%02d", i), 50)
		x.commit(content, content)
		x.used(x.put(content), time.Duration(20-i)*day)
	}
	if err := errors.Join(x.Tidy(t.Context()), x.Close()); err != nil {
		t.Fatal(err)
	}
	y := open(t, dir, max)
	is, err := y.Stat(t.Context())
	if err != nil || is.Files != 9 || is.Bytes != 900 {
		t.Errorf("tidied to %+v, %v, want a tenth less than 1000 bytes", is, err)
	}
	counted := y.lastCount()
	if err := y.Tidy(t.Context()); err != nil || y.lastCount() != counted {
		t.Errorf("it was counted again without need, %v", err)
	}
	late := open(t, dir, max, func(o *Options) { o.now = func() time.Time { return time.Now().Add(8 * day) } })
	if err := late.Tidy(t.Context()); err != nil || !late.lastCount().at.After(counted.at) {
		t.Errorf("after a week it was not counted, %v", err)
	}
}

func TestTidySweepsLeftovers(t *testing.T) {
	x := open(t, t.TempDir())
	old, fresh := writeFile(t, x.temp(), "left by a killed run"), writeFile(t, x.temp(), "being written")
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*day)); err != nil {
		t.Fatal(err)
	}
	if err := x.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v, want it gone", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what is being written: %v", err)
	}
}

func TestTidyIsDoneByOne(t *testing.T) {
	x := open(t, t.TempDir())
	lock, err := os.Create(filepath.Join(x.Dir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := tryLock(lock); !got {
		t.Skip("no locks on this file system")
	}
	if err := x.Tidy(t.Context()); err != nil || x.lastCount() != (count{}) {
		t.Errorf("tidied although another run does, %v", err)
	}
	lock.Close()
	if err := x.Tidy(t.Context()); err != nil || x.lastCount() == (count{}) {
		t.Errorf("not tidied, %v", err)
	}
}

func TestDamagedCountIsNoCount(t *testing.T) {
	x := open(t, t.TempDir())
	for _, text := range []string{"", "x", "1", "1 x", "1 -1", "99999999999999999999 1"} {
		writeFile(t, filepath.Join(x.Dir(), "pruned"), text)
		if is := x.lastCount(); is != (count{}) {
			t.Errorf("%q is the count %v", text, is)
		}
	}
}
