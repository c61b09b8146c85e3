package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A Digest is the SHA-256 of a file's content.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote; nothing else, not even capitals, so
// that a file has one name.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) == hex.EncodedLen(len(d)) {
		if _, err := hex.Decode(d[:], []byte(s)); err == nil && d.String() == s {
			return d, nil
		}
	}
	return Digest{}, fmt.Errorf("%q is not a SHA-256 in hexadecimal", s)
}

// A File is the content of a file, and how much of it there is.
type File struct {
	Digest Digest
	Size   int64 // bytes
}
