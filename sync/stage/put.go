package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pkg/sftp"

	"github.com/badbubble/distgo/sync/stage/remote"
)

// PutOptions say how Put works.
type PutOptions struct {
	Checker string // path of distgo on the nodes, which computes digests there; it is put before all else
	Bar     *Bar   // may be nil
}

// A Summary is what was done on all hosts together.
type Summary struct {
	Files   int   // files and links that were sent or taken away
	Same    int   // that were there already
	Bytes   int64 // sent
	Skipped []string
}

// Put makes items on the hosts what they are here.
func Put(ctx context.Context, hosts []string, items []Item, o PutOptions) (Summary, error) {
	entries, err := list(items)
	if err != nil {
		return Summary{}, err
	}
	var (
		mu  sync.Mutex // guards sum
		sum Summary
	)
	err = onAll(ctx, hosts, func(ctx context.Context, n *node) error {
		s, err := n.put(ctx, entries, o)
		mu.Lock()
		defer mu.Unlock()
		sum.Files, sum.Same, sum.Bytes = sum.Files+s.Files, sum.Same+s.Same, sum.Bytes+s.Bytes
		return err
	})
	return sum, err
}

// work is what a node lacks.
type work struct {
	above []string // directories in which the items lie and that are missing too
	dirs  []*entry // to be made
	modes []*entry // directories whose permissions are to be set, parents first
	files []*entry
	bytes int64
	same  int
}

// compare finds what differs.
func compare(entries []*entry, seen present) (work, error) {
	var w work
	for _, e := range entries {
		there := seen[e.node]
		switch {
		case e.mode.IsDir() && there == nil:
			w.dirs = append(w.dirs, e)
			w.modes = append(w.modes, e)
		case e.mode.IsDir() && !there.IsDir():
			return w, &remote.Error{Text: fmt.Sprintf("%s is no directory there", e.node), Hint: "move it out of the way"}
		case e.mode.IsDir():
			if there.Mode().Perm() != e.mode.Perm() {
				w.modes = append(w.modes, e)
			}
		case there != nil && there.IsDir():
			return w, &remote.Error{Text: fmt.Sprintf("%s is a directory there and none here", e.node), Hint: "move it out of the way"}
		case e.like(there):
			w.same++
		default:
			w.files = append(w.files, e)
			w.bytes += e.size
		}
	}
	return w, nil
}

// like reports that what is there is what is here, as far as a look at it tells. Links are always made again: what they
// lead to takes a question each.
func (e *entry) like(there os.FileInfo) bool {
	return there != nil && e.mode.IsRegular() && there.Mode().IsRegular() && there.Size() == e.size &&
		there.Mode().Perm() == e.mode.Perm() && there.ModTime().Unix() == e.time.Unix()
}

func (n *node) put(ctx context.Context, entries []*entry, o PutOptions) (Summary, error) {
	seen, err := n.look(ctx, entries)
	if err != nil {
		return Summary{}, err
	}
	w, err := compare(entries, seen)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Same: w.same}
	w.files = slices.DeleteFunc(w.files, func(e *entry) bool {
		if e.link == "" || seen[e.node] == nil {
			return false
		}
		to, err := n.sftp.ReadLink(e.node)
		if err == nil && to == e.link {
			sum.Same++
		}
		return err == nil && to == e.link
	})
	o.Bar.expect(w.bytes)
	if len(w.dirs)+len(w.modes)+len(w.files) == 0 {
		return sum, nil
	}
	if err := n.room(w); err != nil {
		return sum, err
	}
	if w.above, err = n.missingAbove(entries); err != nil {
		return sum, err
	}
	if err := n.journal(w); err != nil {
		return sum, fmt.Errorf("the journal: %w", err)
	}
	for _, dir := range w.above {
		if err := n.sftp.Mkdir(dir); err != nil {
			return sum, fmt.Errorf("%s: %w", dir, err)
		}
	}
	if err := n.makeDirs(ctx, w.dirs); err != nil {
		return sum, err
	}
	unlocked, err := n.unlock(ctx, w.files, entries, seen)
	w.modes = append(w.modes, unlocked...)
	if err == nil {
		err = n.sendAll(ctx, w.files, o)
	}
	// Directories in which nobody may write were open as long as there was something to put into them.
	slices.SortFunc(w.modes, func(a, b *entry) int { return strings.Compare(b.node, a.node) })
	for _, d := range slices.Compact(w.modes) {
		// After an error it is tried all the same, and the first error is the one to tell.
		if cerr := n.sftp.Chmod(d.node, d.mode.Perm()); cerr != nil && err == nil {
			err = fmt.Errorf("%s: %w", d.node, cerr)
		}
	}
	if err == nil && o.Checker != "" {
		err = n.verify(ctx, o.Checker, w.files)
	}
	if err != nil {
		return sum, err
	}
	sum.Files, sum.Bytes = len(w.files), w.bytes
	return sum, nil
}

