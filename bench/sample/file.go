package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxLine bounds one sample. A report of eight ranks and a hundred supersteps takes 20 kB.
const maxLine = 16 << 20

// A Torn says that a file ends in the middle of a sample, as a killed experiment leaves it. What stands before was read.
type Torn struct {
	Path string
	Line int
}

func (t *Torn) String() string {
	return fmt.Sprintf("%s: line %d is cut off; the %d before it were read", t.Path, t.Line, t.Line-1)
}

// Read reads the samples of a file. torn tells of a last line that is cut off, which is left out.
func Read(path string) (samples []Sample, torn *Torn, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	samples, cut, err := parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if cut > 0 {
		torn = &Torn{path, cut}
	}
	return samples, torn, nil
}

// parse reads lines. cut is the number of the last line when that is cut off, else 0.
func parse(text []byte) (samples []Sample, cut int, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		whole := line[len(line)-1] == '\n'
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(line) > maxLine {
			return nil, 0, fmt.Errorf("line %d: %d bytes are no sample", number, len(line))
		}
		var form struct {
			Schema int `json:"schema"`
		}
		var s Sample
		err := json.Unmarshal(line, &form)
		if err == nil && form.Schema != Schema {
			return nil, 0, fmt.Errorf("line %d: samples of schema %d, this distgo reads %d: use the distgo that wrote them, or measure into another file", number, form.Schema, Schema)
		}
		if err == nil {
			err = json.Unmarshal(line, &s)
		}
		if err != nil && !whole {
			return samples, number, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: not a sample: %w", number, err)
		}
		if s.Dilation < 1 || s.Nodes < 1 || s.Cores < 1 || s.Elapsed < 0 {
			return nil, 0, fmt.Errorf("line %d: not a sample: %d nodes, %d cores, dilation %g, %d µs", number, s.Nodes, s.Cores, s.Dilation, s.Elapsed)
		}
		samples = append(samples, s)
	}
	return samples, 0, nil
}

// A Set is the samples of several files, with the places of their reports resolved.
type Set struct {
	Samples []Sample
	Torn    []*Torn
}

// Load reads files, and of directories all *.jsonl in them. Reports' places become usable from here.
func Load(paths []string) (*Set, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no sample file %s: distgo bench run makes one", path)
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(path, "*.jsonl"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("the directory %s holds no sample file (*.jsonl)", path)
		}
		files = append(files, found...)
	}
	set := &Set{}
	for _, file := range files {
		samples, torn, err := Read(file)
		if err != nil {
			return nil, err
		}
		for i := range samples {
			if f := samples[i].ReportFile; f != "" {
				if !filepath.IsLocal(f) {
					return nil, fmt.Errorf("%s: the report's place %q leaves the file's directory", file, f)
				}
				samples[i].ReportFile = filepath.Join(filepath.Dir(file), f)
			}
		}
		set.Samples = append(set.Samples, samples...)
		if torn != nil {
			set.Torn = append(set.Torn, torn)
		}
	}
	return set, nil
}

// Good returns the samples that count, oldest first.
func (s *Set) Good() []Sample {
	good := slices.DeleteFunc(slices.Clone(s.Samples), func(s Sample) bool { return !s.Good() })
	slices.SortStableFunc(good, func(a, b Sample) int { return a.Start.Compare(b.Start) })
	return good
}

// A Writer appends samples to a file. One process at a time writes a file.
type Writer struct{ f *os.File }

// Append opens a file for more samples, after what it holds. A torn last line is taken off, and told.
func Append(path string) (w *Writer, held []Sample, torn *Torn, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := lock(f); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: another experiment writes to it", path)
	}
	if held, torn, err = Read(path); err != nil {
		return nil, nil, nil, err
	}
	if torn != nil {
		if err := dropLastLine(f); err != nil {
			return nil, nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, nil, err
	}
	if end > 0 { // a last line that is whole but for its newline
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, end-1); err != nil {
			return nil, nil, nil, err
		}
		if last[0] != '\n' {
			if _, err := f.WriteString("\n"); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	return &Writer{f}, held, torn, nil
}

func dropLastLine(f *os.File) error {
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1))
}

// Write appends a sample and has it on disk when it returns.
func (w *Writer) Write(s *Sample) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := w.f.Write(append(text, '\n')); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }
