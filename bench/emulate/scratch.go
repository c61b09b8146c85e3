package emulate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ScratchDir must exist on the machine for nodes to mount their disks on. Where it does not, Up makes it, remembers
// that in stateDir, and the last Down removes it.

func scratchMark() string { return filepath.Join(stateDir, "made-scratch") }

// makeScratchDir is called before the network is made and while this cluster's directory exists, so that no other
// cluster's Down takes itself for the last.
func makeScratchDir() error {
	if _, err := os.Stat(ScratchDir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(scratchMark(), nil, 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(ScratchDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// removeScratchDir undoes makeScratchDir when no cluster is left. A directory that somebody put files in stays.
func removeScratchDir() error {
	if _, err := os.Stat(scratchMark()); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), teardownTime)
	defer cancel()
	door, err := lockFile(ctx, filepath.Join(stateDir, "lock"))
	if err != nil {
		return err
	}
	defer door.Close()
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			return nil
		}
	}
	_ = os.Remove(ScratchDir)
	return os.Remove(scratchMark())
}
