package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// FuzzSegment reads a segment of anything. What it has for records and gaps
// must be all of it, and once it was mended nothing may be wrong with it.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(magic))
	whole, ends := threeRecords()
	f.Add(whole)
	f.Add(whole[:ends[1]+20])
	f.Add(append(append([]byte("garbage"), whole[ends[0]:]...), whole...))
	e := Entry{Name: "p", Text: "words", Outputs: []Output{{"x", File{Digest{1}, 1 << 40}}, {"a", File{}}}}
	f.Add(appendRecord(nil, [32]byte{1}, time.Unix(1, 0), e.encode()))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := allocated(func() { scan(data, func(_ int, r []byte) { decodeEntry(recordPayload(r)) }) }); n > 1<<16+100*uint64(len(data)) {
			t.Fatalf("%d bytes made it allocate %d", len(data), n)
		}
		var pieces int
		records := map[[32]byte]bool{}
		at := 0
		gaps := scan(data, func(offset int, r []byte) {
			if offset < at || !bytes.Equal(data[offset:offset+len(r)], r) {
				t.Fatalf("a record at %d, after %d", offset, at)
			}
			at = offset + len(r)
			pieces += len(r)
			records[recordKey(r)] = true
			if e, err := decodeEntry(recordPayload(r)); err == nil {
				back, err := decodeEntry(e.encode())
				if err != nil || fmt.Sprint(back) != fmt.Sprint(e) {
					t.Fatalf("%v became %v, %v", e, back, err)
				}
			}
		})
		for _, g := range gaps {
			pieces += g.end - g.start
		}
		if pieces != len(data) {
			t.Fatalf("records and gaps have %d bytes of %d", pieces, len(data))
		}

		for _, sub := range []string{"actions", "tmp"} {
			if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "actions", "S.log"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{min(len(gaps), 1), 0} {
			damaged := 0
			j := &journal{
				dir:    filepath.Join(dir, "actions"),
				temp:   func() string { return filepath.Join(dir, "tmp", fmt.Sprint("T", i)) },
				report: func(string, string, ...any) { damaged++ },
				now:    time.Now,
			}
			if n := j.len(); n != len(records) || damaged != want {
				t.Fatalf("load %d: %d entries and %d damages, want %d and %d", i, n, damaged, len(records), want)
			}
		}
	})
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
