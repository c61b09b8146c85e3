package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"
)

// An Entry is what executing an action gave.
type Entry struct {
	Name    string        // what was made, such as an import path; for people and for the history
	Outputs []Output      // the files, in the caller's order
	Text    string        // what the tools said
	CPU     time.Duration // user and system time of the tools
	Wall    time.Duration
}

// An Output is one of the files that an action makes.
type Output struct {
	Name string // tells it from the action's other outputs
	File
}

// Commit enters an action that was executed. All its outputs must be in the
// store; the error is ErrAbsent if one is not.
func (s *Store) Commit(key Key, e Entry) error {
	for _, o := range e.Outputs {
		if !s.has(o.File) {
			return fmt.Errorf("entering %s: its %s %s: %w", e.Name, o.Name, o.Digest, ErrAbsent)
		}
	}
	if err := s.actions.add(key, e.encode(), true); err != nil {
		return fmt.Errorf("entering %s in the action cache: %w", e.Name, err)
	}
	return nil
}

// Lookup returns an action's entry if all its outputs are here, and records
// the use. It does not read the files: who gets them may yet find one damaged.
func (s *Store) Lookup(key Key) (Entry, bool) {
	payload, _, ok := s.actions.payload(key)
	if !ok {
		return Entry{}, false
	}
	e, err := decodeEntry(payload)
	if err != nil {
		s.damages.report(s.actions.dir, "the entry %s: %v", key, err)
		return Entry{}, false
	}
	for _, o := range e.Outputs {
		if !s.has(o.File) {
			return Entry{}, false
		}
	}
	return e, true
}

// Entries gives all entries in no order, whether their files are here or not.
// The store must not be used for other things from within the loop.
func (s *Store) Entries() iter.Seq2[Key, Entry] {
	return func(yield func(Key, Entry) bool) {
		s.actions.load()
		s.actions.mu.RLock()
		defer s.actions.mu.RUnlock()
		for key, at := range s.actions.index {
			e, err := decodeEntry(recordPayload(s.actions.at(at)))
			if err == nil && !yield(key, e) {
				return
			}
		}
	}
}

// Load reads the action cache now, where it would be read when it is first
// asked. It is for another goroutine than the one that is in a hurry.
func (s *Store) Load() { s.actions.load() }

func (e *Entry) encode() []byte {
	b := appendString(nil, e.Name)
	b = binary.AppendUvarint(b, uint64(len(e.Outputs)))
	for _, o := range e.Outputs {
		b = appendString(b, o.Name)
		b = append(b, o.Digest[:]...)
		b = binary.AppendUvarint(b, uint64(o.Size))
	}
	b = appendString(b, e.Text)
	b = binary.AppendUvarint(b, uint64(max(e.CPU, 0)))
	return binary.AppendUvarint(b, uint64(max(e.Wall, 0)))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errEntry = errors.New("it cannot be decoded")

// minOutput is the least that an output takes: an empty name, a digest, a size.
const minOutput = 1 + len(Digest{}) + 1

func decodeEntry(b []byte) (Entry, error) {
	d := decoder{b: b}
	e := Entry{Name: d.string()}
	n := d.number()
	if n > uint64(len(d.b)/minOutput) {
		return Entry{}, errEntry
	}
	if n > 0 {
		e.Outputs = make([]Output, n)
	}
	for i := range e.Outputs {
		o := &e.Outputs[i]
		o.Name = d.string()
		copy(o.Digest[:], d.bytes(uint64(len(o.Digest))))
		o.Size = d.size()
	}
	e.Text = d.string()
	e.CPU = time.Duration(d.size())
	e.Wall = time.Duration(d.size())
	if d.failed || len(d.b) > 0 {
		return Entry{}, errEntry
	}
	return e, nil
}

// A decoder takes values off the front of b, and zero values once it failed.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// size is a number that fits an int64.
func (d *decoder) size() int64 {
	v := int64(d.number())
	if v < 0 {
		d.failed = true
	}
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes(d.number())) }
