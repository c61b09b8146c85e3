package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Ensure returns the proved compiler for goCmd that is kept below storeDir,
// and makes it first if there is none, which takes about a minute. One
// process at a time does that; others wait for it. progress, which may be
// nil, is told before work that takes long.
//
// An error other than the context's is one line for the user, and ends in
// "using the stock compiler".
func Ensure(ctx context.Context, goCmd Go, storeDir string, progress func(string)) (Compiler, error) {
	if progress == nil {
		progress = func(string) {}
	}
	return ensure(ctx, goCmd, storeDir, progress, func(ctx context.Context, dir string) (Compiler, error) {
		progress("building the pipelined compiler of " + goCmd.Version + ", once per toolchain")
		c, err := Build(ctx, goCmd, dir)
		if err != nil {
			return Compiler{}, err
		}
		progress("proving the pipelined compiler of " + goCmd.Version)
		return c, Prove(ctx, goCmd, c, dir)
	})
}

// Find returns the compiler for goCmd that is kept below storeDir, if there is one.
func Find(goCmd Go, storeDir string) (Compiler, bool) {
	id, types, err := identity(goCmd)
	if err != nil {
		return Compiler{}, false
	}
	c, err := kept{filepath.Join(storeDir, id), types}.load()
	return c, err == nil
}

// Keep puts a compiler below storeDir that was proved on another node with the same
// toolchain, unless one is there, or somebody makes one.
func Keep(goCmd Go, storeDir string, given Compiler) error {
	id, types, err := identity(goCmd)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(storeDir, 0o777); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	k := kept{filepath.Join(storeDir, id), types}
	unlock, err := k.lock(ctx, cancel)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := k.load(); err == nil {
		return nil
	}
	_, err = k.fill(ctx, func(_ context.Context, dir string) (Compiler, error) {
		path := filepath.Join(dir, "given")
		if err := copyProgram(path, given.Path); err != nil {
			return Compiler{}, err
		}
		c, err := open(path, types)
		if err == nil && c.Digest != given.Digest {
			err = fmt.Errorf("%s became another when it was copied", given.Path)
		}
		return c, err
	})
	return err
}

func copyProgram(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o777)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// A maker makes a proved compiler somewhere in dir.
type maker func(ctx context.Context, dir string) (Compiler, error)

func ensure(ctx context.Context, goCmd Go, storeDir string, progress func(string), build maker) (Compiler, error) {
	c, err := find(ctx, goCmd, storeDir, progress, build)
	if err == nil {
		return c, nil
	}
	if ctx.Err() != nil {
		return Compiler{}, context.Cause(ctx)
	}
	return Compiler{}, &refusal{goCmd.Version, err}
}

// A refusal is an error in one line; the rest of its cause stays reachable.
type refusal struct {
	version string
	err     error
}

func (r *refusal) Error() string {
	reason, _, _ := strings.Cut(r.err.Error(), "\n")
	return fmt.Sprintf("pipelined compiler: %s: %s; using the stock compiler", r.version, reason)
}

func (r *refusal) Unwrap() error { return r.err }

// find returns the kept compiler or makes it.
func find(ctx context.Context, goCmd Go, storeDir string, progress func(string), build maker) (Compiler, error) {
	id, types, err := identity(goCmd)
	if err != nil {
		return Compiler{}, err
	}
	k := kept{filepath.Join(storeDir, id), types}
	if c, err := k.load(); !errors.Is(err, errAbsent) {
		return c, err
	}
	if err := os.MkdirAll(storeDir, 0o777); err != nil {
		return Compiler{}, err
	}
	unlock, err := k.lock(ctx, func() {
		progress("waiting for the process that makes the pipelined compiler of " + goCmd.Version)
	})
	if err != nil {
		return Compiler{}, err
	}
	defer unlock()
	// Somebody else may have made it meanwhile.
	if c, err := k.load(); !errors.Is(err, errAbsent) {
		return c, err
	}
	c, err := k.fill(ctx, build)
	if err != nil && ctx.Err() == nil {
		return c, errors.Join(err, k.refuse(err))
	}
	return c, err
}

// fill has the compiler made in a directory of its own and moves it to its
// place. The caller holds the lock.
func (k kept) fill(ctx context.Context, build maker) (Compiler, error) {
	// A maker that was killed has left its directory: the lock is ours.
	dir := k.path + partSuffix
	if err := os.RemoveAll(dir); err != nil {
		return Compiler{}, err
	}
	defer os.RemoveAll(dir)
	fresh := kept{path: filepath.Join(dir, "keep")}
	if err := os.MkdirAll(fresh.path, 0o777); err != nil {
		return Compiler{}, err
	}
	c, err := build(ctx, dir)
	if err != nil {
		return Compiler{}, err
	}
	if err := fresh.put(c); err != nil {
		return Compiler{}, err
	}
	if err := os.RemoveAll(k.path); err != nil { // a damaged one
		return Compiler{}, err
	}
	if err := os.Rename(fresh.path, k.path); err != nil {
		return Compiler{}, err
	}
	return k.load()
}
