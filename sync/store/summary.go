package store

import (
	"encoding/binary"
	"errors"
	"slices"
)

// A Summary tells which keys a store has, in some 5 bytes each. It knows a key
// by its first 48 bits: among 100,000 keys one that is not there is taken for
// one that is once in 3,000 million times, and then the answer to the question
// for its entry sets it right.
type Summary struct{ prefixes []uint64 } // ascending, without repetitions

const summaryBits = 48

// Summary returns the keys of the action cache.
func (s *Store) Summary() Summary {
	s.actions.load()
	s.actions.mu.RLock()
	prefixes := make([]uint64, 0, len(s.actions.index))
	for key := range s.actions.index {
		prefixes = append(prefixes, prefix(Key(key)))
	}
	s.actions.mu.RUnlock()
	slices.Sort(prefixes)
	return Summary{slices.Compact(prefixes)}
}

func prefix(k Key) uint64 { return binary.BigEndian.Uint64(k[:]) >> (64 - summaryBits) }

// Len is the number of keys.
func (s Summary) Len() int { return len(s.prefixes) }

// Has reports whether a key is, most probably, among them.
func (s Summary) Has(k Key) bool {
	_, ok := slices.BinarySearch(s.prefixes, prefix(k))
	return ok
}

// Bytes encodes a summary: the distance of each prefix from the one before, as
// a uvarint. Keys are random, so that nothing more is to be gained by
// compressing it.
func (s Summary) Bytes() []byte {
	b := make([]byte, 0, 5*len(s.prefixes))
	last := uint64(0)
	for _, p := range s.prefixes {
		b = binary.AppendUvarint(b, p-last)
		last = p
	}
	return b
}

var errSummary = errors.New("the summary of a store cannot be decoded")

// ParseSummary reads what Bytes wrote. The memory it takes is bounded by the
// length of b, of which each byte is one key at most.
func ParseSummary(b []byte) (Summary, error) {
	prefixes := make([]uint64, 0, len(b)/5)
	last := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 || d >= 1<<summaryBits || last+d >= 1<<summaryBits || d == 0 && len(prefixes) > 0 {
			return Summary{}, errSummary
		}
		b = b[n:]
		last += d
		prefixes = append(prefixes, last)
	}
	return Summary{prefixes}, nil
}
