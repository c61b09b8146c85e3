package stage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/badbubble/distgo/sync/stage/remote"
)

// A small file costs six requests over SFTP, more than all else about it. So small files go as one stream to the distgo
// that was put on the node first: for each a line of JSON, its bytes, and nothing between them.

// UnpackArgument is the argument by which distgo is told to unpack a stream.
const UnpackArgument = "unpack"

// Serve does on a node what the argument says, for a Put elsewhere.
func Serve(argument string, r io.Reader, w io.Writer) error {
	if argument != UnpackArgument {
		return Digests(r, w)
	}
	// The distgo of a Put that was killed just now may still be busy with what it has received, under the same names.
	path, err := os.Executable()
	if err != nil {
		return err
	}
	alone, err := os.Open(path)
	if err != nil {
		return err
	}
	defer alone.Close() // which unlocks it
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(alone.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", path, err)
	}
	return Unpack(r)
}

// maxStreamed is up to which size a file goes into the stream. Larger ones keep SFTP busy with few requests, and are
// not worth the memory: both sides hold some whole.
const maxStreamed = 1 << 20

// parcel is the line before a file's bytes.
type parcel struct {
	Path string      `json:"path"`
	Size int64       `json:"size"`
	Mode fs.FileMode `json:"mode"`
	Time int64       `json:"time"` // Unix, seconds
}

func (p parcel) check() error {
	switch {
	case !path.IsAbs(p.Path) || path.Clean(p.Path) != p.Path || p.Path == "/" || len(p.Path) > maxPath:
		return fmt.Errorf("%.100q is not a path", p.Path)
	case p.Size < 0 || p.Size > maxStreamed:
		return fmt.Errorf("%s: %d bytes are not between 0 and %d", p.Path, p.Size, maxStreamed)
	case p.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("%s: %s is not what a file may have", p.Path, p.Mode)
	}
	return nil
}

// bulk holds a file that goes into the stream.
var bulk = sync.Pool{New: func() any { return new([maxStreamed]byte) }}

// Unpack is what distgo does on a node for Put: it makes the files of the stream on r. It returns the first error, after
// which it takes no more.
func Unpack(r io.Reader) error {
	type whole struct {
		parcel
		content *[maxStreamed]byte
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	work := make(chan whole)
	var all sync.WaitGroup
	for range 2 * runtime.NumCPU() { // some wait for the disk
		all.Go(func() {
			for f := range work {
				if err := makeFile(f.parcel, f.content[:f.Size]); err != nil {
					cancel(err)
				}
				bulk.Put(f.content)
			}
		})
	}
	err := func() error {
		in := bufio.NewReaderSize(r, maxRecord)
		for {
			line, err := in.ReadSlice('\n')
			if err == io.EOF && len(line) == 0 {
				return nil
			} else if err != nil {
				return fmt.Errorf("the stream: %w", err)
			}
			var f whole
			if err := json.Unmarshal(line, &f.parcel); err != nil {
				return fmt.Errorf("the stream: %w", err)
			}
			if err := f.check(); err != nil {
				return err
			}
			f.content = bulk.Get().(*[maxStreamed]byte)
			if _, err := io.ReadFull(in, f.content[:f.Size]); err != nil {
				return fmt.Errorf("the stream ends in %s: %w", f.Path, err)
			}
			select {
			case work <- f:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}()
	close(work)
	all.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// makeFile writes a file under another name and renames it.
func makeFile(p parcel, content []byte) (err error) {
	part := path.Join(path.Dir(p.Path), partPrefix+path.Base(p.Path))
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC | syscall.O_NOFOLLOW
	f, err := os.OpenFile(part, flags, p.Mode)
	if errors.Is(err, fs.ErrPermission) && os.Remove(part) == nil { // a killed Put's, of a file in which nobody may write
		f, err = os.OpenFile(part, flags, p.Mode)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	_, err = f.Write(content)
	info, serr := f.Stat()
	if err = errors.Join(err, serr); err == nil && info.Mode().Perm() != p.Mode { // the umask, or a part that was there
		err = f.Chmod(p.Mode)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Chtimes(part, time.Time{}, time.Unix(p.Time, 0)); err != nil {
		return err
	}
	return os.Rename(part, p.Path)
}

// readers is how many files are read side by side for one node's stream.
const readers = 4

// stream sends small files to the distgo at checker.
func (n *node) stream(ctx context.Context, checker string, files []*entry, bar *Bar) error {
	if len(files) == 0 {
		return nil
	}
	s, err := n.client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	var words bytes.Buffer
	s.Stderr = &words
	pipe, err := s.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.Start("exec " + quote(checker) + " " + UnpackArgument); err != nil {
		return err
	}
	out := bufio.NewWriterSize(pipe, 256<<10)
	var mu sync.Mutex // guards out
	work := make(chan *entry)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			content := bulk.Get().(*[maxStreamed]byte)
			defer bulk.Put(content)
			for e := range work {
				if err := pack(out, &mu, e, content); err != nil {
					cancel(err)
				} else {
					bar.add(e.size)
				}
			}
		})
	}
feed:
	for _, e := range files {
		select {
		case work <- e:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	all.Wait()
	err = context.Cause(ctx)
	if err == nil {
		err = errors.Join(out.Flush(), pipe.Close())
	} else {
		pipe.Close() // in the middle of a file, perhaps: it does not become one
	}
	// What the node says explains why it takes no more.
	if werr := n.ran(s.Wait(), &words); werr != nil {
		return werr
	}
	return err
}

// pack adds a file to a stream.
func pack(out *bufio.Writer, mu *sync.Mutex, e *entry, content *[maxStreamed]byte) error {
	f, err := os.Open(e.local)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, content[:e.size]); err != nil {
		return fmt.Errorf("%s: %w; does it change while it is staged?", e.local, err)
	}
	head, err := json.Marshal(parcel{e.node, e.size, e.mode.Perm(), e.time.Unix()})
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if _, err := out.Write(append(head, '\n')); err != nil {
		return err
	}
	_, err = out.Write(content[:e.size])
	return err
}

// ran explains how distgo ended on the node.
func (n *node) ran(err error, words *bytes.Buffer) error {
	var exit *ssh.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	said := strings.TrimSpace(strings.TrimPrefix(words.String(), "distgo: "))
	switch exit.ExitStatus() {
	case 126, 127: // the shell's
		return &remote.Error{Text: fmt.Sprintf("distgo does not run there (exit code %d): %s", exit.ExitStatus(), said),
			Hint: "stage a distgo that was built for that node's architecture, to a disk from which programs may be started", Err: err}
	}
	return errors.New(said)
}

// quote makes a word for any shell that a user may have.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
