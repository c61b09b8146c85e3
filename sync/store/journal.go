package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A journal is a directory of segments and an index of the records in them.
// Damage in it is reported and otherwise as if it were not there.
type journal struct {
	dir    string
	temp   func() string
	report func(path, format string, args ...any)
	now    func() time.Time

	loading sync.Once

	mu       sync.RWMutex
	index    map[[32]byte]ref // guarded by mu
	segments []segment        // guarded by mu

	writing sync.Mutex // guards own, and orders what is written to it
	own     *writer
}

// A segment is a file of records, in memory.
type segment struct {
	name   string // without its ending
	data   []byte
	closed bool // nobody writes to the file any more
	gone   bool // the file was merged into another
}

// A ref is where the latest record of a key lies.
type ref struct {
	segment, offset uint32
	stamp           int64
}

const (
	openEnding   = ".open" // its writer lives, or was killed
	closedEnding = ".log"
	// maxSegment bounds what is read of one file. It is some millions of
	// records; merge makes none that is larger.
	maxSegment = 1 << 30
	// writerPatience is after how long without a word a writer counts as dead
	// where no lock can tell. If it lives after all, what it writes may be lost.
	writerPatience = 24 * time.Hour
	// recordEstimate, in bytes, is for making the index large enough at once.
	recordEstimate = 160
)

// load reads all segments, once. What it finds damaged it writes anew, so that
// nobody comes upon it again.
func (j *journal) load() {
	j.loading.Do(func() {
		found := j.read()
		total := 0
		for _, s := range found {
			total += len(s.data)
		}
		j.mu.Lock()
		j.index = make(map[[32]byte]ref, total/recordEstimate)
		gaps := make([][]gap, len(found))
		for i, s := range found {
			j.segments = append(j.segments, segment{name: s.name, data: s.data, closed: s.closed})
			gaps[i] = scan(s.data, func(at int, r []byte) { j.note(i, at, r) })
		}
		j.mu.Unlock()
		var damaged []int
		for i, s := range found {
			if j.settle(i, s, gaps[i]) {
				damaged = append(damaged, i)
			}
		}
		if len(damaged) > 0 {
			_ = j.rewrite(damaged, nil) // fails where the store may only be read
		}
	})
}

// settle gives a dead writer's segment its ending, and reports whether one
// that nobody writes to is damaged.
func (j *journal) settle(i int, s foundSegment, gaps []gap) bool {
	path, open := filepath.Join(j.dir, s.name+closedEnding), filepath.Join(j.dir, s.name+openEnding)
	if n := len(gaps); n > 0 && !s.closed && gaps[n-1].end == len(s.data) {
		// The last record is being written, or its writer was killed over it.
		if s.dead {
			_ = os.Truncate(open, int64(gaps[n-1].start))
		}
		gaps = gaps[:n-1]
	}
	if s.dead && os.Rename(open, path) == nil {
		s.closed = true
		j.mu.Lock()
		j.segments[i].closed = true
		j.mu.Unlock()
	}
	if len(gaps) == 0 {
		return false
	}
	if !s.closed {
		path = open
	}
	j.report(path, "%d places in it are not as they were written, the first at byte %d; what was recorded there is lost", len(gaps), gaps[0].start)
	return s.closed
}

// note enters a record in the index. The caller holds mu.
func (j *journal) note(segment, offset int, record []byte) {
	key, stamp := recordKey(record), recordStamp(record)
	if old, ok := j.index[key]; !ok || stamp >= old.stamp {
		j.index[key] = ref{uint32(segment), uint32(offset), stamp}
	}
}

// A foundSegment is one that load came upon.
type foundSegment struct {
	name   string
	data   []byte
	closed bool
	dead   bool // not closed, but nobody will write to it any more
}

// read reads the segments' files. A file that vanishes between the listing and
// the reading was merged, into one that the next listing has.
func (j *journal) read() []foundSegment {
	var found []foundSegment
	seen := map[string]bool{}
	// Each attempt but the first means that another run has just merged; it
	// does so at most once.
	const attempts = 20
	for range attempts {
		entries, err := os.ReadDir(j.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.report(j.dir, "%v", err)
		}
		vanished := false
		for _, e := range entries {
			ending := filepath.Ext(e.Name())
			name := e.Name()[:len(e.Name())-len(ending)]
			if ending != openEnding && ending != closedEnding || seen[name] {
				continue
			}
			f, err := j.readSegment(name, ending)
			if errors.Is(err, fs.ErrNotExist) {
				vanished = true
				continue
			}
			seen[name] = true
			if err != nil {
				j.report(filepath.Join(j.dir, e.Name()), "%v", err)
				continue
			}
			found = append(found, f)
		}
		if !vanished {
			break
		}
	}
	return found
}

func (j *journal) readSegment(name, ending string) (foundSegment, error) {
	s := foundSegment{name: name, closed: ending == closedEnding}
	file, err := os.Open(filepath.Join(j.dir, name+ending))
	if err != nil {
		return s, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return s, err
	}
	if info.Size() > maxSegment {
		return s, errors.New("it is larger than any that was written")
	}
	if !s.closed {
		got, supported := tryLock(file)
		s.dead = got || !supported && j.now().Sub(info.ModTime()) > writerPatience
	}
	s.data = make([]byte, info.Size())
	n, err := file.ReadAt(s.data, 0)
	s.data = s.data[:n]
	if errors.Is(err, io.EOF) {
		err = nil // it was truncated just now
	}
	return s, err
}

// payload returns the latest payload of a key. It must not be changed.
func (j *journal) payload(key [32]byte) ([]byte, time.Time, bool) {
	j.load()
	j.mu.RLock()
	defer j.mu.RUnlock()
	at, ok := j.index[key]
	if !ok {
		return nil, time.Time{}, false
	}
	return recordPayload(j.at(at)), time.Unix(0, at.stamp), true
}

// at returns a record of the index. The caller holds mu.
func (j *journal) at(r ref) []byte {
	data, _ := record(j.segments[r.segment].data[r.offset:])
	return data
}
