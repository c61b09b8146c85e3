package pipeline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// An edit replaces one passage of a file of the toolchain's source. The old
// text must stand in the file exactly once: that, and not a version number,
// says that the file is the one the edit was made for.
type edit struct {
	file     string // below GOROOT/src, slash-separated
	old, new string
}

// Edits returns the overlay that turns the compiler's source at goroot into
// the pipelined compiler's: new contents by absolute file name. Nothing is
// written. An error names the file, and the edit of it that did not match,
// counted from 1.
func Edits(goroot string) (map[string][]byte, error) {
	overlay := make(map[string][]byte)
	number := make(map[string]int)
	for _, e := range edits {
		name := filepath.Join(goroot, "src", filepath.FromSlash(e.file))
		text, seen := overlay[name]
		if !seen {
			var err error
			if text, err = os.ReadFile(name); err != nil {
				return nil, fmt.Errorf("no compiler source: %w", err)
			}
		}
		number[e.file]++
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return nil, fmt.Errorf("edit %d of %s does not match", number[e.file], e.file)
		}
		overlay[name] = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	for _, a := range added {
		overlay[filepath.Join(goroot, "src", filepath.FromSlash(a.file))] = []byte(a.text)
	}
	return overlay, nil
}
