package exchange

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// files is the plan, as an exchange sees it.
var files = []File{
	{0, "b001/_pkg_.x", transport.Express},
	{1, "b001/_pkg_.a", transport.Bulk},
	{2, "b002/sub/dir/_cgo_export.h", transport.Express},
}

func lookup(id int32) (File, bool) {
	if id < 0 || int(id) >= len(files) {
		return File{}, false
	}
	return files[id], true
}

// end is a rank with an exchange: what arrives there, and what goes wrong.
type end struct {
	*Exchange
	dir     string
	world   *transport.World
	arrived chan int32
	failed  chan error
	lost    chan error
}

func (e *end) Receive(from transport.Rank, f transport.Frame) error {
	id, err := e.Exchange.Receive(f)
	if err != nil {
		e.failed <- err
		return err
	}
	e.arrived <- id
	return nil
}

func (e *end) Lost(_ transport.Rank, cause error) { e.lost <- cause }

func newEnds(t *testing.T, size int, faults ...*transporttest.Fault) []*end {
	t.Helper()
	ends := make([]*end, size)
	for i, w := range transporttest.NewWorld(t, size, transporttest.WithFaults(faults...)) {
		e := &end{dir: t.TempDir(), world: w, arrived: make(chan int32, 16), failed: make(chan error, 16), lost: make(chan error, 16)}
		e.Exchange = New(w, e.dir, lookup)
		w.Start(e)
		ends[i] = e
	}
	return ends
}

// make leaves a file in its place, as an action does.
func (e *end) make(t *testing.T, f File, content []byte) {
	t.Helper()
	path := filepath.Join(e.dir, f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits for a file to arrive and compares it.
func (e *end) await(t *testing.T, f File, content []byte) {
	t.Helper()
	select {
	case id := <-e.arrived:
		if id != f.ID {
			t.Fatalf("file %d arrived, expected %d", id, f.ID)
		}
	case err := <-e.failed:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatalf("%s does not arrive", f.Path)
	}
	if got, err := os.ReadFile(filepath.Join(e.dir, f.Path)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s arrived as %.40q of %d bytes, expected %d (%v)", f.Path, got, len(got), len(content), err)
	}
	if d, ok := e.Digest(f); !ok || d != sha256.Sum256(content) {
		t.Errorf("%s has digest %s, known %v", f.Path, d, ok)
	}
	if n, err := e.Size(f); err != nil || n != int64(len(content)) {
		t.Errorf("%s has %d bytes, expected %d (%v)", f.Path, n, len(content), err)
	}
}

// tidy checks that nothing half-received is left.
func (e *end) tidy(t *testing.T) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(e.dir, "*", ".part-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What one rank makes, all others get, whatever its size.
func TestPut(t *testing.T) {
	for _, size := range []int{2, 3, 5} {
		ends := newEnds(t, size)
		for n, content := range [][]byte{[]byte("export data"), nil, bytes.Repeat([]byte("large "), 1<<20)} {
			f, from := files[n], ends[n%size]
			from.make(t, f, content)
			if n == 0 {
				if err := from.Offer(f); err != nil { // else Put does it
					t.Fatal(err)
				}
			}
			for to, e := range ends {
				if e == from {
					continue
				}
				if err := from.Put(transport.Rank(to), f); err != nil {
					t.Fatal(err)
				}
				e.await(t, f, content)
				e.tidy(t)
			}
		}
	}
}

// A rank that received a file can put it to others without reading it.
func TestPutOn(t *testing.T) {
	ends := newEnds(t, 3)
	f, content := files[1], []byte("an object")
	ends[0].make(t, f, content)
	if err := ends[0].Put(1, f); err != nil {
		t.Fatal(err)
	}
	ends[1].await(t, f, content)
	if err := ends[1].Put(2, f); err != nil {
		t.Fatal(err)
	}
	ends[2].await(t, f, content)
}

// What a store gave is put without being digested; who receives it finds out if the digest was wrong.
func TestKnown(t *testing.T) {
	ends := newEnds(t, 2)
	f, content := files[0], []byte("from the store")
	ends[0].make(t, f, content)
	ends[0].Known(f, sha256.Sum256(content), int64(len(content)))
	if err := ends[0].Put(1, f); err != nil {
		t.Fatal(err)
	}
	ends[1].await(t, f, content)

	g := files[1]
	ends[0].make(t, g, content)
	ends[0].Known(g, sha256.Sum256([]byte("something else")), int64(len(content)))
	if err := ends[0].Put(1, g); err != nil {
		t.Fatal(err)
	}
	ends[1].refuses(t, g, "the digests differ")
}

// refuses waits for a file to be refused, and looks for what is left of it.
func (e *end) refuses(t *testing.T, f File, says string) {
	t.Helper()
	select {
	case id := <-e.arrived:
		t.Fatalf("file %d arrived", id)
	case err := <-e.failed:
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected words of %q", err, says)
		}
	case <-time.After(patience):
		t.Fatal("nothing happens")
	}
	if _, err := os.Stat(filepath.Join(e.dir, f.Path)); err == nil {
		t.Errorf("%s is there", f.Path)
	}
	if _, ok := e.Digest(f); ok {
		t.Errorf("%s has a digest", f.Path)
	}
	e.tidy(t)
	<-e.world.Done()
	if err := e.world.Err(); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("the world ended with %v", err)
	}
}

// A byte that changes on its way is found; the world ends, and says which file it was.
func TestDamagedOnTheWay(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1000)
	flip := transporttest.Flip(transporttest.Point{From: 0, To: 1, Kind: KindPut, Offset: transport.HeaderSize + 500}, 0x10)
	ends := newEnds(t, 2, flip)
	ends[0].make(t, files[0], content)
	if err := ends[0].Put(1, files[0]); err != nil {
		t.Fatal(err)
	}
	ends[1].refuses(t, files[0], "receiving b001/_pkg_.x: its 1000 bytes are not those that were sent")
	if flip.Fired() != 1 {
		t.Errorf("the fault struck %d times", flip.Fired())
	}
}

