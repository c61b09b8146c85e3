package exchange

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/badbubble/distgo/transport"
)

// KindPut is the message that carries an artifact.
const KindPut transport.Kind = 33

// A Digest is the SHA-256 of a file.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// A File is an artifact as the exchange sees it.
type File struct {
	ID   int32
	Path string         // below the directory of every rank, slash-separated
	Lane transport.Lane // the lane it takes
}

// put is the body of a KindPut message; the file's bytes follow it.
type put struct {
	ID     int32  `msgpack:"i"`
	Digest []byte `msgpack:"d"`
}

// An Exchange sends and receives the artifacts of one rank in one run.
type Exchange struct {
	world *transport.World
	dir   string
	file  func(id int32) (File, bool)

	mu      sync.Mutex
	offered map[int32]offer  // guarded by mu
	claimed map[int32]*offer // files that this rank is making, and what came of them meanwhile, nil if nothing did; guarded by mu
}

type offer struct {
	digest  Digest
	size    int64
	written time.Time // last, when the digest was taken
	stored  bool      // it came out of a store
}

// New returns the exchange of a rank whose artifacts lie below dir. File looks
// an artifact up in the plan.
func New(world *transport.World, dir string, file func(id int32) (File, bool)) *Exchange {
	return &Exchange{world: world, dir: dir, file: file, offered: map[int32]offer{}, claimed: map[int32]*offer{}}
}

// Offer digests a file that was just made, so that it can be put to peers.
func (x *Exchange) Offer(f File) error {
	file, err := os.Open(x.path(f))
	if err != nil {
		return err
	}
	defer file.Close()
	o, err := digest(file)
	if err != nil {
		return fmt.Errorf("digesting %s: %w", f.Path, err)
	}
	x.mu.Lock()
	x.offered[f.ID] = o
	x.mu.Unlock()
	return nil
}

func digest(file *os.File) (o offer, err error) {
	info, err := file.Stat()
	if err != nil {
		return o, err
	}
	o.written = info.ModTime()
	h := sha256.New()
	o.size, err = io.Copy(h, file)
	h.Sum(o.digest[:0])
	return o, err
}

// DigestFile digests a file that is no artifact.
func DigestFile(path string) (d Digest, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return d, 0, err
	}
	defer file.Close()
	o, err := digest(file)
	return o.digest, o.size, err
}

// Altered reports whether a file that is here is no longer what its digest says: it is a link of a file in a store, and
// somebody wrote to that. It reads the file only where its times or size differ from those that it had.
func (x *Exchange) Altered(f File) bool {
	o, ok := x.offer(f.ID)
	if !ok {
		return false
	}
	info, err := os.Stat(x.path(f))
	if err != nil || info.Size() == o.size && info.ModTime().Equal(o.written) {
		return false // who reads a file that is gone notices
	}
	file, err := os.Open(x.path(f))
	if err != nil {
		return false
	}
	defer file.Close()
	now, err := digest(file)
	return err != nil || now.digest != o.digest
}

// Digest returns a file's digest if it is known: the file was offered,
// received, or came out of a store.
func (x *Exchange) Digest(f File) (Digest, bool) {
	o, ok := x.offer(f.ID)
	return o.digest, ok
}

// Known tells the digest of a file that came out of a store and is in its
// place, so that it need not be read to be put to peers.
func (x *Exchange) Known(f File, d Digest, size int64) {
	o := offer{digest: d, size: size, stored: true}
	if info, err := os.Stat(x.path(f)); err == nil {
		o.written = info.ModTime()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.offered[f.ID] = o
}

// Stored returns what is in a file that came out of a store; ok is false for
// one that did not.
func (x *Exchange) Stored(f File) (d Digest, size int64, ok bool) {
	o, _ := x.offer(f.ID)
	return o.digest, o.size, o.stored
}

// Put queues a file for a peer. It returns at once when the file was offered
// or received before, and digests it first when not.
func (x *Exchange) Put(to transport.Rank, f File) error {
	o, ok := x.offer(f.ID)
	if !ok {
		if err := x.Offer(f); err != nil {
			return fmt.Errorf("putting %s to rank %d: %w", f.Path, to, err)
		}
		o, _ = x.offer(f.ID)
	}
	path := x.path(f)
	return x.world.Send(to, f.Lane, transport.Message{
		Kind: KindPut,
		Body: put{f.ID, o.digest[:]},
		Blob: &transport.Blob{Size: o.size, Open: func() (io.ReadCloser, error) { return os.Open(path) }},
	})
}

// ErrClaimed says that an artifact was not put in its place, because this rank is making it.
var ErrClaimed = errors.New("this rank makes the file itself")

// Claim says that this rank begins to make a file: a copy of it, from a rank that was lost, gave its action up, or makes
// it as well, must not take its place meanwhile. Claim returns false if one has come before.
func (x *Exchange) Claim(f File) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, here := x.offered[f.ID]; here {
		return false
	}
	x.claimed[f.ID] = nil
	return true
}

