package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// ways to get at a file, each of which must find that it is damaged
var ways = map[string]func(s *Store, f File, dst string) error{
	"get":  (*Store).Get,
	"copy": func(s *Store, f File, dst string) error { return s.Copy(f, dst, 0o644) },
	"open": func(s *Store, f File, _ string) error {
		in, err := s.Open(f)
		if err == nil {
			in.Close()
		}
		return err
	},
}

func TestDamagedFileIsRemovedAndNamedOnce(t *testing.T) {
	for how, damage := range map[string]func([]byte) []byte{
		"flipped":   flip(3),
		"truncated": func(b []byte) []byte { return b[:2] },
		"emptied":   func([]byte) []byte { return nil },
		"grown":     func(b []byte) []byte { return append(b, 'x') },
	} {
		for way, use := range ways {
			t.Run(how+" "+way, func(t *testing.T) {
				dir := t.TempDir()
				x := open(t, dir)
				key := x.commit("p", "content")
				f := x.put("content")
				damageFile(t, x.path(f.Digest), damage)
				dst := filepath.Join(t.TempDir(), "dst")
				for range 2 {
					if err := use(x.Store, f, dst); !errors.Is(err, ErrAbsent) {
						t.Errorf("error %v, want ErrAbsent", err)
					}
				}
				x.named(1, f.Digest.String())
				left, _ := os.ReadDir(filepath.Dir(dst))
				if len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				x.lacks(key, "an action whose output is damaged")
				x.commit("p", "content") // it is executed again
				x.holds(key, "content")
				y := open(t, dir)
				y.holds(key, "content")
				y.named(0, "")
			})
		}
	}
}

func TestDamageAfterVerificationIsFound(t *testing.T) {
	x := open(t, t.TempDir())
	f := x.put("content")
	dst := filepath.Join(t.TempDir(), "dst")
	if err := x.Get(f, dst); err != nil {
		t.Fatal(err)
	}
	damageFile(t, x.path(f.Digest), flip(0))
	// The clock may not have ticked since.
	if err := os.Chtimes(x.path(f.Digest), time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := x.Get(f, dst); !errors.Is(err, ErrAbsent) {
		t.Errorf("error %v, want ErrAbsent", err)
	}
	x.named(1, f.Digest.String())
}

// TestTruncatedFileIsAMiss: an entry is not offered when a file's size is wrong.
func TestTruncatedFileIsAMiss(t *testing.T) {
	x := open(t, t.TempDir())
	key := x.commit("p", "content")
	f := x.put("content")
	damageFile(t, x.path(f.Digest), func(b []byte) []byte { return b[:1] })
	x.lacks(key, "a truncated file")
	x.named(1, f.Digest.String())
	x.put("content")
	x.holds(key, "content")
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	good, bad, gone := x.commit("good", "good"), x.commit("bad", "bad"), x.commit("gone", "gone")
	x.Close()
	damageFile(t, x.path(x.put("bad").Digest), flip(0))
	os.Remove(x.path(x.put("gone").Digest))
	y := open(t, dir)
	for i, want := range []Verified{{Files: 2, Bytes: 7, Damaged: 1, Incomplete: 2}, {Files: 1, Bytes: 4}} {
		is, err := y.Verify(t.Context())
		if err != nil || is != want {
			t.Errorf("%d: %+v, %v, want %+v", i, is, err, want)
		}
	}
	y.named(1, "another digest")
	y.holds(good, "good")
	y.lacks(bad, "a damaged file")
	y.lacks(gone, "a file that is gone")
	if n := y.actions.len(); n != 1 {
		t.Errorf("%d entries are left, want 1", n)
	}
}

func TestArchive(t *testing.T) {
	x := open(t, t.TempDir())
	var keys []Key
	for i := range 20 {
		keys = append(keys, x.commit(fmt.Sprint("std/", i), fmt.Sprint("content ", i/2))) // two share a file
	}
	other := x.commit("main", "main")
	lost := x.commit("std/lost", "lost")
	os.Remove(x.path(x.put("lost").Digest))
	var archive bytes.Buffer
	std := func(_ Key, e Entry) bool { return e.Name != "main" }
	is, err := x.Export(t.Context(), &archive, std)
	if want := (Archived{Entries: 20, Files: 10, Bytes: 90, Skipped: 1}); err != nil || is != want {
		t.Fatalf("exported %+v, %v, want %+v", is, err, want)
	}
	var again bytes.Buffer
	if _, err := x.Export(t.Context(), &again, std); err != nil || !bytes.Equal(archive.Bytes(), again.Bytes()) {
		t.Error("the same entries make another archive")
	}

	dir := t.TempDir()
	y := open(t, dir)
	is, err = y.Import(t.Context(), bytes.NewReader(archive.Bytes()))
	if want := (Archived{Entries: 20, Files: 10, Bytes: 90}); err != nil || is != want {
		t.Errorf("imported %+v, %v, want %+v", is, err, want)
	}
	y.Close()
	z := open(t, dir)
	for i, key := range keys {
		z.holds(key, fmt.Sprint("content ", i/2))
	}
	z.lacks(other, "what was not wanted")
	z.lacks(lost, "what was not there")
}

func TestDamagedArchive(t *testing.T) {
	x := open(t, t.TempDir())
	key := x.commit("p", "content")
	var archive bytes.Buffer
	if _, err := x.Export(t.Context(), &archive, func(Key, Entry) bool { return true }); err != nil {
		t.Fatal(err)
	}
	whole := archive.Bytes()
	for n := 0; n < len(whole); n += 7 { // a store each is much work
		y := open(t, t.TempDir())
		if _, err := y.Import(t.Context(), bytes.NewReader(whole[:n])); err == nil {
			if _, ok := y.Lookup(key); !ok {
				t.Fatalf("no error over %d bytes of %d", n, len(whole))
			}
		} else {
			y.lacks(key, "an archive that was cut short")
		}
		y.Close()
	}
	for at := 0; at < len(whole); at += 5 {
		y := open(t, t.TempDir())
		_, _ = y.Import(t.Context(), bytes.NewReader(flip(at)(bytes.Clone(whole))))
		if e, ok := y.Lookup(key); ok {
			y.holds(key, "content")
			if e.Name != "p" {
				t.Fatalf("byte %d flipped: imported %+v", at, e)
			}
		}
		y.Close()
	}
	if _, err := x.Import(t.Context(), bytes.NewReader([]byte("no archive"))); err == nil {
		t.Error("no error over what is no archive")
	}
}
