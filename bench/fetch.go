package bench

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/badbubble/distgo/bench/manifest"
)

// A Fetch gets programs of the manifest.
type Fetch struct {
	Names     []string // none means all, at their current commits
	Checkouts string   // "" for the user's cache directory
	Build     bool     // try go build
	Out       io.Writer
}

// List prints the manifest.
func (f *Fetch) List() error {
	programs, err := manifest.Programs()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(f.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "program\tcommit\tdate\tmain\tCGO_ENABLED\trepository\t")
	for _, p := range programs {
		for _, pin := range p.Pins {
			of := manifest.Pinned{Program: p, Pin: pin}
			cgo := 0
			if p.CGO {
				cgo = 1
			}
			fmt.Fprintf(t, "%s\t%.12s\t%s\t%s\t%d\t%s\t%s\n", of.Name(), pin.Commit, pin.Date, of.Main(), cgo, p.Repository, pin.Note)
		}
	}
	return t.Flush()
}

// Run fetches, and says of each program what became of it. Programs that cannot be had do not stop the others; at the
// end they are an error together.
func (f *Fetch) Run(ctx context.Context) error {
	programs, err := manifest.Programs()
	if err != nil {
		return err
	}
	if f.Checkouts == "" {
		if f.Checkouts, err = Checkouts(); err != nil {
			return err
		}
	}
	names := f.Names
	if len(names) == 0 {
		for _, p := range programs {
			names = append(names, p.Name)
		}
	}
	var pinned []*manifest.Pinned
	for _, name := range names {
		p, err := manifest.Find(programs, name)
		if err != nil {
			return config("%v", err)
		}
		pinned = append(pinned, p)
	}
	lost := 0
	for _, p := range pinned {
		start := time.Now()
		fmt.Fprintf(f.Out, "%s: ", p.Name())
		err := manifest.Fetch(ctx, f.Checkouts, p)
		if err == nil && f.Build {
			fmt.Fprint(f.Out, "fetched, ")
			err = manifest.Build(ctx, f.Checkouts, p)
		}
		if ctx.Err() != nil {
			fmt.Fprintln(f.Out)
			return context.Cause(ctx)
		}
		if err != nil {
			lost++
			fmt.Fprintf(f.Out, "%v\n", err)
			if p.Pin.Note != "" {
				fmt.Fprintf(f.Out, "\tknown: %s\n", p.Pin.Note)
			}
			continue
		}
		done := "fetched"
		if f.Build {
			done = "builds"
		}
		fmt.Fprintf(f.Out, "%s (%s)\n", done, time.Since(start).Round(time.Second/10))
	}
	if lost > 0 {
		return config("%d of %d programs cannot be measured, see above", lost, len(pinned))
	}
	return nil
}
