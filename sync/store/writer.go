package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A writer is the segment that this journal appends to. It is the only one
// that does.
type writer struct {
	file    *os.File
	name    string
	segment int    // its place in journal.segments
	size    int64  // bytes in the file, all of whole records
	pending []byte // records that are not in the file yet
}

// batch is how many bytes of records that are not urgent wait to be written.
const batch = 64 << 10

// add makes a payload the latest of its key: here at once, for others when it
// is written, which for urgent ones is before add returns.
func (j *journal) add(key [32]byte, payload []byte, urgent bool) error {
	if len(payload) > maxRecord-recordHeader-bodyHeader {
		return fmt.Errorf("a record of %d bytes is too large", len(payload))
	}
	j.load()
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.own == nil {
		w, err := j.begin()
		if err != nil {
			return err
		}
		j.mu.Lock()
		w.segment = len(j.segments)
		j.segments = append(j.segments, segment{name: w.name})
		j.mu.Unlock()
		j.own = w
	}
	start := len(j.own.pending)
	j.own.pending = appendRecord(j.own.pending, key, j.now(), payload)
	r := j.own.pending[start:]
	j.mu.Lock()
	s := &j.segments[j.own.segment]
	s.data = append(s.data, r...)
	j.note(j.own.segment, len(s.data)-len(r), r)
	j.mu.Unlock()
	if urgent || len(j.own.pending) >= batch {
		return j.own.flush()
	}
	return nil
}

// begin makes a segment. It is locked before it has a name that others see.
func (j *journal) begin() (*writer, error) {
	tmp := j.temp()
	file, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	tryLock(file)
	name := filepath.Base(tmp)
	err = os.Rename(tmp, filepath.Join(j.dir, name+openEnding))
	if errors.Is(err, fs.ErrNotExist) { // somebody has deleted the index
		if err = os.MkdirAll(j.dir, 0o777); err == nil {
			err = os.Rename(tmp, filepath.Join(j.dir, name+openEnding))
		}
	}
	if err != nil {
		file.Close()
		os.Remove(tmp)
		return nil, err
	}
	return &writer{file: file, name: name}, nil
}

// flush writes what is pending. What cannot be written is dropped: it is a
// cache, and a half record must not stand before the next.
func (w *writer) flush() error {
	n, err := w.file.Write(w.pending)
	w.pending = w.pending[:0]
	if err != nil {
		return errors.Join(err, w.file.Truncate(w.size))
	}
	w.size += int64(n)
	return nil
}

// close ends the own segment.
func (j *journal) close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.own == nil {
		return nil
	}
	w := j.own
	j.own = nil
	err := w.flush()
	path := filepath.Join(j.dir, w.name)
	if rerr := os.Rename(path+openEnding, path+closedEnding); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr) // if it is not there somebody took this run for dead
	}
	return errors.Join(err, w.file.Close())
}
