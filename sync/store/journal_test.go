package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func segments(t *testing.T, x *fixture, ending string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(x.Dir(), "actions", "*"+ending))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// threeRecords is a segment, and where its records end.
func threeRecords() (data []byte, ends []int) {
	for i := range 3 {
		data = appendRecord(data, numbered(i), time.Unix(int64(i), 0), []byte(fmt.Sprintf("payload %d", i)))
		ends = append(ends, len(data))
	}
	return data, ends
}

// found scans and returns which of threeRecords it comes upon.
func found(t *testing.T, data []byte) (is [3]bool, gaps []gap) {
	t.Helper()
	gaps = scan(data, func(_ int, r []byte) {
		for i := range is {
			if recordKey(r) == numbered(i) && string(recordPayload(r)) == fmt.Sprintf("payload %d", i) && recordStamp(r) == time.Unix(int64(i), 0).UnixNano() {
				is[i] = true
				return
			}
		}
		t.Errorf("a record that nobody wrote: %x", r)
	})
	return is, gaps
}

func TestFlippedBitCostsOneRecord(t *testing.T) {
	whole, ends := threeRecords()
	for at := range whole {
		for bit := range 8 {
			data := bytes.Clone(whole)
			data[at] ^= 1 << bit
			want := [3]bool{true, true, true}
			want[0], want[1], want[2] = at >= ends[0], at < ends[0] || at >= ends[1], at < ends[1]
			if is, gaps := found(t, data); is != want || len(gaps) != 1 {
				t.Fatalf("bit %d of byte %d flipped: found %v and %d gaps, want %v", bit, at, is, len(gaps), want)
			}
		}
	}
}

func TestTruncatedSegmentKeepsWhatIsWhole(t *testing.T) {
	whole, ends := threeRecords()
	for n := range whole {
		want := [3]bool{n >= ends[0], n >= ends[1], false}
		is, gaps := found(t, whole[:n])
		atEnd := n == 0 || n == ends[0] || n == ends[1]
		if is != want || (len(gaps) == 0) != atEnd {
			t.Fatalf("%d bytes: found %v and gaps %v, want %v", n, is, gaps, want)
		}
	}
}

func TestDamagedSegmentIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	a, b, c := x.commit("a", "A"), x.commit("b", "B"), x.commit("c", "C")
	x.Close()
	logs := segments(t, x, ".log")
	if len(logs) != 1 {
		t.Fatalf("segments %v, want one", logs)
	}
	size := len(read(t, logs[0])) / 3
	damageFile(t, logs[0], flip(size+size/2))

	y := open(t, dir)
	y.holds(a, "A")
	y.lacks(b, "a damaged record")
	y.holds(c, "C")
	y.named(1, "actions")
	z := open(t, dir)
	z.holds(a, "A")
	z.holds(c, "C")
	z.named(0, "")
	z.commit("b", "B")
	z.holds(b, "B")
}

func TestTruncatedSegmentIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	a, b := x.commit("a", "A"), x.commit("b", "B")
	x.Close()
	damageFile(t, segments(t, x, ".log")[0], func(b []byte) []byte { return b[:len(b)-5] })
	y := open(t, dir)
	y.holds(a, "A")
	y.lacks(b, "a truncated record")
	y.named(1, "actions")
	z := open(t, dir)
	z.holds(a, "A")
	z.named(0, "")
}

func TestDeletedIndexIsOnlyEmpty(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	if err := os.RemoveAll(filepath.Join(dir, "actions")); err != nil {
		t.Fatal(err)
	}
	x.Close()
	y := open(t, dir)
	y.lacks(key, "a deleted index")
	if err := os.RemoveAll(filepath.Join(dir, "actions")); err != nil { // under the feet of a run
		t.Fatal(err)
	}
	y.commit("a", "A")
	y.holds(key, "A")
	y.Close()
	z := open(t, dir)
	z.holds(key, "A")
	z.named(0, "")
}

func TestGarbageInTheIndexIsHarmless(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	x.Close()
	writeFile(t, filepath.Join(dir, "actions", "README"), "not ours")
	if err := os.Mkdir(filepath.Join(dir, "actions", "DIR.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	y := open(t, dir)
	y.holds(key, "A")
	y.named(1, "DIR.log")
}

// TestLiveWriterIsLeftAlone: of a segment whose writer lives the end may be
// half a record, and is no damage.
func TestLiveWriterIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	if _, err := x.actions.own.file.Write([]byte(magic + "half a")); err != nil {
		t.Fatal(err)
	}
	y := open(t, dir)
	y.holds(key, "A")
	y.named(0, "")
	if logs := segments(t, x, ".log"); len(logs) > 0 {
		t.Errorf("a living writer's segment was closed: %v", logs)
	}
}

// TestDeadWriterIsSettled: the half record of a writer that was killed is cut
// off without a word.
func TestDeadWriterIsSettled(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	if _, err := x.actions.own.file.Write([]byte(magic + "half a")); err != nil {
		t.Fatal(err)
	}
	x.actions.own.file.Close() // which is all that a kill does
	x.actions.own = nil
	for range 2 {
		y := open(t, dir)
		y.holds(key, "A")
		y.named(0, "")
		if logs := segments(t, x, ".log"); len(logs) != 1 {
			t.Errorf("segments %v, want one that is closed", logs)
		}
	}
}

// TestWriterTakenForDead is what happens where locks lie: entries may be lost,
// and that is all.
func TestWriterTakenForDead(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	a := x.commit("a", "A")
	name := segments(t, x, ".open")[0]
	if err := os.Rename(name, name[:len(name)-len(".open")]+".log"); err != nil {
		t.Fatal(err)
	}
	y := open(t, dir)
	if err := y.actions.clean(nil); err != nil { // rewrites and removes it
		t.Fatal(err)
	}
	b := x.commit("b", "B")
	x.holds(b, "B")
	if err := x.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	z := open(t, dir)
	z.holds(a, "A")
	z.lacks(b, "what was written to a removed segment")
	z.named(0, "")
}

func TestSegmentsAreMerged(t *testing.T) {
	dir := t.TempDir()
	var keys []Key
	for i := range 3 * maxSegments {
		x := open(t, dir)
		keys = append(keys, x.commit(fmt.Sprint(i), fmt.Sprint(i)))
		if err := errors.Join(x.Tidy(t.Context()), x.Close()); err != nil {
			t.Fatal(err)
		}
	}
	x := open(t, dir)
	if logs := segments(t, x, ".log"); len(logs) > maxSegments+2 {
		t.Errorf("%d segments are left, want at most %d", len(logs), maxSegments+2)
	}
	for i, key := range keys {
		x.holds(key, fmt.Sprint(i))
	}
	if err := x.actions.clean(nil); err != nil {
		t.Fatal(err)
	}
	if logs := segments(t, x, ".log"); len(logs) != 1 {
		t.Errorf("after a merge of all there are %v", logs)
	}
	for i, key := range keys { // from the new segment, in memory
		x.holds(key, fmt.Sprint(i))
	}
	x.named(0, "")
}

func TestChooseIsGeometric(t *testing.T) {
	sizes := map[int]int{0: 1000, 1: 1, 2: 2, 3: 4, 4: 100}
	if is := fmt.Sprint(choose([]int{0, 1, 2, 3, 4}, sizes)); is != "[1 2 3]" {
		t.Errorf("chose %v, want the small ones", is)
	}
	sizes[4] = 14
	if is := fmt.Sprint(choose([]int{0, 1, 2, 3, 4}, sizes)); is != "[1 2 3 4]" {
		t.Errorf("chose %v, want the small ones and the one of their size", is)
	}
}

func TestReadOnlyStore(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	x.Close()
	chmod := func(mode fs.FileMode) {
		for _, d := range []string{"actions", "sources", "tmp", "files", "."} {
			if err := os.Chmod(filepath.Join(dir, d), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(0o555)
	defer chmod(0o755)
	y := open(t, dir)
	y.holds(key, "A")
	if _, err := y.PutReader(bytes.NewReader([]byte("B"))); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("put: %v", err)
	}
}

// TestFailedMergeLosesNothing: the old segments go last.
func TestFailedMergeLosesNothing(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	key := x.commit("a", "A")
	x.Close()
	y := open(t, dir)
	y.Load()
	if err := os.Remove(filepath.Join(dir, "tmp")); err != nil {
		t.Fatal(err)
	}
	if err := y.actions.clean(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no place for the new segment", err)
	}
	y.holds(key, "A")
	z := open(t, dir)
	z.holds(key, "A")
	z.named(0, "")
}
