package report

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestWriteRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := os.WriteFile(path, []byte("an older one"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrote := sample()
	if err := wrote.Write(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, wrote) {
		t.Errorf("wrote %+v\nread  %+v", wrote, read)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

// The schema is a contract: whoever renames a field raises Schema.
func TestSchema(t *testing.T) {
	text, err := sample().json()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", string(text))
}

func TestReadRefuses(t *testing.T) {
	for text, says := range map[string]string{
		`{"schema": 2}`:     "schema 2, this distgo reads 1",
		`{}`:                "schema 0",
		`{"schema": "1"}`:   "reading a report",
		`{"schema": 1`:      "reading a report",
		"":                  "reading a report",
		`[{"schema": 1}, ]`: "reading a report",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected words of %q", text, err, says)
		}
	}
}

// Older reports do not say how many compilers could wait, or say for how many there was memory: all could that are worth it.
func TestReadOlder(t *testing.T) {
	for text, want := range map[string]int{`{"schema": 1, "head_starts": true}`: 24, `{"schema": 1, "head_starts": true, "aside": 3}`: 3, `{"schema": 1, "aside": 350}`: 24, `{"schema": 1}`: 0} {
		if r, err := Read(strings.NewReader(text)); err != nil || r.Aside != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}

func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "report.json")
	if err := sample().Write(path); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("%v", err)
	}
}

// A pipe or a device is written to. It stays what it is.
func TestWriteToPipe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		defer close(read)
		if f, err := os.Open(path); err == nil {
			text, _ := io.ReadAll(f)
			f.Close()
			read <- text
		}
	}()
	if err := sample().Write(path); err != nil {
		t.Error(err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode().Type() != os.ModeNamedPipe {
		t.Fatalf("the pipe became %v, %v", fi.Mode(), err)
	}
	if text := <-read; !strings.Contains(string(text), `"schema": 1`) {
		t.Errorf("the pipe gave %q", text)
	}
}
