package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// racyMargin is how long a file must have been left alone before it was
	// read, for its digest to be remembered: a change within one tick of the
	// file system's clock would not show in its times. Ticks are 10 ms on Linux
	// and 1 or 2 s on old file systems; the rest is for a server whose clock
	// lags behind. See racy-git in git's documentation.
	racyMargin = 3 * time.Second
	// sourceAge is after how long out of use a digest is forgotten, and
	// sourceRenewal how old its record may be before a use is recorded.
	sourceAge     = 30 * 24 * time.Hour
	sourceRenewal = 10 * 24 * time.Hour
	// sourceAttempts is how often a file is read that changes meanwhile. An
	// editor saves once.
	sourceAttempts = 3
)

// Source returns what is in a source file, which may lie anywhere. A file that
// is as it was when it was last read, by path, size, times and inode, is only
// opened, which on NFS is what brings its times up to date.
func (s *Store) Source(path string) (File, error) {
	for range sourceAttempts {
		f, err := s.source(path)
		if !errors.Is(err, errChanging) {
			return f, err
		}
	}
	return File{}, fmt.Errorf("reading %s: %w", path, errChanging)
}

var errChanging = errors.New("it is being changed")

func (s *Store) source(path string) (File, error) {
	key := sha256.Sum256([]byte(path))
	started := s.now()
	if f, ok := s.recall(key, path, started); ok {
		return f, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return File{}, err
	}
	if before.IsDir() {
		return File{}, fmt.Errorf("reading %s: it is a directory", path)
	}
	is := shape(before)
	f, err := digest(in)
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", path, err)
	}
	after, err := in.Stat()
	if err != nil {
		return File{}, err
	}
	if is != shape(after) || f.Size != before.Size() {
		return File{}, errChanging
	}
	if before.Mode().IsRegular() && settled(before, started) {
		_ = s.sources.add(key, append(is[:], f.Digest[:]...), false) // if it is not remembered it is read again
	}
	return f, nil
}

// recall returns what is remembered of a file, if it is as it was. A build asks
// for thousands: os.Open would make five more system calls for each.
func (s *Store) recall(key [32]byte, path string, at time.Time) (File, bool) {
	payload, stamp, ok := s.sources.payload(key)
	if !ok {
		return File{}, false
	}
	var st unix.Stat_t
	if statOpened(path, &st) != nil {
		return File{}, false
	}
	is := shapeOf(st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Ino)
	if len(payload) != len(is)+sha256.Size || string(payload[:len(is)]) != string(is[:]) {
		return File{}, false
	}
	if at.Sub(stamp) > sourceRenewal {
		_ = s.sources.add(key, payload, false)
	}
	return File{Digest(payload[len(is):]), st.Size}, true
}

// statOpened looks at a file that it opens for that.
func statOpened(path string, st *unix.Stat_t) error {
	fd := -1
	err := ignoringEINTR(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // a pipe must not hold it up
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// settled reports whether a file had not changed for a while by some time. A
// file from the future has.
func settled(info fs.FileInfo, by time.Time) bool {
	return by.Sub(info.ModTime()) > racyMargin && by.Sub(changed(info)) > racyMargin
}

// shape is what must be the same for a file to count as unchanged: size,
// modification time, time of change, inode. Content cannot change without the
// time of change, which nobody can set.
func shape(info fs.FileInfo) [32]byte {
	return shapeOf(info.Size(), info.ModTime().UnixNano(), changed(info).UnixNano(), inode(info))
}

func shapeOf(size, written, changed int64, inode uint64) (b [32]byte) {
	for i, v := range []uint64{uint64(size), uint64(written), uint64(changed), inode} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return b
}
