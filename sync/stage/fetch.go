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
	"time"

	"github.com/pkg/sftp"
)

// Fetch brings files and directories from the hosts to a directory here, in which each host gets one of its own. paths
// may be patterns, as *.json; they are seen from the home directory unless absolute. What is here already and alike is
// not brought again. Links and special files are left out; the summary names them.
func Fetch(ctx context.Context, hosts, paths []string, into string, bar *Bar) (Summary, error) {
	if err := os.MkdirAll(into, 0o777); err != nil {
		return Summary{}, err
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return Summary{}, err
	}
	defer root.Close()
	var (
		mu  sync.Mutex // guards sum
		sum Summary
	)
	err = onAll(ctx, hosts, func(ctx context.Context, n *node) error {
		s, err := n.fetch(ctx, root, paths, bar)
		mu.Lock()
		defer mu.Unlock()
		sum.Files, sum.Same, sum.Bytes = sum.Files+s.Files, sum.Same+s.Same, sum.Bytes+s.Bytes
		sum.Skipped = append(sum.Skipped, s.Skipped...)
		return err
	})
	slices.Sort(sum.Skipped)
	return sum, err
}

// find is a file or a directory on a node, and where it goes.
type find struct {
	there, here string
	info        os.FileInfo
}

// maxFinds bounds what a node can make us list.
const maxFinds = 4 << 20

func (n *node) fetch(ctx context.Context, root *os.Root, paths []string, bar *Bar) (sum Summary, err error) {
	var files []find
	top := hostDir(n.host)
	if err := root.Mkdir(top, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return sum, err
	}
	for _, p := range paths {
		matches, err := n.sftp.Glob(p)
		if err != nil {
			return sum, fmt.Errorf("%s: %w", p, err)
		}
		if len(matches) == 0 {
			return sum, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
		}
		for _, match := range matches {
			info, err := n.sftp.Stat(match)
			if err != nil {
				return sum, fmt.Errorf("%s: %w", match, err)
			}
			if files, err = n.walk(root, files, find{match, path.Join(top, path.Base(path.Clean(match))), info}, &sum); err != nil {
				return sum, err
			}
		}
	}
	files = slices.DeleteFunc(files, func(f find) bool {
		own, err := root.Lstat(f.here)
		same := err == nil && own.Mode().IsRegular() && own.Size() == f.info.Size() &&
			own.ModTime().Unix() == f.info.ModTime().Unix() && own.Mode().Perm() == f.info.Mode().Perm()
		if same {
			sum.Same++
		}
		return same
	})
	for _, f := range files {
		sum.Bytes += f.info.Size()
	}
	bar.expect(sum.Bytes)
	sum.Files = len(files)
	return sum, each(ctx, files, func(f find) error {
		if err := n.bring(root, f); err != nil {
			return fmt.Errorf("%s: %w", f.there, err)
		}
		bar.add(f.info.Size())
		return nil
	})
}

// walk adds what is below f, and makes directories for it.
func (n *node) walk(root *os.Root, files []find, f find, sum *Summary) ([]find, error) {
	switch {
	case len(files) >= maxFinds:
		return nil, fmt.Errorf("more than %d files", maxFinds)
	case f.info.Mode().IsRegular():
		return append(files, f), nil
	case !f.info.IsDir():
		sum.Skipped = append(sum.Skipped, n.host+":"+f.there)
		return files, nil
	}
	if err := root.Mkdir(f.here, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	infos, err := n.sftp.ReadDir(f.there)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.there, err)
	}
	for _, info := range infos {
		name := info.Name()
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return nil, fmt.Errorf("%s lists a file called %q", f.there, name)
		}
		if strings.HasPrefix(name, partPrefix) {
			continue
		}
		if files, err = n.walk(root, files, find{path.Join(f.there, name), path.Join(f.here, name), info}, sum); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// bring reads one file. root keeps every name inside, whatever links may be in the way.
func (n *node) bring(root *os.Root, f find) (err error) {
	from, err := n.sftp.Open(f.there)
	if err != nil {
		return err
	}
	defer from.Close()
	part := path.Join(path.Dir(f.here), partPrefix+path.Base(f.here))
	if err := root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(part)
		}
	}()
	k, err := copyOut(to, from, f.info.Size())
	if err == nil && k != f.info.Size() {
		err = fmt.Errorf("%d of %d bytes arrived; does it change?", k, f.info.Size())
	}
	if err == nil {
		err = to.Chmod(f.info.Mode().Perm())
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	if err := root.Chtimes(part, time.Time{}, f.info.ModTime()); err != nil {
		return err
	}
	return root.Rename(part, f.here)
}

// copyOut reads at most one byte more than there should be.
func copyOut(to io.Writer, from *sftp.File, size int64) (int64, error) {
	if size <= smallFile {
		return io.Copy(to, io.LimitReader(from, size+1))
	}
	return from.WriteTo(&bounded{to, size + 1})
}

// bounded takes so many bytes and no more.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errors.New("it is longer than it said")
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}

// hostDir is the name of a host's directory: the host without what no file name may have.
func hostDir(host string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || r == ':' {
			return '_'
		}
		return r
	}, strings.TrimLeft(host, "."))
}