// sendAll sends the node's distgo first, which then unpacks what is small.
func (n *node) sendAll(ctx context.Context, files []*entry, o PutOptions) error {
	send := func(e *entry) error {
		err := n.send(e)
		if err == nil {
			o.Bar.add(e.size)
		}
		return n.explain(e, err)
	}
	var single, small []*entry
	for _, e := range files {
		switch {
		case e.node == o.Checker:
			if err := send(e); err != nil {
				return err
			}
		case o.Checker != "" && e.mode.IsRegular() && e.size <= maxStreamed:
			small = append(small, e)
		default:
			single = append(single, e)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var both sync.WaitGroup
	both.Go(func() {
		if err := n.stream(ctx, o.Checker, small, o.Bar); err != nil {
			cancel(err)
		}
	})
	both.Go(func() {
		if err := each(ctx, single, send); err != nil {
			cancel(err)
		}
	})
	both.Wait()
	return context.Cause(ctx)
}

// room refuses what cannot fit, before anything is touched.
func (n *node) room(w work) error {
	if len(w.files) == 0 {
		return nil
	}
	dir := w.files[0].node
	for {
		dir = path.Dir(dir)
		vfs, err := n.sftp.StatVFS(dir)
		if err == nil {
			if free := vfs.FreeSpace(); free < uint64(w.bytes) {
				return &fullError{dir, free, w.bytes}
			}
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return nil // it does not say
		}
	}
}

// A fullError says that a disk has not enough room.
type fullError struct {
	dir  string
	free uint64
	want int64
}

func (e *fullError) Error() string {
	return fmt.Sprintf("the disk of %s has %.1f MB left and %.1f MB are to be put there", e.dir, float64(e.free)/1e6, float64(e.want)/1e6)
}

// explain names the file, and says whether the disk is full: sftp-server tells "failure", whatever went wrong.
func (n *node) explain(e *entry, err error) error {
	if err == nil {
		return nil
	}
	if status := (*sftp.StatusError)(nil); errors.As(err, &status) {
		// What was written of the file is gone again by now; so a disk counts as full when it could not hold it.
		if vfs, verr := n.sftp.StatVFS(path.Dir(e.node)); verr == nil && vfs.FreeSpace() < uint64(e.size)+1<<20 {
			return &fullError{path.Dir(e.node), vfs.FreeSpace(), e.size}
		}
	}
	return fmt.Errorf("%s: %w", e.node, err)
}

// missingAbove lists the directories in which entries lie and that are not there, from the top.
func (n *node) missingAbove(entries []*entry) ([]string, error) {
	known := map[string]bool{"/": true}
	for _, e := range entries {
		if e.mode.IsDir() {
			known[e.node] = true
		}
	}
	var missing []string
	for _, e := range entries {
		for dir := path.Dir(e.node); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			_, err := n.sftp.Stat(dir)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: %w", dir, err)
			}
			missing = append(missing, dir)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// makeDirs makes directories, those of one depth at once.
func (n *node) makeDirs(ctx context.Context, dirs []*entry) error {
	depth := func(e *entry) int { return strings.Count(e.node, "/") }
	dirs = slices.Clone(dirs)
	slices.SortStableFunc(dirs, func(a, b *entry) int { return depth(a) - depth(b) })
	for len(dirs) > 0 {
		level := 0
		for level < len(dirs) && depth(dirs[level]) == depth(dirs[0]) {
			level++
		}
		err := each(ctx, dirs[:level], func(d *entry) error {
			return n.explain(d, n.sftp.Mkdir(d.node))
		})
		if err != nil {
			return err
		}
		dirs = dirs[level:]
	}
	return nil
}

// unlock makes directories writable for us that get files and are not, and returns them.
func (n *node) unlock(ctx context.Context, files, entries []*entry, seen present) ([]*entry, error) {
	gets := map[string]bool{}
	for _, f := range files {
		gets[path.Dir(f.node)] = true
	}
	var locked []*entry
	for _, e := range entries {
		if there := seen[e.node]; e.mode.IsDir() && gets[e.node] && there != nil && there.Mode().Perm()&0o200 == 0 {
			locked = append(locked, e)
		}
	}
	return locked, each(ctx, locked, func(d *entry) error { return n.sftp.Chmod(d.node, d.mode.Perm()|0o200) })
}

// buffers hold small files, which are read and written in one piece.
var buffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// smallFile is what fits the packets that every SFTP server takes.
const smallFile = 32 << 10

// send writes a file or a link under another name and renames it.
func (n *node) send(e *entry) (err error) {
	part := path.Join(path.Dir(e.node), partPrefix+path.Base(e.node))
	defer func() {
		if err != nil {
			_ = n.sftp.Remove(part) // the next Put overwrites it
		}
	}()
	if e.link != "" {
		if err := n.sftp.Symlink(e.link, part); err != nil {
			_ = n.sftp.Remove(part) // a killed Put's
			if err := n.sftp.Symlink(e.link, part); err != nil {
				return err
			}
		}
		return n.sftp.PosixRename(part, e.node)
	}
	from, err := os.Open(e.local)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := n.sftp.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if errors.Is(err, fs.ErrPermission) {
		// A killed Put's, of a file in which nobody may write.
		_ = n.sftp.Remove(part)
		to, err = n.sftp.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	}
	if err != nil {
		return err
	}
	if err := fill(to, from, e); err != nil {
		to.Close()
		return err
	}
	info, err := to.Stat()
	if err == nil && info.Size() != e.size {
		err = fmt.Errorf("%d of %d bytes arrived; does it change while it is staged?", info.Size(), e.size)
	}
	if err == nil && info.Mode().Perm() != e.mode.Perm() {
		err = to.Chmod(e.mode.Perm())
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	if err := n.sftp.Chtimes(part, e.time, e.time); err != nil {
		return err
	}
	return n.sftp.PosixRename(part, e.node)
}

func fill(to *sftp.File, from *os.File, e *entry) error {
	if e.size > smallFile {
		_, err := to.ReadFrom(from)
		return err
	}
	b := buffers.Get().(*[smallFile]byte)
	defer buffers.Put(b)
	k, err := io.ReadFull(from, b[:e.size])
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil // it has become shorter, which its size will show
	}
	if err == nil && k > 0 {
		_, err = to.Write(b[:k])
	}
	return err
}
