package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Sight is what to look at in one directory.
type Sight struct {
	Dir   string          // absolute
	Names map[string]bool // files, whether they are there or not; "" is the directory itself, by its times
	// Presence lists names of which only counts whether they are there; true
	// where they must not have come since.
	Presence map[string]bool
	List     Listing
}

// A Listing says which of a directory's entries count: a name more or less
// among them shows, whatever is in it.
type Listing uint8

const (
	NoListing Listing = iota
	Sources           // what the go command may take for a source file, and directories
	All               // every name
)

// A Witness tells whether files and directories are as they were. It is made
// for looking often and seldom finding a change: a file is known by its size,
// times and inode, as in Source, and not read.
type Witness struct {
	Places []Place `msgpack:"p"`
}

// A Place is one directory as it was.
type Place struct {
	Dir      string            `msgpack:"d"`
	Names    []string          `msgpack:"n"`
	Shapes   []uint64          `msgpack:"s"`           // by Names; 0 for what was not there
	Contents map[string]Digest `msgpack:"c,omitempty"` // of files that had been changed too shortly before for their times to tell
	Present  map[string]bool   `msgpack:"e,omitempty"`
	List     Listing           `msgpack:"l,omitempty"`
	Ignored  []string          `msgpack:"i,omitempty"` // names that do not count in the listing
	Listed   uint64            `msgpack:"h,omitempty"`
}

// UnsettledError says that a file was changed while it was being used, so that
// nobody knows which of its contents was.
type UnsettledError struct{ Path string }

func (e *UnsettledError) Error() string { return e.Path + " has changed meanwhile" }

// tick is how far behind the time of day the times of a local file system may
// be: one tick of the kernel's clock at its slowest, 100 Hz, and as much again.
const tick = 20 * time.Millisecond

// Observe looks at everything in sights, which the caller has used since the
// time begun. Ignored lists absolute paths of what the caller itself makes.
// The error is *UnsettledError if anything was changed since.
func Observe(sights []Sight, begun time.Time, ignored []string) (Witness, error) {
	w := Witness{Places: make([]Place, len(sights))}
	err := each(len(sights), func(i int) (err error) {
		w.Places[i], err = observe(sights[i], begun, ignored)
		return err
	})
	return w, err
}

func observe(s Sight, begun time.Time, ignored []string) (Place, error) {
	p := Place{Dir: s.Dir, List: s.List}
	for name := range s.Names {
		p.Names = append(p.Names, name)
	}
	slices.Sort(p.Names)
	p.Shapes = make([]uint64, len(p.Names))
	for i, name := range p.Names {
		path := filepath.Join(s.Dir, name)
		shape, at := look(path)
		p.Shapes[i] = shape
		if slices.Contains(ignored, path) {
			continue
		}
		if !at.Before(begun.Add(-tick)) {
			return p, &UnsettledError{path}
		}
		if !at.Before(begun.Add(-racyMargin)) && name != "" {
			f, err := digestFile(path)
			if err != nil {
				return p, err
			}
			if p.Contents == nil {
				p.Contents = map[string]Digest{}
			}
			p.Contents[name] = f.Digest
		}
	}
	if len(s.Presence) > 0 {
		p.Present = map[string]bool{}
		for name, old := range s.Presence {
			path := filepath.Join(s.Dir, name)
			shape, at := look(path)
			if p.Present[name] = shape != 0; old && !settledBy(path, at, begun, ignored) {
				return p, &UnsettledError{path}
			}
		}
	}
	for _, path := range ignored {
		if filepath.Dir(path) == s.Dir {
			p.Ignored = append(p.Ignored, filepath.Base(path))
		}
	}
	var newest string
	var err error
	p.Listed, err = p.list(func(path string) {
		if _, at := look(path); !settledBy(path, at, begun, ignored) {
			newest = path
		}
	})
	if newest != "" {
		return p, &UnsettledError{newest}
	}
	return p, err
}

// settledBy reports whether what was last changed at some time has not been
// since begun. A directory that the caller puts something into may have been.
func settledBy(path string, at, begun time.Time, ignored []string) bool {
	return at.Before(begun.Add(-tick)) || slices.ContainsFunc(ignored, func(made string) bool {
		return made == path || strings.HasPrefix(made, path+"/")
	})
}

// Changed returns what is not as it was, in no order; nothing if all is.
func (w *Witness) Changed() []string {
	var mu sync.Mutex
	var changed []string
	_ = each(len(w.Places), func(i int) error {
		if found := w.Places[i].changed(); len(found) > 0 {
			mu.Lock()
			changed = append(changed, found...)
			mu.Unlock()
		}
		return nil
	})
	return changed
}

