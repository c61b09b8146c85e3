package execute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/badbubble/distgo/plan/transcript"
)

// An archive is "!<arch>\n" and then, for each member, a header of 60 bytes
// and its content, padded to an even length.
// See GOROOT/src/cmd/internal/archive/archive.go, go1.26.
const archiveMagic = "!<arch>\n"

// memberHeader: name, date, user, group, mode (octal), size.
const memberHeader = "%-16s%-12d%-6d%-6d%-8o%-10d`\n"

// pack appends objects to an archive, as `go tool pack r` does for cmd/go: it
// is only ever called for members that are not there yet
// (GOROOT/src/cmd/go/internal/work/gc.go, packInternal).
func (r *Runner) pack(c *transcript.Command) error {
	path, err := r.inside(c.Args[0])
	if err != nil {
		return err
	}
	members, err := r.members(path, c)
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	for _, member := range members {
		if err := appendMember(dst, member); err != nil {
			return errors.Join(fmt.Errorf("packing %s: %w", member, err), dst.Close())
		}
	}
	return dst.Close()
}

func appendMember(dst io.Writer, path string) error {
	src, err := os.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if len(name) > 16 {
		name = name[:16]
	}
	// cmd/go writes zero for date and owner, so that builds are reproducible.
	if _, err := fmt.Fprintf(dst, memberHeader, name, 0, 0, 0, 0o644, fi.Size()); err != nil {
		return err
	}
	n, err := io.Copy(dst, src)
	if err != nil {
		return err
	}
	if n != fi.Size() {
		return fmt.Errorf("%s changed while it was packed", name)
	}
	if n%2 == 1 {
		_, err = dst.Write([]byte{0})
	}
	return err
}

// join writes the archive that a compile without -linkobj would have written:
// export data, then the objects.
func (r *Runner) join(c *transcript.Command, dst string) error {
	return beside(dst, 0o666, func(out *os.File) error {
		export, err := os.ReadFile(r.source(c, c.Args[0]))
		if err != nil {
			return err
		}
		object, err := os.ReadFile(r.source(c, c.Args[1]))
		if err != nil {
			return err
		}
		for _, half := range [][]byte{export, object} {
			if !bytes.HasPrefix(half, []byte(archiveMagic)) {
				return fmt.Errorf("%s is not made of archives", c.Args[2])
			}
		}
		_, err = out.Write(append(export, object[len(archiveMagic):]...))
		return errors.Join(err, out.Close())
	})
}
