package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
)

// A Key names an action by the content of its inputs.
type Key [sha256.Size]byte

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// keyFormat is the first thing in every key. It changes when distgo's idea of
// what a key covers, or of what an entry's files are, changes.
const keyFormat = "distgo action 1"

// A Part is one labelled input of an action. Two keys differ exactly where
// their parts do, which is how it can be told why an action was executed.
type Part struct {
	Label string
	Sum   Digest
}

// A KeyBuilder collects the inputs of an action. Their order counts.
// The zero value is not usable; see NewKey.
type KeyBuilder struct{ parts []Part }

// NewKey begins the key of an action of some kind, such as "compile".
func NewKey(kind string) *KeyBuilder {
	return new(KeyBuilder).Strings("format", keyFormat, kind)
}

// Strings adds a list: arguments, environment. Lists are the same only if they
// have the same strings in the same order, however those would run together.
func (b *KeyBuilder) Strings(label string, list ...string) *KeyBuilder {
	h := sha256.New()
	for _, s := range list {
		writeString(h, s)
	}
	return b.Digest(label, Digest(h.Sum(nil)))
}

// Digest adds the content of a file: a tool, a source, an import's export data.
func (b *KeyBuilder) Digest(label string, d Digest) *KeyBuilder {
	b.parts = append(b.parts, Part{label, d})
	return b
}

// Clone returns a builder that has what b has so far.
func (b *KeyBuilder) Clone() *KeyBuilder { return &KeyBuilder{slices.Clone(b.parts)} }

// Parts returns what was added so far.
func (b *KeyBuilder) Parts() []Part { return b.parts }

// Sum returns the key of what was added so far.
func (b *KeyBuilder) Sum() Key {
	h := sha256.New()
	for _, p := range b.parts {
		writeString(h, p.Label)
		h.Write(p.Sum[:])
	}
	return Key(h.Sum(nil))
}

// writeString hashes s behind its length, so that no two lists look alike.
func writeString(h hash.Hash, s string) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}
