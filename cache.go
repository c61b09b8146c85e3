package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/badbubble/distgo/rank"
	"github.com/badbubble/distgo/sync/store"
)

// cacheCommand looks after what is kept between runs.
type cacheCommand struct {
	Stat   statCommand   `cmd:"" help:"Say what is in the store."`
	Verify verifyCommand `cmd:"" help:"Read all of it and remove what is damaged."`
	Prune  pruneCommand  `cmd:"" help:"Remove what was used longest ago, until so much is left as --keep says."`
	Export exportCommand `cmd:"" help:"Write packages to an archive, for another cluster's import."`
	Import importCommand `cmd:"" help:"Take in an archive. Whoever made it is trusted with the programs that will be built."`
}

// storeFlags say which store is meant; as in a build.
type storeFlags struct {
	Store   string `placeholder:"DIR" help:"The store. Default: the one that a build on this node uses."`
	Scratch string `placeholder:"DIR" help:"The build's --scratch, if it had one: its store may lie there."`
}

func (f *storeFlags) open() (*store.Store, error) {
	dir, err := rank.StoreDir(f.Store, f.Scratch)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(store.Options{Dir: dir, Damaged: func(d store.Damage) { fmt.Fprintln(os.Stderr, "distgo:", d) }})
	if err != nil {
		return nil, rank.Usage(err)
	}
	return s, nil
}

type statCommand struct{ storeFlags }

func (c *statCommand) Run(env *environment) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	st, err := s.Stat(env.ctx)
	if err == nil {
		oldest := ""
		if !st.Oldest.IsZero() {
			oldest = "; used longest ago: " + st.Oldest.Format("2006-01-02 15:04")
		}
		fmt.Printf("%s: %d actions, %d files of %s, %d digests of sources%s\n", s.Dir(), st.Entries, st.Files, size(st.Bytes), st.Sources, oldest)
	}
	return errors.Join(err, s.Close())
}

type verifyCommand struct{ storeFlags }

func (c *verifyCommand) Run(env *environment) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	v, err := s.Verify(env.ctx)
	fmt.Printf("%s: %d files of %s read, %d damaged and removed, %d actions forgotten\n", s.Dir(), v.Files, size(v.Bytes), v.Damaged, v.Incomplete)
	return errors.Join(err, s.Close())
}

type pruneCommand struct {
	storeFlags
	Keep int64 `required:"" placeholder:"MB" help:"Keep so many megabytes of files, those that were used last; 0 keeps none."`
}

func (c *pruneCommand) Run(env *environment) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	p, err := s.Prune(env.ctx, c.Keep*1e6, 0)
	fmt.Printf("%s: %d files of %s removed, %s left\n", s.Dir(), p.Files, size(p.Bytes), size(p.Left))
	return errors.Join(err, s.Close())
}

type exportCommand struct {
	storeFlags
	Std  bool   `help:"The standard library alone: packages whose paths have no dot before the first slash."`
	File string `arg:"" help:"The archive; - for standard output."`
}

func (c *exportCommand) Run(env *environment) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	x, err := c.export(env, s)
	if err == nil {
		fmt.Fprintf(os.Stderr, "%d actions with %d files of %s exported, %d left out, whose files are not here\n", x.Entries, x.Files, size(x.Bytes), x.Skipped)
	}
	return errors.Join(err, s.Close())
}

func (c *exportCommand) export(env *environment, s *store.Store) (store.Archived, error) {
	want := func(_ store.Key, e store.Entry) bool { return !c.Std || isStd(e.Name) }
	if c.File == "-" {
		return s.Export(env.ctx, os.Stdout, want)
	}
	out, err := os.CreateTemp(filepath.Dir(c.File), ".distgo-export-*")
	if err != nil {
		return store.Archived{}, rank.Usage(err)
	}
	defer os.Remove(out.Name()) // no longer there after the rename
	x, err := s.Export(env.ctx, out, want)
	if err = errors.Join(err, out.Close()); err != nil {
		return x, err
	}
	return x, os.Rename(out.Name(), c.File)
}

// isStd reports whether a name is that of a package of the standard library,
// whose paths have no dot before the first slash. A module without one is taken for it, too.
func isStd(name string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(name, rank.ManifestName), "/")
	return first != "" && !strings.Contains(first, ".") && first != "command-line-arguments"
}

type importCommand struct {
	storeFlags
	File string `arg:"" help:"The archive; - for standard input."`
}

func (c *importCommand) Run(env *environment) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return errors.Join(rank.Usage(err), s.Close())
		}
		defer f.Close()
		in = bufio.NewReader(f)
	}
	x, err := s.Import(env.ctx, in)
	fmt.Fprintf(os.Stderr, "%d actions with %d files of %s imported, %d left out\n", x.Entries, x.Files, size(x.Bytes), x.Skipped)
	return errors.Join(err, s.Close())
}

type explainCommand struct {
	storeFlags
	Package string `arg:"" help:"Import path, or the end of one."`
}

func (c *explainCommand) Run(env *environment) error {
	dir, err := rank.StoreDir(c.Store, c.Scratch)
	if err != nil {
		return err
	}
	return rank.Explain(env.ctx, os.Stdout, dir, c.Package)
}

// size is a number of bytes in megabytes.
func size(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
