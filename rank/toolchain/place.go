package toolchain

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A Place says which files a go command works on, so that two ranks can tell
// whether theirs are the same. Equal strings mean the same files.
type Place struct {
	Toolchain string `msgpack:"t"`
	Modules   string `msgpack:"m"`
	Project   string `msgpack:"p"`
}

// Place tells where t works. The toolchain is named by the content of its
// programs, whose build IDs also stand for the standard library they came
// with. The module cache and the project are named by one file of each, down
// to its inode and the time of its last change: a copy is not the same. Files,
// not directories: NFS brings what it tells of a file up to date when that is
// opened, and builds change directories all the time.
func (t *Toolchain) Place() (Place, error) {
	identity, err := t.Identity()
	if err != nil {
		return Place{}, err
	}
	project := t.Env["GOWORK"]
	if project == "" || project == "off" {
		project = t.Env["GOMOD"]
	}
	if project == "" || project == os.DevNull {
		project = t.Dir // without modules
	}
	return Place{
		Toolchain: identity + " in " + t.Root(),
		Modules:   stamp(filepath.Join(t.Env["GOMODCACHE"], "cache", "lock")),
		Project:   t.Dir + " " + stamp(project),
	}, nil
}

// stamp names a file as this node sees it.
func stamp(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return path + ": none"
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return path + ": none"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return path + ": unknown"
	}
	return fmt.Sprintf("%s %d %d %d %d", path, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
