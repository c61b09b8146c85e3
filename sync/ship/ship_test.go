package ship

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/badbubble/distgo/sync/store"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Files come as they are, with their modes, below the view; the second run asks for nothing.
func TestShip(t *testing.T) {
	from, s := t.TempDir(), open(t)
	paths := []string{filepath.Join(from, "a"), filepath.Join(from, "empty"), filepath.Join(from, "b", "tool")}
	if err := os.Mkdir(filepath.Dir(paths[2]), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"a file", "", "a program"} {
		if err := os.WriteFile(paths[i], []byte(text), 0o600|os.FileMode(i/2*0o100)); err != nil {
			t.Fatal(err)
		}
	}
	read := 0
	g := NewGiver(func(path string) (store.File, error) { read++; return open(t).Source(path) })
	for run := range 2 {
		view := t.TempDir()
		taker := NewTaker(s, view, false)
		files, err := g.List(paths)
		if err != nil {
			t.Fatal(err)
		}
		missing, err := taker.Missing(files)
		if err != nil || len(missing) != 3*(1-run) {
			t.Fatalf("run %d: %d are missing (%v)", run, len(missing), err)
		}
		err = g.Pack(missing, func(p Parcel) error {
			blob, err := p.Open()
			if err != nil {
				return err
			}
			return errors.Join(taker.Receive(p.Batch, blob), blob.Close())
		})
		if err = errors.Join(err, taker.Wait(t.Context(), files), taker.Lay(files)); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"a file", "", "a program"} {
			at := filepath.Join(view, paths[i])
			info, err := os.Stat(at)
			if got, rerr := os.ReadFile(at); errors.Join(err, rerr) != nil || string(got) != want || (info.Mode()&0o100 != 0) != (i == 2) {
				t.Errorf("run %d: %s is %q, %v (%v)", run, at, got, info, err)
			}
		}
	}
	if read != len(paths) {
		t.Errorf("root read %d files, not %d", read, len(paths))
	}
}

// What a peer sends against the rules is refused, and nothing is written outside the view.
func TestRules(t *testing.T) {
	sum := sha256.Sum256([]byte("x"))
	taker := NewTaker(open(t), t.TempDir(), false)
	for _, f := range []File{
		{Path: "/a/../../x", Digest: sum[:]}, {Path: "x", Digest: sum[:]}, {Path: "/", Digest: sum[:]}, {Path: "", Digest: sum[:]},
		{Path: "/a\x00b", Digest: sum[:]}, {Path: "/a/", Digest: sum[:]}, {Path: "/a", Digest: sum[:31]}, {Path: "/a", Digest: sum[:], Size: -1},
		{Path: "/a", Digest: sum[:], Size: 1 << 40},
	} {
		if _, err := taker.Missing([]File{f}); !errors.As(err, new(*ProtocolError)) {
			t.Errorf("%q, %d bytes: %v", f.Path, f.Size, err)
		}
	}
	for name, b := range map[string]Batch{
		"another content": {Digests: [][]byte{sum[:]}, Sizes: []int64{1}},
		"a short file":    {Digests: [][]byte{sum[:]}, Sizes: []int64{7}},
		"no size":         {Digests: [][]byte{sum[:]}},
		"a short digest":  {Digests: [][]byte{sum[:3]}, Sizes: []int64{1}},
		"2^40 bytes":      {Digests: [][]byte{sum[:]}, Sizes: []int64{1 << 40}, Packed: true},
		"a large packet":  {Digests: [][]byte{sum[:], sum[:]}, Sizes: []int64{maxPacked, maxPacked}, Packed: true},
	} {
		if err := taker.Receive(b, bytes.NewReader([]byte("y"))); !errors.As(err, new(*ProtocolError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := taker.Receive(Batch{Digests: [][]byte{sum[:]}, Sizes: []int64{1}, Packed: true}, bytes.NewReader([]byte("no zstd"))); err == nil {
		t.Error("what is not packed was unpacked")
	}
	g := NewGiver(open(t).Source)
	for _, d := range [][]byte{sum[:], sum[:5], nil} {
		if err := g.Pack([][]byte{d}, func(Parcel) error { return io.EOF }); !errors.As(err, new(*ProtocolError)) {
			t.Errorf("a file that was not listed, by a digest of %d bytes: %v", len(d), err)
		}
	}
}

// A file that lies under the same path here need not travel.
func TestLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("the same"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t)
	files, err := NewGiver(s.Source).List([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	for _, local := range []bool{true, false} {
		view := t.TempDir()
		taker := NewTaker(s, view, local)
		missing, err := taker.Missing(files)
		if err != nil || len(missing) == 0 != local {
			t.Errorf("local %v: %d are missing (%v)", local, len(missing), err)
		}
		if !local {
			continue
		}
		if err := taker.Lay(files); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(view, path)); err != nil || string(got) != "the same" {
			t.Errorf("laid out is %q (%v)", got, err)
		}
	}
}
