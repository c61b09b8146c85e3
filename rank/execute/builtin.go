package execute

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// builtin does what cmd/go does without a process.
func (r *Runner) builtin(a *plan.Action, c *transcript.Command) error {
	switch c.Op {
	case transcript.Mkdir:
		path, err := r.target(a, c, c.Args[0])
		if err != nil {
			return err
		}
		return os.MkdirAll(path, 0o777)
	case transcript.Write:
		path, err := r.inside(c.Args[0])
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(r.expand(c.Body)), 0o666)
	case transcript.Copy:
		path, err := r.target(a, c, c.Args[1])
		if err != nil {
			return err
		}
		if c.MayFail && isEmpty(r.source(c, c.Args[0])) {
			return nil
		}
		return place(r.source(c, c.Args[0]), path, false)
	case transcript.Move:
		path, err := r.target(a, c, c.Args[1])
		if err != nil {
			return err
		}
		return place(r.source(c, c.Args[0]), path, true)
	case transcript.Pack:
		return r.pack(c)
	case transcript.Join:
		path, err := r.target(a, c, c.Args[2])
		if err != nil {
			return err
		}
		return r.join(c, path)
	case transcript.Symlink:
		path, err := r.target(a, c, c.Args[1])
		if err != nil {
			return err
		}
		return os.Symlink(r.source(c, c.Args[0]), path)
	case transcript.Remove:
		path, err := r.inside(c.Args[0])
		if err != nil {
			return err
		}
		return os.RemoveAll(path)
	}
	return fmt.Errorf("%s: command of unknown kind %d", a.Package, c.Op)
}

// place puts a copy of src at dst: whole, under its final name only when
// complete, with src's mode. Something that is no regular file (a device, a
// pipe) is written to, not replaced. With move, src may be gone afterwards.
func place(src, dst string, move bool) error {
	if fi, err := os.Stat(dst); err == nil && !fi.Mode().IsRegular() {
		if fi.IsDir() {
			return fmt.Errorf("%s is a directory", dst)
		}
		out, err := os.OpenFile(dst, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return copyInto(out, src)
	}
	if move {
		err := os.Rename(src, dst)
		if err == nil || !errors.Is(err, syscall.EXDEV) {
			return err
		}
	}
	fi, err := os.Stat(src)
	if err != nil {
		return err
	}
	return beside(dst, fi.Mode().Perm(), func(tmp *os.File) error { return copyInto(tmp, src) })
}

// beside lets f write and close a temporary file in dst's directory and
// renames it to dst; on an error nothing is left.
func beside(dst string, perm os.FileMode, f func(*os.File) error) error {
	name := filepath.Join(filepath.Dir(dst), fmt.Sprintf(".%s.distgo-%d", filepath.Base(dst), os.Getpid()))
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if err = f(tmp); err == nil {
		err = os.Rename(name, dst)
	}
	if err != nil {
		tmp.Close() // f may have closed it already
		os.Remove(name)
	}
	return err
}

// copyInto appends the file src to dst and closes dst.
func copyInto(dst *os.File, src string) error {
	in, err := os.Open(src)
	if err != nil {
		dst.Close()
		return err
	}
	defer in.Close()
	_, err = io.Copy(dst, in)
	return errors.Join(err, dst.Close())
}
