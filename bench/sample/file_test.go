package sample

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func one(repetition int) *Sample {
	return &Sample{
		Schema: Schema, Cell: Cell{Program: "p", Builder: GoBuild, Nodes: 1, Cores: 2, Cache: Cold, Launcher: "local", Dilation: 1},
		Repetition: repetition, Start: time.Unix(int64(repetition), 0).UTC(), Elapsed: 1_500_000, Clock: ClockCommand,
	}
}

func written(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "samples.jsonl")
	w, held, torn, err := Append(path)
	if err != nil || len(held) != 0 || torn != nil {
		t.Fatalf("a new file: %v, %v, %v", held, torn, err)
	}
	for i := range n {
		if err := w.Write(one(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	samples, torn, err := Read(written(t, 3))
	if err != nil || torn != nil || len(samples) != 3 {
		t.Fatalf("%d samples, %v, %v", len(samples), torn, err)
	}
	if samples[1].Repetition != 2 || samples[1].Cell != one(2).Cell || samples[1].Seconds() != 1.5 {
		t.Errorf("read %+v", samples[1])
	}
}

// TestTornLine cuts the file at every byte of its last line: the samples before are always there, and the next writer
// goes on after them.
func TestTornLine(t *testing.T) {
	whole, err := os.ReadFile(written(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	second := strings.LastIndexByte(strings.TrimSuffix(string(whole), "\n"), '\n') + 1
	for cut := second + 1; cut < len(whole)-1; cut += 7 {
		path := filepath.Join(t.TempDir(), "cut.jsonl")
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		samples, torn, err := Read(path)
		if err != nil || len(samples) != 2 || torn == nil || torn.Line != 3 {
			t.Fatalf("cut at %d: %d samples, torn %v, %v", cut, len(samples), torn, err)
		}
		w, held, torn, err := Append(path)
		if err != nil || len(held) != 2 || torn == nil {
			t.Fatalf("cut at %d: appending to %d, torn %v, %v", cut, len(held), torn, err)
		}
		if err := w.Write(one(9)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if samples, torn, err = Read(path); err != nil || torn != nil || len(samples) != 3 || samples[2].Repetition != 9 {
			t.Fatalf("cut at %d, after appending: %d samples, torn %v, %v", cut, len(samples), torn, err)
		}
	}
}

func TestMissingLastNewline(t *testing.T) {
	path := written(t, 2)
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, whole[:len(whole)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	w, held, torn, err := Append(path)
	if err != nil || len(held) != 2 || torn != nil {
		t.Fatalf("%d held, %v, %v", len(held), torn, err)
	}
	if err := w.Write(one(3)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if samples, _, err := Read(path); err != nil || len(samples) != 3 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
}

func TestRefusesOtherFiles(t *testing.T) {
	for text, want := range map[string]string{
		`{"schema":99}` + "\n":                  "samples of schema 99, this distgo reads 1",
		"no sample\n{\"schema\":1}\n":           "line 1: not a sample",
		`{"schema":1,"nodes":0}` + "\n":         "line 1: not a sample: 0 nodes",
		"\x00\x01\x02\n":                        "line 1: not a sample",
		`{"schema":1,"nodes":"x"}` + "\nrest\n": "line 1: not a sample",
	} {
		path := filepath.Join(t.TempDir(), "other.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if _, _, _, err := Append(path); err == nil {
			t.Errorf("%q can be appended to", text)
		}
		if after, _ := os.ReadFile(path); string(after) != text {
			t.Errorf("%q was changed to %q", text, after)
		}
	}
}

func TestOneWriter(t *testing.T) {
	path := written(t, 1)
	w, _, _, err := Append(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, _, _, err := Append(path); err == nil || !strings.Contains(err.Error(), "another experiment") {
		t.Fatalf("a second writer: %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := filepath.Dir(written(t, 2))
	set, err := Load([]string{dir})
	if err != nil || len(set.Good()) != 2 {
		t.Fatalf("%v, %v", set, err)
	}
	for _, missing := range []string{filepath.Join(dir, "none.jsonl"), t.TempDir()} {
		if _, err := Load([]string{missing}); err == nil {
			t.Errorf("%s holds samples", missing)
		}
	}
	text := `{"schema":1,"nodes":1,"cores":1,"dilation":1,"report_file":"../../etc/passwd"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "evil.jsonl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load([]string{dir}); err == nil || !strings.Contains(err.Error(), "leaves") {
		t.Errorf("a report's place outside: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":1,"nodes":1,"cores":1,"dilation":1}` + "\n{\"schema\":1,\"no"))
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var (
			samples []Sample
			cut     int
			err     error
		)
		if n := allocated(func() { samples, cut, err = parse(text) }); n > 1<<20+1000*uint64(len(text)) {
			t.Errorf("%d bytes made it allocate %d", len(text), n)
		}
		if err != nil && (samples != nil || cut != 0) {
			t.Errorf("an error and %d samples, cut %d", len(samples), cut)
		}
		for i := range samples {
			if samples[i].Schema != Schema || samples[i].Dilation < 1 {
				t.Errorf("sample %+v", samples[i])
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
