package pipeline

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// An edit replaces one passage of a file of the toolchain's source. The old
// text must stand in the file exactly once: that, and not a version number,
// says that the file is the one the edit was made for.
type edit struct {
	file     string // below GOROOT/src, slash-separated
	old, new string
}

// Edits returns the overlay that turns the compiler's source at goroot into
// the pipelined compiler's: new contents by absolute file name. Types is TypesEnv
// if the compiler will hand out types, and "" if its source does not match the
// edits for that. Nothing is written. An error names the file, and the edit of it
// that did not match, counted from 1.
func Edits(goroot string) (overlay map[string][]byte, types string, err error) {
	overlay = make(map[string][]byte)
	if err := apply(edits[:], goroot, overlay); err != nil {
		return nil, "", err
	}
	if with := maps.Clone(overlay); apply(hugeEdits[:], goroot, with) == nil {
		overlay = with
	}
	if with := maps.Clone(overlay); apply(typesEdits[:], goroot, with) == nil {
		overlay, types = with, TypesEnv
	}
	err = fs.WalkDir(added, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || types == "" && strings.HasSuffix(name, typesSuffix) {
			return err
		}
		text, err := added.ReadFile(name)
		target := strings.TrimSuffix(strings.TrimPrefix(name, "added/"), ".txt")
		overlay[filepath.Join(goroot, "src", filepath.FromSlash(target))] = text
		return err
	})
	return overlay, types, err
}

// apply makes edits in what the overlay has of their files, or goroot.
func apply(edits []edit, goroot string, overlay map[string][]byte) error {
	number := make(map[string]int)
	for _, e := range edits {
		name := filepath.Join(goroot, "src", filepath.FromSlash(e.file))
		text, seen := overlay[name]
		if !seen {
			var err error
			if text, err = os.ReadFile(name); err != nil {
				return fmt.Errorf("no compiler source: %w", err)
			}
		}
		number[e.file]++
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return fmt.Errorf("edit %d of %s does not match", number[e.file], e.file)
		}
		overlay[name] = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	return nil
}
