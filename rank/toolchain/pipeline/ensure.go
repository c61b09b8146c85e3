package pipeline

import (
	"context"
	"errors"
	"fmt"
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
