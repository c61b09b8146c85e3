package ship

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/badbubble/distgo/sync/store"
)

// A File is a file of root.
type File struct {
	Path   string `msgpack:"p"` // absolute, clean
	Digest []byte `msgpack:"d"`
	Size   int64  `msgpack:"z"`
	Exec   bool   `msgpack:"x,omitempty"` // a program
}

// content is the file as stores know it.
func (f File) content() store.File { return store.File{Digest: store.Digest(f.Digest), Size: f.Size} }

// check refuses what cannot be a file below a view.
func (f File) check() error {
	switch {
	case len(f.Digest) != len(store.Digest{}):
		return violation("the digest of %.200q has %d bytes", f.Path, len(f.Digest))
	case f.Size < 0 || f.Size > maxFile:
		return violation("%.200q is said to have %d bytes", f.Path, f.Size)
	case !filepath.IsAbs(f.Path) || filepath.Clean(f.Path) != f.Path || !filepath.IsLocal(f.Path[1:]) || strings.ContainsRune(f.Path, 0):
		return violation("%.200q is not the path of a file", f.Path)
	}
	return nil
}

// A ProtocolError says what a peer asked for or sent against the rules.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return e.Reason }

func violation(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}
