package pipeline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// pack appends object files to an archive, as cmd/go does itself
// (packInternal in cmd/go/internal/work/gc.go, go1.26).
func pack(archive string, objects []string) (err error) {
	var entries bytes.Buffer
	for _, object := range objects {
		data, err := os.ReadFile(object)
		if err != nil {
			return err
		}
		// The header's name field is 16 wide; a longer name is cut.
		fmt.Fprintf(&entries, "%-16.16s%-12d%-6d%-6d%-8o%-10d`\n", filepath.Base(object), 0, 0, 0, 0o644, len(data))
		entries.Write(data)
		if len(data)%2 != 0 {
			entries.WriteByte(0)
		}
	}
	f, err := os.OpenFile(archive, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	_, err = f.Write(entries.Bytes())
	return err
}
