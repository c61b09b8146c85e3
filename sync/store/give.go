package store

import (
	"errors"
	"fmt"
	"io"
)

// A Parcel is an entry on its way from one store to another: the entry as it
// stands in a record, then its files one behind the other.
type Parcel struct {
	Entry []byte
	Files []File // distinct, in the order of their first outputs
	Size  int64  // bytes, of all files
}

// Parcel returns what another store needs to have an action's entry. It
// returns false if the entry, or a file of it, is not here.
func (s *Store) Parcel(key Key) (Parcel, bool) {
	e, ok := s.Lookup(key)
	if !ok {
		return Parcel{}, false
	}
	p := Parcel{Entry: e.encode(), Files: distinct(e)}
	for _, f := range p.Files {
		p.Size += f.Size
	}
	return p, true
}

func distinct(e Entry) []File {
	var files []File
	seen := map[Digest]bool{}
	for _, o := range e.Outputs {
		if !seen[o.Digest] {
			seen[o.Digest] = true
			files = append(files, o.File)
		}
	}
	return files
}

// Accept enters an action that another store has. Entry and r are its Parcel's;
// every file's digest is compared. It returns what r gave too little or wrong.
func (s *Store) Accept(key Key, entry []byte, r io.Reader) error {
	e, err := decodeEntry(entry)
	if err != nil {
		return fmt.Errorf("taking over %s: %w", key, err)
	}
	for _, want := range distinct(e) {
		f, err := s.PutReader(io.LimitReader(r, want.Size))
		if err != nil {
			return fmt.Errorf("taking over %s: %w", e.Name, err)
		}
		if f != want {
			return fmt.Errorf("taking over %s: %w", e.Name, errors.New("a file of it is not what its digest says"))
		}
	}
	return s.Commit(key, e)
}
