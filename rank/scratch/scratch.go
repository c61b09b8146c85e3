package scratch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// Error says that a directory or a name cannot be used. It belongs to the usage family.
type Error struct {
	Text string
	Hint string // what to do about it
}

func (e *Error) Error() string { return e.Text + ": " + e.Hint }

// Scratch is a rank's private directory.
type Scratch struct {
	base string
	name string
	dir  string
	exe  string

	making   sync.Once
	unmade   error // why there is no directory
	home     *home // nil where there is none
	lock     *os.File
	guardian *guardian
	swept    []string
	sweepErr error

	closing sync.Once
	closed  error
}

// Open reserves a directory and makes it.
func Open(base, run string, rank int, exe string) (*Scratch, error) {
	s, err := Reserve(base, run, rank, exe)
	if err == nil {
		err = s.Make()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Reserve names a directory of its own for a rank below base, and makes nothing yet: a rank that finds nothing to do needs
// none. run is used in the directory's name. exe is distgo itself, "" the executable of this process.
func Reserve(base, run string, rank int, exe string) (*Scratch, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(run) {
		return nil, &Error{fmt.Sprintf("the run ID %q does not fit a file name", run), "it is made of letters, digits, '.', '_' and '-', at most 64"}
	}
	base, err := trueBase(base)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s-%d-%s", run, rank, strings.ToLower(rand.Text()[:10])) // 50 bits: enough among one user's runs
	return &Scratch{base: base, name: name, dir: filepath.Join(homePath(base), name), exe: exe}, nil
}

// Make makes the directory and starts its guardian, without waiting for that to get going. First it clears away what dead
// runs of this user left below the base; see [Scratch.Swept]. It does so once, and returns the same again.
func (s *Scratch) Make() error {
	s.making.Do(func() {
		// A run that closes removes an empty home, so one may go between our making it and our first file in it. Each time
		// another run has made progress; that many in a row means that something else is wrong.
		const attempts = 20
		for range attempts {
			if s.unmade = s.make(); !errors.Is(s.unmade, errHomeGone) {
				break
			}
		}
	})
	return s.unmade
}

func (s *Scratch) make() (err error) {
	home, err := openHome(s.base)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			home.leave()
		}
	}()
	s.swept, s.sweepErr = home.sweep()
	if s.guardian, err = startGuardian(s.exe, s.dir); err != nil { // first: this process may be killed at any moment
		return err
	}
	if s.lock, err = home.lock(s.name); err != nil {
		return errors.Join(err, s.guardian.dismiss())
	}
	if err = home.root.Mkdir(s.name, 0o700); err != nil {
		return errors.Join(err, home.remove(s.name), s.lock.Close(), s.guardian.dismiss())
	}
	s.home = home
	return nil
}

// Dir returns the directory: absolute, and without symbolic links. It is there from [Scratch.Make] on.
func (s *Scratch) Dir() string { return s.dir }

// Base returns the directory below which all of this lies.
func (s *Scratch) Base() string { return s.base }

// Env returns the entry that must be in the environment of every process that a rank starts: what carries it dies with
// the rank.
func (s *Scratch) Env() string { return marker(s.dir) }

func marker(dir string) string { return "DISTGO_SCRATCH=" + dir }

// Swept returns the directories of dead runs that Open cleared away, and why some could not be. That is worth a line to
// the user, but no reason not to build.
func (s *Scratch) Swept() ([]string, error) { return s.swept, s.sweepErr }

// Keep lets the directory, which is made, stay after Close, or after a sudden death.
func (s *Scratch) Keep() error { return markKept(s.lock) }

// Close ends what the rank's tools may have left running, removes the directory, and dismisses the guardian. Where nothing
// was made, nothing is from now on.
func (s *Scratch) Close() error {
	s.closing.Do(func() {
		s.making.Do(func() { s.unmade = errors.New("the scratch directory was closed before it was made") })
		if s.home == nil {
			return
		}
		err := s.home.clean(s.name, s.lock)
		// If cleaning went wrong the guardian is left to try again after us.
		if err == nil {
			err = s.guardian.dismiss()
		} else {
			err = errors.Join(err, s.guardian.abandon())
		}
		s.closed = errors.Join(err, s.lock.Close(), s.home.leave())
	})
	return s.closed
}

// isGone says that a file or its directory is not there any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
