package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// A file that was read and found undamaged is not read again while it is the
// same file with the same times, on this machine, until that is started anew:
// what a crash left of a file may look like the whole of it.

// A mark says which file it was that was found undamaged.
type mark [24]byte

func markOf(info fs.FileInfo) (m mark) {
	binary.LittleEndian.PutUint64(m[:], inode(info))
	binary.LittleEndian.PutUint64(m[8:], uint64(info.Size()))
	// Not the time of change, as of sources: every link that is made moves it.
	binary.LittleEndian.PutUint64(m[16:], uint64(info.ModTime().UnixNano()))
	return m
}

// bootID is another each time this machine is started, "" where that cannot be told.
var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
})

func (s *Store) isVerified(f File, info fs.FileInfo) bool {
	is := markOf(info)
	s.mu.Lock()
	m, ok := s.verified[f.Digest]
	s.mu.Unlock()
	if ok || bootID() == "" {
		return ok && m == is && f.Size == info.Size()
	}
	payload, _, ok := s.sources.payload(verifiedKey(f.Digest))
	return ok && string(payload) == string(is[:])+bootID() && f.Size == info.Size()
}

// remember that a file, as it was at some time, is undamaged.
func (s *Store) remember(f File, info fs.FileInfo, at time.Time) {
	m := markOf(info)
	s.mu.Lock()
	s.verified[f.Digest] = m
	s.mu.Unlock()
	if bootID() != "" && at.Sub(info.ModTime()) > racyMargin { // else a change might not show
		_ = s.sources.add(verifiedKey(f.Digest), append(m[:], bootID()...), false) // if it is not remembered it is read again
	}
}

// verifiedKey is where the journal of sources has a file's mark.
func verifiedKey(d Digest) [32]byte {
	return sha256.Sum256(append([]byte("verified "), d[:]...))
}

// judge compares what a file is with what it should be. It was read from some
// time on.
func (s *Store) judge(f File, info fs.FileInfo, started time.Time, is File) error {
	if is == f {
		s.remember(f, info, started)
		return nil
	}
	reason := "its content has another digest"
	if is.Size != f.Size {
		reason = fmt.Sprintf("it has %d bytes, not %d", is.Size, f.Size)
	}
	s.discard(s.path(f.Digest), info, reason)
	return fmt.Errorf("%s was damaged: %w", f.Digest, ErrAbsent)
}
