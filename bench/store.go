package bench

import (
	"context"
	"os"
	"path/filepath"

	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/sync/store"
)

// storeWord stands in a command for the directory of a fresh store that Pin makes on the node.
const storeWord = "@store"

// compilersDir is where a store keeps pipelined compilers, see package rank.
const compilersDir = "compilers"

// compilers makes the pipelined compiler for a program's toolchain in the user's own store, and returns the directory:
// it is made once a toolchain, so it is no part of a cold build, as building the go command is none. Where it cannot be
// made builds are measured with the stock compiler, and their reports say so.
func compilers(ctx context.Context, p *Program, say func(string)) (string, error) {
	dir, err := store.DefaultDir(os.Getenv)
	if err != nil {
		return "", config("%v", err)
	}
	dir = filepath.Join(dir, compilersDir)
	tools, err := toolchain.Find(ctx, p.Dir)
	if err != nil {
		return "", config("%s: %v", p.Name, err)
	}
	_, err = pipeline.Ensure(ctx, pipeline.Go{Root: tools.Root(), Version: tools.Version()}, dir, say)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		say(err.Error())
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// freshStore makes an empty store but for the compilers.
func freshStore(dir, compilers string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if compilers == "" {
		return nil
	}
	return os.Symlink(compilers, filepath.Join(dir, compilersDir))
}
