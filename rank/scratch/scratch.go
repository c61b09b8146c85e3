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
	home     *home
	name     string
	dir      string
	lock     *os.File
	guardian *guardian
	swept    []string
	sweepErr error

	closing sync.Once
	closed  error
}

// Open makes a directory of its own for a rank below base and starts its guardian, exe, without waiting for it to get
// going. exe is distgo itself, "" the executable of this process. First it clears away what dead runs of this user left
// below base; see [Scratch.Swept]. run is used in the directory's name.
func Open(base, run string, rank int, exe string) (*Scratch, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(run) {
		return nil, &Error{fmt.Sprintf("the run ID %q does not fit a file name", run), "it is made of letters, digits, '.', '_' and '-', at most 64"}
	}
	// A run that closes removes an empty home, so one may go between our making it and our first file in it. Each time
	// another run has made progress; that many in a row means that something else is wrong.
	const attempts = 20
	var err error
	for range attempts {
		var s *Scratch
		if s, err = open(base, run, rank, exe); err == nil {
			return s, nil
		}
		if !errors.Is(err, errHomeGone) {
			break
		}
	}
	return nil, err
}

func open(base, run string, rank int, exe string) (_ *Scratch, err error) {
	home, err := openHome(base)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			home.leave()
		}
	}()
	s := &Scratch{home: home}
	s.swept, s.sweepErr = home.sweep()
	s.name = fmt.Sprintf("%s-%d-%s", run, rank, strings.ToLower(rand.Text()[:10])) // 50 bits: enough among one user's runs
	s.dir = filepath.Join(home.path, s.name)
	if s.guardian, err = startGuardian(exe, s.dir); err != nil { // first: this process may be killed at any moment
		return nil, err
	}
	if s.lock, err = home.lock(s.name); err != nil {
		return nil, errors.Join(err, s.guardian.dismiss())
	}
	if err = home.root.Mkdir(s.name, 0o700); err != nil {
		return nil, errors.Join(err, home.remove(s.name), s.lock.Close(), s.guardian.dismiss())
	}
	return s, nil
}

// Dir returns the directory: absolute, and without symbolic links.
func (s *Scratch) Dir() string { return s.dir }

// Env returns the entry that must be in the environment of every process that a rank starts: what carries it dies with
// the rank.
func (s *Scratch) Env() string { return marker(s.dir) }

func marker(dir string) string { return "DISTGO_SCRATCH=" + dir }

// Swept returns the directories of dead runs that Open cleared away, and why some could not be. That is worth a line to
// the user, but no reason not to build.
func (s *Scratch) Swept() ([]string, error) { return s.swept, s.sweepErr }

// Keep lets the directory stay after Close, or after a sudden death.
func (s *Scratch) Keep() error { return markKept(s.lock) }

// Close ends what the rank's tools may have left running, removes the directory, and dismisses the guardian.
func (s *Scratch) Close() error {
	s.closing.Do(func() {
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
