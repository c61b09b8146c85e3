package store

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A keeper chooses what stays in a journal.
type keeper func(key [32]byte, stamp time.Time, payload []byte) bool

// rewrite makes one segment of several closed ones: of the records in them
// that are the latest of their keys, those that keep, if there is one, wants
// kept. The old files go when the new one has its name.
func (j *journal) rewrite(which []int, keep keeper) error {
	old := make(map[uint32]bool, len(which))
	for _, i := range which {
		old[uint32(i)] = true
	}
	data, dropped := j.collect(old, keep)
	tmp := j.temp()
	name := filepath.Base(tmp)
	if len(data) > 0 {
		defer os.Remove(tmp) // no longer there after the rename
		if err := os.WriteFile(tmp, data, 0o666); err != nil {
			return err
		}
		if err := os.Rename(tmp, filepath.Join(j.dir, name+closedEnding)); err != nil {
			return err
		}
	}
	err := j.removeSegments(which)

	j.mu.Lock()
	defer j.mu.Unlock()
	into := len(j.segments)
	j.segments = append(j.segments, segment{name: name, data: data, closed: true, gone: len(data) == 0})
	scan(data, func(at int, r []byte) { j.note(into, at, r) }) // with the same stamp, the later one wins
	for _, key := range dropped {
		if old[j.index[key].segment] {
			delete(j.index, key)
		}
	}
	for _, i := range which {
		j.segments[i].gone = true
	}
	return err
}

// collect copies the latest records of some segments.
func (j *journal) collect(from map[uint32]bool, keep keeper) (data []byte, dropped [][32]byte) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for key, at := range j.index {
		if !from[at.segment] {
			continue
		}
		if r := j.at(at); keep == nil || keep(key, time.Unix(0, at.stamp), recordPayload(r)) {
			data = append(data, r...)
		} else {
			dropped = append(dropped, key)
		}
	}
	return data, dropped
}

func (j *journal) removeSegments(which []int) error {
	var paths []string
	j.mu.RLock()
	for _, i := range which {
		paths = append(paths, filepath.Join(j.dir, j.segments[i].name+closedEnding))
	}
	j.mu.RUnlock()
	var err error
	for _, path := range paths {
		if rerr := os.Remove(path); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// maxSegments is how many files a journal may have before some are merged. A
// run leaves one for each rank, and a file costs a load some tens of
// microseconds.
const maxSegments = 16

// merge makes few segments of many.
func (j *journal) merge() error {
	j.load()
	which, sizes := j.closed()
	if len(which) <= maxSegments {
		return nil
	}
	return j.rewrite(choose(which, sizes), nil)
}

// clean merges all closed segments and leaves out what keep does not want.
func (j *journal) clean(keep keeper) error {
	j.load()
	which, _ := j.closed()
	if len(which) == 0 {
		return nil
	}
	return j.rewrite(which, keep)
}

// closed lists the segments that may be merged, and their sizes in bytes.
func (j *journal) closed() (which []int, sizes map[int]int) {
	sizes = map[int]int{}
	j.mu.RLock()
	defer j.mu.RUnlock()
	for i, s := range j.segments {
		if s.closed && !s.gone {
			which = append(which, i)
			sizes[i] = len(s.data)
		}
	}
	return which, sizes
}

// choose returns the smaller segments: each that is at most twice as large as
// all before it together. So a record is written again only when what it lies
// in grows by half or more, however many small segments come.
func choose(which []int, sizes map[int]int) []int {
	which = slices.Clone(which)
	slices.SortFunc(which, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	sum := 0
	for n, i := range which {
		if n > 1 && sizes[i] > 2*sum || sum+sizes[i] > maxSegment {
			return which[:n]
		}
		sum += sizes[i]
	}
	return which
}
