package stage

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/badbubble/distgo/sync/stage/remote"
)

// An Item is a file or a directory with all that is in it.
type Item struct {
	Local string // its path here
	Node  string // its absolute path on the nodes; "" for the same
}

// entry is one file, directory or symbolic link of what is to be put.
type entry struct {
	local string
	node  string // absolute path on the nodes
	mode  fs.FileMode
	size  int64
	time  time.Time // whole seconds: SFTP knows no finer
	link  string    // where a symbolic link leads

	digest func() ([sha256.Size]byte, error) // read and computed once, for whoever asks first
}

// partPrefix begins the name of a file that is not whole yet. The rest is the file's own name, so that what a killed Put
// has left is overwritten by the next.
const partPrefix = ".distgo-part."

// list lists items, directories before what is in them, each path once.
func list(items []Item) ([]*entry, error) {
	var all []*entry
	seen := map[string]bool{}
	for _, item := range items {
		local, err := filepath.Abs(item.Local)
		if err != nil {
			return nil, err
		}
		node := item.Node
		if node == "" {
			node = local
		}
		if !path.IsAbs(node) || strings.ContainsAny(node, "\x00\n") {
			return nil, &remote.Error{Text: fmt.Sprintf("%q is not a path on a node", node), Hint: "give an absolute one"}
		}
		// What the user names may be a link; what is below it stays one.
		if local, err = filepath.EvalSymlinks(local); err != nil {
			return nil, err
		}
		err = filepath.WalkDir(local, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasPrefix(d.Name(), partPrefix) {
				return nil
			}
			rest := strings.TrimPrefix(strings.TrimPrefix(name, local), "/")
			at := path.Join(node, filepath.ToSlash(rest))
			if seen[at] {
				return nil
			}
			seen[at] = true
			e, err := newEntry(name, at, d)
			if e != nil {
				all = append(all, e)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return strings.Compare(a.node, b.node) })
	return all, nil
}

// newEntry describes one name; nil for a socket, a pipe or a device, which no build needs.
func newEntry(local, node string, d fs.DirEntry) (*entry, error) {
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it went while we looked
	} else if err != nil {
		return nil, err
	}
	e := &entry{local: local, node: node, mode: info.Mode() & (fs.ModeType | fs.ModePerm), size: info.Size(), time: info.ModTime().Truncate(time.Second)}
	switch e.mode.Type() {
	case 0:
		e.digest = sync.OnceValues(func() ([sha256.Size]byte, error) { return digestOf(local) })
	case fs.ModeDir:
		e.size = 0
	case fs.ModeSymlink:
		e.size = 0
		if e.link, err = os.Readlink(local); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	if strings.Contains(node, "\n") {
		return nil, &remote.Error{Text: fmt.Sprintf("%q has a newline in its name", local), Hint: "rename it"}
	}
	return e, nil
}

func digestOf(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	b := buffers.Get().(*[smallFile]byte)
	defer buffers.Put(b)
	h := sha256.New()
	for {
		n, err := f.Read(b[:])
		h.Write(b[:n])
		if err == io.EOF {
			h.Sum(sum[:0])
			return sum, nil
		} else if err != nil {
			return sum, err
		}
	}
}
