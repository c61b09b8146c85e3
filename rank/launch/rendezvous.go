package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Rendezvous is a file in a directory that all ranks see, in which root writes where it listens. It serves where the
// launcher does not say on which host rank 0 runs, or names hosts that lead nowhere.
type Rendezvous struct {
	dir  string
	name string
	head string // the file's first line
}

const (
	rendezvousPrefix = ".distgo-root."
	// rendezvousPoll is how often the file is looked for. inotify does not hear of what another machine writes.
	rendezvousPoll = 10 * time.Millisecond
	// rendezvousMax bounds the file: a few dozen addresses.
	rendezvousMax = 4096
	// rendezvousAge is when a file counts as left by a root that was killed. Meetings take a minute at most.
	rendezvousAge = 24 * time.Hour
)

// NewRendezvous returns the rendezvous of a place's run in dir. It touches nothing.
func NewRendezvous(dir string, p Place) *Rendezvous {
	return &Rendezvous{dir: dir, name: rendezvousPrefix + p.RunID(), head: fmt.Sprintf("distgo root 1 %s\n", p.RunID())}
}

// Publish writes root's addresses, host:port, whole or not at all.
func (r *Rendezvous) Publish(addrs []string) error {
	text := []byte(r.head + strings.Join(addrs, "\n") + "\n")
	if len(text) > rendezvousMax {
		return fmt.Errorf("%d addresses do not fit the rendezvous file", len(addrs))
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	r.clearOld()
	temp, err := os.CreateTemp(r.dir, rendezvousPrefix+"new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), r.path())
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

func (r *Rendezvous) path() string { return filepath.Join(r.dir, r.name) }

// Withdraw removes the file. Root does so when all have come, or none will.
func (r *Rendezvous) Withdraw() error {
	if err := os.Remove(r.path()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Await returns root's addresses as soon as the file holds one that is not in tried: run keys can come again, and what a
// killed root wrote must not hide what the living one is about to write.
func (r *Rendezvous) Await(ctx context.Context, tried []string) ([]string, error) {
	tick := time.NewTicker(rendezvousPoll)
	defer tick.Stop()
	for {
		addrs, err := r.read()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(addrs, func(a string) bool { return !slices.Contains(tried, a) }) {
			return addrs, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("root has not written %s, which it does if this directory is the same on its node: %w", r.path(), context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// read returns what is published, nothing if nothing is.
func (r *Rendezvous) read() ([]string, error) {
	// NFS remembers for up to a minute that a name is not there. Opening the directory makes it ask the server.
	if dir, err := os.Open(r.dir); err == nil {
		dir.Close()
	}
	f, err := os.Open(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, rendezvousMax))
	if err != nil {
		return nil, err
	}
	// A file of another form, or a half that an NFS client shows for a moment, is as good as none.
	body, ok := bytes.CutPrefix(text, []byte(r.head))
	if !ok || !bytes.HasSuffix(body, []byte("\n")) {
		return nil, nil
	}
	var addrs []string
	for _, a := range strings.Fields(string(body)) {
		if _, _, err := splitRoot(a); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

// clearOld removes what killed roots have left.
func (r *Rendezvous) clearOld() {
	old, _ := filepath.Glob(filepath.Join(r.dir, rendezvousPrefix+"*")) // fails for a bad pattern only
	for _, path := range old {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > rendezvousAge {
			_ = os.Remove(path) // next time, then
		}
	}
}
