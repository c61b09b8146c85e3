package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/badbubble/distgo/bench/manifest"
)

// A Choice says which programs to measure.
type Choice struct {
	Names     []string // of the manifest, or directories DIR[:MAIN]
	Checkouts string   // where fetch puts the manifest's
	CGO       bool     // CGO_ENABLED=1 for directories of one's own
}

// Checkouts is where fetch puts the programs when nobody says otherwise.
func Checkouts() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", config("where do the programs' checkouts go? %v: say it with --checkouts", err)
	}
	return filepath.Join(cache, "distgo-bench"), nil
}

// Programs finds the programs that are chosen.
func (c *Choice) Programs(ctx context.Context) ([]Program, error) {
	known, err := manifest.Programs()
	if err != nil {
		return nil, err
	}
	var programs []Program
	for _, name := range c.Names {
		var p Program
		if strings.ContainsRune(name, filepath.Separator) || name == "." || strings.HasPrefix(name, ".:") {
			p, err = ownProgram(ctx, name, c.CGO)
		} else {
			p, err = c.fetched(ctx, known, name)
		}
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	if len(programs) == 0 {
		return nil, config("which programs? Name some of the manifest (distgo bench fetch --list), or a directory of your own, as ./server:./cmd/server")
	}
	return programs, nil
}

func (c *Choice) fetched(ctx context.Context, known []manifest.Program, name string) (Program, error) {
	p, err := manifest.Find(known, name)
	if err != nil {
		return Program{}, config("%v", err)
	}
	if !manifest.Fetched(ctx, c.Checkouts, p) {
		return Program{}, config("%s is not in %s: distgo bench fetch %s", p.Name(), c.Checkouts, p.Name())
	}
	dir, err := filepath.Abs(manifest.Checkout(c.Checkouts, p))
	_, changed := manifest.Head(ctx, dir)
	return Program{Name: p.Name(), Commit: p.Pin.Commit, Dir: dir, Main: p.Main(), CGO: p.Program.CGO, Changed: changed}, err
}

// ownProgram is DIR or DIR:MAIN.
func ownProgram(ctx context.Context, text string, cgo bool) (Program, error) {
	dir, main, ok := strings.Cut(text, ":")
	if !ok {
		main = "."
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Program{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return Program{}, config("%s is no Go module: %v", dir, err)
	}
	p := Program{Name: filepath.Base(dir), Dir: dir, Main: main, CGO: cgo}
	p.Commit, p.Changed = manifest.Head(ctx, dir)
	return p, nil
}
