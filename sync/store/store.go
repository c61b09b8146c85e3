package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options say where a store lies and how large it may become.
type Options struct {
	Dir      string // made if it is not there
	MaxBytes int64  // what Tidy keeps the files below; 0 means DefaultMaxBytes

	// Damaged, where set, is told of each damaged file or segment once. It is
	// called from whichever goroutine came upon it, and must not call back.
	Damaged func(Damage)

	now func() time.Time // tests set it
}

// DefaultMaxBytes holds some tens of large programs with their packages.
const DefaultMaxBytes = 10 << 30

// A Store is the open store of one node. See Open.
type Store struct {
	dir     string
	id      string
	max     int64
	now     func() time.Time
	damages *damages
	actions *journal
	sources *journal

	mu       sync.Mutex
	verified map[Digest]mark // guarded by mu: files this Store has hashed, as they were then; see verified.go
}

// Open opens the store in a directory. It reads nothing that is large: the
// action cache is loaded when it is first asked. A store that may only be read
// is a store too, as long as nothing is put.
func Open(o Options) (*Store, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, &UsageError{fmt.Sprintf("the store's directory %q is not an absolute path", o.Dir), "name it from the root"}
	}
	// Private by default: who can write to a store chooses what is linked into
	// programs. Below it the umask decides, so that its owner may share it.
	if err := os.MkdirAll(filepath.Dir(o.Dir), 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(o.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Stat(o.Dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &UsageError{o.Dir + " is not a directory", "name another place for the store"}
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, &UsageError{"everyone may write to the store " + o.Dir, "chmod o-w it, and clear it unless all that is in it is trusted"}
	}
	s := &Store{
		dir:      o.Dir,
		max:      o.MaxBytes,
		now:      o.now,
		damages:  &damages{tell: o.Damaged},
		verified: map[Digest]mark{},
	}
	if s.max == 0 {
		s.max = DefaultMaxBytes
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, sub := range []string{"files", "actions", "sources", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	s.actions = s.journal("actions")
	s.sources = s.journal("sources")
	if s.id, err = s.identity(); err != nil {
		return nil, fmt.Errorf("naming the store %s: %w", s.dir, err)
	}
	return s, nil
}

func (s *Store) journal(name string) *journal {
	return &journal{dir: filepath.Join(s.dir, name), temp: s.temp, report: s.damages.report, now: s.now}
}

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// ID tells this store from others. Ranks with one ID, on one node or on a
// shared file system, have one store, and need not say twice what is in it.
func (s *Store) ID() string { return s.id }

// Close writes what is still to be written. The Store must not be used after.
func (s *Store) Close() error {
	return errors.Join(s.actions.close(), s.sources.close())
}

// identity reads the store's ID, or gives it one.
func (s *Store) identity() (string, error) {
	path := filepath.Join(s.dir, "id")
	id, err := readID(path)
	if id != "" || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	tmp := s.temp()
	defer os.Remove(tmp)
	if err := os.WriteFile(tmp, []byte(rand.Text()+"\n"), 0o644); err != nil {
		return "", err
	}
	// A link, unlike a rename, lets the first of several win. A rename is for
	// where there are no links, and for an ID that was truncated.
	if os.Link(tmp, path) != nil {
		if id, _ := readID(path); id != "" {
			return id, nil
		}
		if err := os.Rename(tmp, path); err != nil {
			return "", err
		}
	}
	return readID(path)
}

// maxID bounds what is read of the file that holds the ID.
const maxID = 128

func readID(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	id, err := io.ReadAll(io.LimitReader(f, maxID))
	return strings.TrimSpace(string(id)), err
}

// temp is the path of a file that is not there yet, on the store's file system.
func (s *Store) temp() string { return filepath.Join(s.dir, "tmp", rand.Text()) }

// path is where a file lies.
func (s *Store) path(d Digest) string {
	name := d.String()
	return filepath.Join(s.dir, "files", name[:2], name)
}
