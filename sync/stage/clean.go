package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Clean takes away from the hosts what Put has put there, unless it has changed since; those paths are in the summary.
func Clean(ctx context.Context, hosts []string) (Summary, error) {
	var (
		mu  sync.Mutex // guards sum
		sum Summary
	)
	err := onAll(ctx, hosts, func(ctx context.Context, n *node) error {
		s, err := n.clean(ctx)
		mu.Lock()
		defer mu.Unlock()
		sum.Files += s.Files
		for _, path := range s.Skipped {
			sum.Skipped = append(sum.Skipped, n.host+":"+path)
		}
		return err
	})
	slices.Sort(sum.Skipped)
	return sum, err
}

// staged is what the journals of a node name.
type staged struct {
	journals []string
	files    map[string][]record // by path; several if it was put several times
	dirs     []string            // what is in a directory comes before it
}

func (n *node) staged() (staged, error) {
	s := staged{files: map[string][]record{}}
	infos, err := n.sftp.ReadDir(journals)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	for _, info := range infos {
		name := path.Join(journals, info.Name())
		s.journals = append(s.journals, name)
		records, err := n.readJournal(name)
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
		for _, r := range records {
			if r.Dir {
				s.dirs = append(s.dirs, r.Path)
			} else {
				s.files[r.Path] = append(s.files[r.Path], r)
			}
		}
	}
	slices.SortFunc(s.dirs, func(a, b string) int { return strings.Compare(b, a) })
	s.dirs = slices.Compact(s.dirs)
	return s, nil
}

func (n *node) clean(ctx context.Context) (Summary, error) {
	var sum Summary
	s, err := n.staged()
	if err != nil || len(s.journals) == 0 {
		return sum, err
	}
	closed, err := n.openUp(ctx, s)
	if err != nil {
		return sum, err
	}
	var mu sync.Mutex // guards sum
	paths := make([]string, 0, len(s.files))
	for p := range s.files {
		paths = append(paths, p)
	}
	err = each(ctx, paths, func(p string) error {
		gone, err := n.take(p, s.files[p])
		mu.Lock()
		defer mu.Unlock()
		if err == nil && gone {
			sum.Files++
		} else if err == nil {
			sum.Skipped = append(sum.Skipped, p)
		}
		return err
	})
	if err == nil {
		for _, d := range s.dirs {
			_ = n.sftp.RemoveDirectory(d) // one that is not empty holds somebody else's files, and stays
		}
	}
	for dir, mode := range closed {
		if cerr := n.sftp.Chmod(dir, mode); cerr != nil && !errors.Is(cerr, fs.ErrNotExist) && err == nil {
			err = fmt.Errorf("%s: %w", dir, cerr)
		}
	}
	if err != nil {
		return sum, err
	}
	for _, name := range s.journals {
		if err := n.sftp.Remove(name); err != nil {
			return sum, err
		}
	}
	for dir := journals; dir != "."; dir = path.Dir(dir) {
		if n.sftp.RemoveDirectory(dir) != nil {
			break // others have something in it
		}
	}
	return sum, nil
}

// openUp makes the directories that something is to be taken from writable for us, and returns those that were not.
func (n *node) openUp(ctx context.Context, s staged) (map[string]fs.FileMode, error) {
	var dirs []string
	for p := range s.files {
		dirs = append(dirs, path.Dir(p))
	}
	for _, d := range s.dirs {
		dirs = append(dirs, path.Dir(d))
	}
	slices.Sort(dirs)
	var mu sync.Mutex // guards closed
	closed := map[string]fs.FileMode{}
	return closed, each(ctx, slices.Compact(dirs), func(d string) error {
		info, err := n.sftp.Stat(d)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Perm()&0o200 != 0 {
			return nil
		}
		if err == nil {
			// Only what is ours can be opened, and only that is ours to clean.
			if n.sftp.Chmod(d, info.Mode().Perm()|0o200) == nil {
				mu.Lock()
				defer mu.Unlock()
				closed[d] = info.Mode().Perm()
			}
			return nil
		}
		return fmt.Errorf("%s: %w", d, err)
	})
}

// take removes a file if it is as one of its records says. gone is also true for what was gone before.
func (n *node) take(p string, records []record) (gone bool, err error) {
	_ = n.sftp.Remove(path.Join(path.Dir(p), partPrefix+path.Base(p))) // of a Put that was killed
	info, err := n.sftp.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("%s: %w", p, err)
	}
	ours := slices.ContainsFunc(records, func(r record) bool {
		if r.Link != "" {
			to, err := n.sftp.ReadLink(p)
			return err == nil && to == r.Link
		}
		return info.Mode().IsRegular() && info.Size() == r.Size && info.ModTime().Unix() == r.Time
	})
	if !ours {
		return false, nil
	}
	if err := n.sftp.Remove(p); err != nil {
		return false, fmt.Errorf("%s: %w", p, err)
	}
	return true, nil
}
