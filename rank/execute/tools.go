package execute

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Tools is the closed list of programs that actions may start.
type Tools struct {
	Dir       string   // the toolchain's own, GOTOOLDIR
	Compilers []string // the configured C compilers, as they stand in commands: names looked up in PATH, or paths
}

// names are the toolchain's tools that builds use.
var names = []string{"asm", "cgo", "compile", "cover", "link", "preprofile"}

func (t Tools) check(path string) error {
	if filepath.Dir(path) == t.Dir && slices.Contains(names, strings.TrimSuffix(filepath.Base(path), ".exe")) {
		return nil
	}
	if slices.Contains(t.Compilers, path) {
		return nil
	}
	return fmt.Errorf("%s is neither a tool of the toolchain nor a configured C compiler; it is not run", path)
}