// Holds reports whether all is as it was. It looks first at what lies below a
// directory, where a change is likeliest, and no further than at the first one.
func (w *Witness) Holds(likely string) bool {
	places := make([]*Place, len(w.Places))
	for i := range w.Places {
		places[i] = &w.Places[i]
	}
	n := 0 // of those that are likely
	for i, p := range places {
		if p.Dir == likely || strings.HasPrefix(p.Dir, likely+"/") {
			places[i], places[n] = places[n], p
			n++
		}
	}
	for _, part := range [][]*Place{places[:n], places[n:]} {
		var found atomic.Bool
		_ = each(len(part), func(i int) error {
			if !found.Load() && len(part[i].changed()) > 0 {
				found.Store(true)
			}
			return nil
		})
		if found.Load() {
			return false
		}
	}
	return true
}

func (p *Place) changed() (changed []string) {
	if len(p.Shapes) != len(p.Names) {
		return []string{p.Dir}
	}
	for i, name := range p.Names {
		path := filepath.Join(p.Dir, name)
		if want, ok := p.Contents[name]; ok {
			if f, err := digestFile(path); err != nil || f.Digest != want {
				changed = append(changed, path)
			}
			continue
		}
		if shape, _ := look(path); shape != p.Shapes[i] {
			changed = append(changed, path)
		}
	}
	for name, was := range p.Present {
		if path := filepath.Join(p.Dir, name); present(path) != was {
			changed = append(changed, path)
		}
	}
	if listed, err := p.list(func(string) {}); err != nil || listed != p.Listed {
		changed = append(changed, p.Dir)
	}
	return changed
}

// list digests the names of a directory's entries that count, and shows each.
func (p *Place) list(show func(path string)) (uint64, error) {
	if p.List == NoListing {
		return 0, nil
	}
	entries, err := os.ReadDir(p.Dir) // sorted
	if err != nil {
		return 0, err
	}
	h := sha256.New()
	for _, e := range entries {
		name := e.Name()
		if slices.Contains(p.Ignored, name) || !p.List.counts(name, e.IsDir()) {
			continue
		}
		show(filepath.Join(p.Dir, name))
		writeString(h, fmt.Sprint(name, e.IsDir()))
	}
	return binary.LittleEndian.Uint64(h.Sum(nil)), nil
}

// counts reports whether an entry makes a difference. What version control
// keeps makes none: it changes when it is only looked at.
func (l Listing) counts(name string, dir bool) bool {
	if l == All {
		return !slices.Contains(Repositories, name)
	}
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") && (dir || source(name))
}

// Repositories are the names that mark the root of a checkout.
// See GOROOT/src/cmd/go/internal/vcs/vcs.go, go1.26.
var Repositories = []string{".git", ".hg", ".bzr", ".svn", ".fslckout", "_FOSSIL_"}

// sourceEndings are what the go command looks at in a package's directory.
// See goodOSArchFile and matchFile in GOROOT/src/go/build/build.go, go1.26.
var sourceEndings = []string{
	".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90", ".s", ".S", ".sx",
	".swig", ".swigcxx", ".syso", ".pgo", ".mod", ".sum", ".work",
}

func source(name string) bool { return slices.Contains(sourceEndings, filepath.Ext(name)) }

// IsSource reports whether a file of this name counts in a listing of Sources.
func IsSource(name string) bool { return source(name) }

// Shape tells a file from a changed one, and from any other; 0 says that there
// is none. It is for files that nobody changes within a tick of the clock.
func Shape(path string) uint64 {
	shape, _ := look(path)
	return shape
}

// look returns what tells a file from a changed one, 0 if there is none, and
// when it was last changed: its content cannot be without the time of change,
// which nobody can set.
func look(path string) (uint64, time.Time) {
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Stat(path, &st) }); err != nil {
		return 0, time.Time{}
	}
	var b [56]byte
	for i, v := range []int64{st.Size, st.Mtim.Nano(), st.Ctim.Nano(), int64(st.Ino), int64(st.Dev), int64(st.Mode), 1} {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
	}
	sum := sha256.Sum256(b[:])
	return binary.LittleEndian.Uint64(sum[:]), time.Unix(0, st.Ctim.Nano())
}

func present(path string) bool {
	shape, _ := look(path)
	return shape != 0
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// each calls f for 0 to n-1 on all processors and returns the first error.
func each(n int, f func(int) error) error {
	workers := min(runtime.GOMAXPROCS(0), n)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n && errs[k] == nil; i += workers {
				errs[k] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