// Release takes back what Claim said: the file was not made, or not to its end. If a copy has come meanwhile, and the
// file was not offered, that takes its place, and here is true.
func (x *Exchange) Release(f File) (here bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	came := x.claimed[f.ID]
	delete(x.claimed, f.ID)
	if _, have := x.offered[f.ID]; have || came == nil {
		return false, nil
	}
	if err := os.Rename(x.path(f)+meanwhile, x.path(f)); err != nil {
		return false, err
	}
	x.offered[f.ID] = *came
	return true, nil
}

// meanwhile ends the name of what came while this rank was making the file itself.
const meanwhile = ".meanwhile"

// arrived puts a file in its place that was written beside it, and counts it as
// here, unless it is being made. Of two that come at once the first stays, since
// somebody may be reading it.
func (x *Exchange) arrived(f File, written string, o offer) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, claimed := x.claimed[f.ID]; claimed {
		if err := os.Rename(written, x.path(f)+meanwhile); err != nil {
			return err
		}
		x.claimed[f.ID] = &o
		return ErrClaimed
	}
	if _, have := x.offered[f.ID]; have {
		return nil
	}
	if err := os.Rename(written, x.path(f)); err != nil {
		return err
	}
	x.offered[f.ID] = o
	return nil
}

// Receive stores the artifact that a KindPut frame carries and returns its
// number. A second copy of a file that is here is read and thrown away; one that
// this rank is making is kept until Release, which is ErrClaimed.
func (x *Exchange) Receive(frame transport.Frame) (int32, error) {
	var m put
	if err := frame.Decode(&m); err != nil {
		return 0, err
	}
	f, ok := x.file(m.ID)
	if !ok {
		return 0, fmt.Errorf("artifact %d is not in the plan", m.ID)
	}
	if len(m.Digest) != sha256.Size {
		return 0, fmt.Errorf("digest of %s has %d bytes", f.Path, len(m.Digest))
	}
	if _, have := x.offer(f.ID); have {
		if frame.Blob == nil {
			return f.ID, nil
		}
		_, err := io.Copy(io.Discard, frame.Blob)
		return f.ID, err
	}
	path := x.path(f)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	err := store(path, frame, Digest(m.Digest), func(tmp string, written time.Time) error {
		return x.arrived(f, tmp, offer{Digest(m.Digest), frame.BlobSize, written, false})
	})
	if err != nil {
		return 0, fmt.Errorf("receiving %s: %w", f.Path, err)
	}
	return f.ID, nil
}

// Supply puts a file in its place that a peer has and this rank's store has,
// too: put makes it at a path, whole and verified. Nothing is done for a file
// that is here; one that this rank is making is ErrClaimed.
func (x *Exchange) Supply(f File, d Digest, size int64, put func(path string) error) error {
	return x.place(f, d, size, true, put)
}

func (x *Exchange) place(f File, d Digest, size int64, stored bool, put func(path string) error) error {
	if _, have := x.offer(f.ID); have {
		return nil
	}
	path := x.path(f)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), ".part-"+rand.Text())
	defer os.Remove(tmp) // no longer there after the rename
	if err := put(tmp); err != nil {
		return err
	}
	info, err := os.Stat(tmp)
	if err != nil {
		return err
	}
	return x.arrived(f, tmp, offer{d, size, info.ModTime(), stored})
}

// Adopt puts a file in its place that this rank has made at another path of the same
// file system, and counts it as here. It stays at that path, too, and must not change.
// Nothing is done for a file that is here; of one that this rank is making it is ErrClaimed.
func (x *Exchange) Adopt(f File, path string, d Digest, size int64) error {
	return x.place(f, d, size, false, func(tmp string) error { return os.Link(path, tmp) })
}

// A DamagedError says that an artifact did not arrive as its sender had made it.
type DamagedError struct{ Bytes int64 }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("its %d bytes are not those that were sent: the digests differ", e.Bytes)
}

// Store puts the bytes of a frame at path, which is no artifact's, when they are
// what the digest says; else it is a *DamagedError, and nothing is there.
func Store(path string, frame transport.Frame, want Digest) error {
	return store(path, frame, want, func(tmp string, _ time.Time) error { return os.Rename(tmp, path) })
}

// store writes the frame's bytes to a temporary name beside path. When they are
// what the digest says, put renames it.
func store(path string, frame transport.Frame, want Digest, put func(tmp string, written time.Time) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // no longer there after the rename
	h := sha256.New()
	var blob io.Reader = strings.NewReader("") // an empty file
	if frame.Blob != nil {
		blob = frame.Blob
	}
	n, err := io.Copy(io.MultiWriter(tmp, h), blob)
	info, serr := tmp.Stat()
	if err == nil {
		err = serr
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if n != frame.BlobSize {
		return fmt.Errorf("%d bytes arrived of %d: %w", n, frame.BlobSize, io.ErrUnexpectedEOF)
	}
	if Digest(h.Sum(nil)) != want {
		return &DamagedError{n}
	}
	return put(tmp.Name(), info.ModTime())
}

// Size is the size of a file that is here, in bytes.
func (x *Exchange) Size(f File) (int64, error) {
	if o, ok := x.offer(f.ID); ok {
		return o.size, nil
	}
	fi, err := os.Stat(x.path(f))
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (x *Exchange) offer(id int32) (offer, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, ok := x.offered[id]
	return o, ok
}

func (x *Exchange) path(f File) string { return filepath.Join(x.dir, filepath.FromSlash(f.Path)) }