// A connection that is cut in the middle of a file leaves nothing of it.
func TestCutOnTheWay(t *testing.T) {
	cut := transporttest.Cut(transporttest.Point{From: 0, To: 1, Kind: KindPut, Offset: transport.HeaderSize + 100_000})
	ends := newEnds(t, 2, cut)
	ends[0].make(t, files[1], bytes.Repeat([]byte("x"), 1<<20))
	if err := ends[0].Put(1, files[1]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ends[1].arrived:
		t.Fatal("half a file arrived")
	case <-ends[1].lost: // after the last Receive, if the reset left anything to receive
	case <-time.After(patience):
		t.Fatal("nothing happens")
	}
	select {
	case err := <-ends[1].failed:
		if !strings.Contains(err.Error(), "receiving b001/_pkg_.a") {
			t.Error(err)
		}
	default:
	}
	if _, err := os.Stat(filepath.Join(ends[1].dir, files[1].Path)); err == nil || cut.Fired() != 1 {
		t.Errorf("the file is there: %v; the fault struck %d times", err == nil, cut.Fired())
	}
	ends[1].tidy(t)
}

// A second copy changes nothing, be it the same or not.
func TestSecondCopy(t *testing.T) {
	ends := newEnds(t, 3)
	f, first := files[0], []byte("the first")
	ends[0].make(t, f, first)
	ends[2].make(t, f, []byte("another"))
	if err := ends[0].Put(1, f); err != nil {
		t.Fatal(err)
	}
	ends[1].await(t, f, first)
	for _, from := range []*end{ends[0], ends[2]} {
		if err := from.Put(1, f); err != nil {
			t.Fatal(err)
		}
		ends[1].await(t, f, first)
	}
	// What this rank made itself is not replaced either.
	if err := ends[0].Put(2, f); err != nil {
		t.Fatal(err)
	}
	ends[2].await(t, f, []byte("another"))
}

