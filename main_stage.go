// The command line of distgo stage. What it does is in package sync/stage.

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/badbubble/distgo/rank"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/stage"
)

type stageCommand struct {
	Put   stagePut   `cmd:"" default:"withargs" help:"Put distgo and what else is named on the nodes, at the paths where it is here. This is the default."`
	Fetch stageFetch `cmd:"" help:"Bring reports, traces, programs back."`
	Clean stageClean `cmd:"" help:"Remove what was put on the nodes and has not changed since, and nothing else."`
}

type stageHosts struct {
	hostFlags
	Quiet bool `short:"q" help:"No progress, no summary."`
}

// bar shows progress to whoever watches.
func (s stageHosts) bar() *stage.Bar {
	if s.Quiet || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return stage.NewBar(os.Stderr)
}

// finish says what was done.
func (s stageHosts) finish(bar *stage.Bar, begun time.Time, verb string, hosts []string, sum stage.Summary, err error) error {
	bar.Clear()
	leftAlone(sum)
	switch {
	case err != nil:
		return remoteError(err)
	case !s.Quiet:
		fmt.Fprintf(os.Stderr, "distgo: %s %d files (%.1f MB) on %d hosts in %.1fs; %d were there already\n",
			verb, sum.Files, float64(sum.Bytes)/1e6, len(hosts), time.Since(begun).Seconds(), sum.Same)
	}
	return nil
}

func leftAlone(sum stage.Summary) {
	for _, path := range sum.Skipped {
		fmt.Fprintf(os.Stderr, "distgo: %s was left alone\n", path)
	}
}

func (s stageHosts) some() ([]string, error) {
	if !s.named() {
		return nil, rank.Usage(errors.New("no hosts: give --hosts=a,b,... or --hostfile=FILE"))
	}
	hosts, err := s.hosts()
	slices.Sort(hosts)
	return slices.Compact(hosts), err // one that has several ranks gets its files once
}

type stagePut struct {
	stageHosts
	Project   bool     `help:"Put the project there that -p names."`
	Dir       string   `name:"p" short:"p" default:"." placeholder:"DIR" help:"Directory of the project."`
	Toolchain bool     `help:"Put the Go toolchain there that the project is built with."`
	To        string   `placeholder:"DIR" help:"Put everything below this directory of the nodes, each under the last element of its path."`
	Paths     []string `arg:"" optional:"" help:"Further files and directories, such as a module cache."`
}

func (c *stagePut) Run(env *environment) error {
	hosts, err := c.some()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	paths := append([]string{exe}, c.Paths...)
	if c.Project || c.Toolchain {
		tools, err := toolchain.Find(env.ctx, c.Dir)
		if err != nil {
			return rank.Failed(env.ctx, err)
		}
		if c.Project {
			paths = append(paths, filepath.Dir(cmp.Or(tools.Env["GOWORK"], tools.Env["GOMOD"])))
		}
		if c.Toolchain {
			paths = append(paths, tools.Root())
		}
	}
	items := make([]stage.Item, len(paths))
	for i, path := range paths {
		if items[i].Local, err = filepath.Abs(path); err != nil {
			return err
		}
		if items[i].Node = items[i].Local; c.To != "" {
			items[i].Node = filepath.Join(c.To, filepath.Base(items[i].Local))
		}
	}
	bar, begun := c.bar(), time.Now()
	sum, err := stage.Put(env.ctx, hosts, items, stage.PutOptions{Checker: items[0].Node, Bar: bar})
	return c.finish(bar, begun, "put", hosts, sum, err)
}

type stageFetch struct {
	stageHosts
	Into  string   `default:"." placeholder:"DIR" help:"Where each host's files go, in a directory with its name."`
	Paths []string `arg:"" help:"Files, directories, or patterns in quotes."`
}

func (c *stageFetch) Run(env *environment) error {
	hosts, err := c.some()
	if err != nil {
		return err
	}
	bar, begun := c.bar(), time.Now()
	sum, err := stage.Fetch(env.ctx, hosts, c.Paths, c.Into, bar)
	return c.finish(bar, begun, "fetched", hosts, sum, err)
}

type stageClean struct{ stageHosts }

func (c *stageClean) Run(env *environment) error {
	hosts, err := c.some()
	if err != nil {
		return err
	}
	begun := time.Now()
	sum, err := stage.Clean(env.ctx, hosts)
	leftAlone(sum)
	if err != nil {
		return remoteError(err)
	}
	if !c.Quiet {
		fmt.Fprintf(os.Stderr, "distgo: removed %d files on %d hosts in %.1fs\n", sum.Files, len(hosts), time.Since(begun).Seconds())
	}
	return nil
}
