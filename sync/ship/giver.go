package ship

import (
	"fmt"
	"os"
	"sync"

	"github.com/badbubble/distgo/sync/store"
)

// A Giver is root's side.
type Giver struct {
	source func(path string) (store.File, error)

	mu     sync.Mutex
	listed map[string]*listed      // guarded by mu
	paths  map[store.Digest]string // guarded by mu: of what was listed
}

// listed is a file that somebody asked about.
type listed struct {
	once sync.Once
	file File
	err  error
}

// NewGiver returns a Giver that learns from source what is in a file.
func NewGiver(source func(path string) (store.File, error)) *Giver {
	return &Giver{source: source, listed: map[string]*listed{}, paths: map[store.Digest]string{}}
}

// List says what files are.
func (g *Giver) List(paths []string) ([]File, error) {
	files := make([]File, 0, len(paths))
	for _, path := range paths {
		f, err := g.list(path)
		if err != nil {
			return nil, fmt.Errorf("listing what other ranks read: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (g *Giver) list(path string) (File, error) {
	g.mu.Lock()
	l := g.listed[path]
	if l == nil {
		l = new(listed)
		g.listed[path] = l
	}
	g.mu.Unlock()
	l.once.Do(func() {
		var info os.FileInfo
		if info, l.err = os.Stat(path); l.err != nil {
			return
		}
		var is store.File
		if is, l.err = g.source(path); l.err != nil {
			return
		}
		l.file = File{Path: path, Digest: is.Digest[:], Size: is.Size, Exec: info.Mode()&0o111 != 0}
		g.mu.Lock()
		g.paths[is.Digest] = path
		g.mu.Unlock()
	})
	return l.file, l.err
}

// Pack calls send with what was asked for, small files together.
func (g *Giver) Pack(digests [][]byte, send func(Parcel) error) error {
	if len(digests) > maxFiles {
		return violation("%d files are asked for at once", len(digests))
	}
	var batch []named
	var size int64
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		p, err := parcel(batch)
		batch, size = nil, 0
		if err != nil {
			return err
		}
		return send(p)
	}
	for _, d := range digests {
		f, err := g.named(d)
		if err != nil {
			return err
		}
		if size+f.file.Size > maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, f), size+f.file.Size
	}
	return flush()
}

func (g *Giver) named(digest []byte) (named, error) {
	if len(digest) != len(store.Digest{}) {
		return named{}, violation("a digest of %d bytes is asked for", len(digest))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	path, ok := g.paths[store.Digest(digest)]
	if !ok {
		return named{}, violation("a file is asked for that no action reads")
	}
	f := g.listed[path].file
	return named{path, f.content()}, nil
}
