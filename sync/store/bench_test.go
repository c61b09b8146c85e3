package store

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fill enters n actions with two outputs each, whose files are not there.
func fill(b *testing.B, dir string, n int) {
	b.Helper()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		e := Entry{Name: "example.com/some/module/package", CPU: time.Second, Wall: time.Second,
			Outputs: []Output{{"x", File{Digest(numbered(2 * i)), 12345}}, {"a", File{Digest(numbered(2*i + 1)), 1234567}}}}
		if err := s.actions.add(numbered(i), e.encode(), false); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func numbered(i int) [32]byte {
	return sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
}

func BenchmarkLoad100k(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 100_000)
	for b.Loop() {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if n := s.actions.len(); n != 100_000 {
			b.Fatalf("loaded %d entries", n)
		}
	}
}

func BenchmarkSummary100k(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 100_000)
	s, err := Open(Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	s.Load()
	size := 0
	for b.Loop() {
		text := s.Summary().Bytes()
		size = len(text)
		back, err := ParseSummary(text)
		if err != nil || back.Len() != 100_000 {
			b.Fatal(back.Len(), err)
		}
	}
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkLookup is a hit on an action whose two files are here.
func BenchmarkLookup(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	key := commitFiles(b, s)
	for b.Loop() {
		if _, ok := s.Lookup(key); !ok {
			b.Fatal("missed")
		}
	}
}

func commitFiles(b *testing.B, s *Store) Key {
	var e Entry
	for _, name := range []string{"x", "a"} {
		path := filepath.Join(b.TempDir(), name)
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			b.Fatal(err)
		}
		f, err := s.Put(path)
		if err != nil {
			b.Fatal(err)
		}
		e.Outputs = append(e.Outputs, Output{name, f})
	}
	key := NewKey("bench").Sum()
	if err := s.Commit(key, e); err != nil {
		b.Fatal(err)
	}
	return key
}

// BenchmarkPutGet stores a new file of 64 KiB and gets it out, verified once.
func BenchmarkPutGet(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		b.Fatal(err)
	}
	content := make([]byte, 64<<10)
	path, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	b.SetBytes(int64(len(content)))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		binary.LittleEndian.PutUint64(content, uint64(i))
		os.Remove(path)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		f, err := s.Put(path)
		if err == nil {
			err = s.Get(f, dst)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSource asks for a source file that has not changed.
func BenchmarkSource(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Options{Dir: filepath.Join(dir, "store"), now: func() time.Time { return time.Now().Add(time.Hour) }})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "source.go")
	if err := os.WriteFile(path, make([]byte, 20<<10), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Source(path); err != nil {
			b.Fatal(err)
		}
	}
	if s.sources.len() != 1 {
		b.Fatal("the file was read each time")
	}
}

// BenchmarkKey makes the key of an action with 100 sources and imports.
func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		k := NewKey("compile").Strings("args", "-p", "net/http", "-complete", "-lang=go1.26")
		for range 100 {
			k.Digest("import crypto/tls", Digest{1})
		}
		k.Sum()
	}
}

// BenchmarkCount10k counts 10,000 files and finds nothing to remove.
func BenchmarkCount10k(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 10_000 {
		path := s.path(Digest(numbered(i)))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o444); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		files, err := s.list(b.Context())
		if err != nil || len(files) != 10_000 {
			b.Fatal(len(files), err)
		}
	}
}