// Only what is in the plan is received, under the name it has there.
// Of copies that come side by side, as after a loss, one is put in its place; whoever is told that the file is here
// finds it, and it stays the same file.
func TestCopiesSideBySide(t *testing.T) {
	for range 200 {
		dir := t.TempDir()
		x := New(nil, dir, lookup)
		path := filepath.Join(dir, files[0].Path)
		seen := make(chan os.FileInfo)
		begin := make(chan struct{})
		for range 4 {
			go func() {
				<-begin
				err := x.Supply(files[0], Digest{1}, 1, func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) })
				info, serr := os.Stat(path)
				if err := errors.Join(err, serr); err != nil {
					t.Error(err)
				}
				seen <- info
			}()
		}
		close(begin)
		first := <-seen
		for range 3 {
			if next := <-seen; first != nil && next != nil && !os.SameFile(first, next) {
				t.Fatal("a file was replaced while somebody may have read it")
			}
		}
	}
}

func TestNotInThePlan(t *testing.T) {
	for says, body := range map[string]any{
		"artifact 3 is not in the plan":  put{3, make([]byte, sha256.Size)},
		"artifact -1 is not in the plan": put{-1, make([]byte, sha256.Size)},
		"digest of b001/_pkg_.x has 31":  put{0, make([]byte, 31)},
		"digest of b001/_pkg_.x has 0":   put{0, nil},
		"decoding":                       "b001/_pkg_.x",
	} {
		ends := newEnds(t, 2)
		blob := &transport.Blob{Size: 4, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("text")), nil }}
		if err := ends[0].world.Send(1, transport.Express, transport.Message{Kind: KindPut, Body: body, Blob: blob}); err != nil {
			t.Fatal(err)
		}
		ends[1].refuses(t, files[0], says)
		if left, _ := os.ReadDir(ends[1].dir); len(left) > 0 {
			t.Errorf("%s: %v was made", says, left)
		}
	}
}

// A put without bytes is an empty file, if that is what its digest says.
func TestNoBlob(t *testing.T) {
	ends := newEnds(t, 2)
	empty := sha256.Sum256(nil)
	if err := ends[0].world.Send(1, transport.Express, transport.Message{Kind: KindPut, Body: put{0, empty[:]}}); err != nil {
		t.Fatal(err)
	}
	ends[1].await(t, files[0], nil)
	if err := ends[0].world.Send(1, transport.Express, transport.Message{Kind: KindPut, Body: put{1, make([]byte, sha256.Size)}}); err != nil {
		t.Fatal(err)
	}
	ends[1].refuses(t, files[1], "its 0 bytes are not those that were sent")
}

func TestPutFails(t *testing.T) {
	network := transporttest.NewNetwork()
	worlds := transporttest.NewWorld(t, 2, transporttest.WithNetwork(network))
	e := &end{dir: t.TempDir(), world: worlds[0]}
	e.Exchange = New(worlds[0], e.dir, lookup)
	if err := e.Put(1, files[0]); !errors.Is(err, os.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "b001/_pkg_.x to rank 1") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := e.Size(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("size of a file that is not there: %v", err)
	}
	e.make(t, files[0], []byte("x"))
	if n, err := e.Size(files[0]); err != nil || n != 1 {
		t.Errorf("size before it is offered: %d, %v", n, err)
	}
	closed, cancel := context.WithCancel(t.Context())
	cancel()
	worlds[0].Close(closed)
	if err := e.Put(1, files[0]); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("to a world that is closed: %v", err)
	}
}

// A copy of a file that this rank is making is thrown away; whoever begins to make one that has come is told.
func TestClaim(t *testing.T) {
	x := New(nil, t.TempDir(), func(id int32) (File, bool) { return File{ID: id, Path: "b001/x"}, true })
	f := File{ID: 1, Path: "b001/x"}
	receive := func() error {
		content := []byte("export data")
		digest := sha256.Sum256(content)
		body, err := msgpack.Marshal(put{f.ID, digest[:]})
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.Receive(transport.Frame{Kind: KindPut, Body: body, Blob: bytes.NewReader(content), BlobSize: int64(len(content))})
		return err
	}
	if !x.Claim(f) {
		t.Fatal("a file that is not here cannot be claimed")
	}
	if err := receive(); !errors.Is(err, ErrClaimed) {
		t.Fatalf("a copy of a claimed file: %v", err)
	}
	if _, here := x.Digest(f); here {
		t.Fatal("it is here")
	}
	if _, err := os.Stat(x.path(f)); err == nil {
		t.Fatal("it is in its place")
	}
	if here, err := x.Release(f); !here || err != nil {
		t.Fatalf("the copy was lost: %v", err)
	}
	if content, err := os.ReadFile(x.path(f)); err != nil || string(content) != "export data" {
		t.Fatalf("released: %q, %v", content, err)
	}
	if x.Claim(f) {
		t.Fatal("a file that is here was claimed")
	}
	if err := receive(); err != nil {
		t.Fatalf("after its release: %v", err)
	}
	g := File{ID: 2, Path: "b001/y"}
	if !x.Claim(g) {
		t.Fatal("it is not here")
	}
	if here, err := x.Release(g); here || err != nil {
		t.Fatalf("nothing came of this one: %v", err)
	}
	f.ID = 3 // given out before it was given up
	if !x.Claim(f) || !errors.Is(receive(), ErrClaimed) || x.Offer(f) != nil {
		t.Fatal("it is being made, and offered")
	}
	if here, err := x.Release(f); here || err != nil {
		t.Fatalf("a copy took the place of a file that was given out: %v", err)
	}
}

// What this rank has made elsewhere takes its place once, and not that of a file that it is making.
func TestAdopt(t *testing.T) {
	x := New(nil, t.TempDir(), func(id int32) (File, bool) { return File{}, false })
	made := filepath.Join(x.dir, "made")
	if err := os.WriteFile(made, []byte("export data"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, size, err := DigestFile(made)
	if err != nil {
		t.Fatal(err)
	}
	f, g := File{ID: 1, Path: "b001/x"}, File{ID: 2, Path: "b001/y"}
	if err := x.Adopt(f, made+"-not", digest, size); err == nil {
		t.Error("what is not there was adopted")
	}
	if err := x.Adopt(f, made, digest, size); err != nil {
		t.Fatal(err)
	}
	if d, here := x.Digest(f); !here || d != digest || x.Altered(f) {
		t.Errorf("digest %v, %v", d, here)
	}
	if _, _, stored := x.Stored(f); stored {
		t.Error("it is said to come from a store")
	}
	if x.Claim(g); !errors.Is(x.Adopt(g, made, digest, size), ErrClaimed) {
		t.Error("a file that is being made was adopted")
	}
	if content, err := os.ReadFile(x.path(f)); err != nil || string(content) != "export data" {
		t.Errorf("%q, %v", content, err)
	}
}

// What is written to a file after its digest was taken shows, also where the size stays; a new time alone is nothing.
func TestAltered(t *testing.T) {
	x := New(nil, t.TempDir(), func(id int32) (File, bool) { return File{ID: id, Path: "b001/x"}, true })
	f := File{ID: 1, Path: "b001/x"}
	if x.Altered(f) {
		t.Error("a file that is not here was altered")
	}
	long := time.Now().Add(-time.Hour)
	make := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(x.path(f)), 0o700), os.WriteFile(x.path(f), []byte(text), 0o600), os.Chtimes(x.path(f), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	make("whole", long)
	digest := Digest(sha256.Sum256([]byte("whole")))
	for name, enter := range map[string]func() error{
		"offered": func() error { return x.Offer(f) },
		"known":   func() error { x.Known(f, digest, 5); return nil },
	} {
		make("whole", long)
		if err := enter(); err != nil {
			t.Fatal(err)
		}
		if x.Altered(f) {
			t.Errorf("%s: as it was, it was altered", name)
		}
		make("whole", long.Add(time.Second))
		if x.Altered(f) {
			t.Errorf("%s: touched, it was altered", name)
		}
		for _, text := range []string{"whale", "wholes"} {
			make(text, long.Add(2*time.Second))
			if !x.Altered(f) {
				t.Errorf("%s: %q is not altered", name, text)
			}
		}
	}
}
