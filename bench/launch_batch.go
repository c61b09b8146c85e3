package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/badbubble/distgo/bench/sample"
)

// Batch measures on a cluster, each build a job of its own through prun, or a step through srun: one rank a node. The
// sample file's directory and the programs must be where all nodes see them.
type Batch struct {
	place   Place
	program string
}

func newBatch(p Place) (*Batch, error) {
	program, err := exec.LookPath(p.Name)
	if err != nil {
		hint := "is it installed on this machine?"
		if p.Name == "prun" {
			hint = "on a DAS cluster: module load prun; elsewhere prun.sh stands in for it under that name"
		}
		return nil, config("there is no %s on PATH: %s", p.Name, hint)
	}
	return &Batch{p, program}, nil
}

// Name is "prun" or "srun".
func (b *Batch) Name() string { return b.place.Name }

// Fit refuses nodes with more cores than the cluster's have. Whether there are so many nodes only the cluster knows.
func (b *Batch) Fit(c sample.Cell) (sample.Cell, error) {
	c.Dilation = 1
	if c.Cores > b.place.NodeCores {
		return c, fmt.Errorf("no node has %d cores, they have %d (--node-cores)", c.Cores, b.place.NodeCores)
	}
	return c, nil
}

// Launch submits the build and waits for it. The time is the one on the nodes, without the queue's.
func (b *Batch) Launch(ctx context.Context, t *Task) (*Result, error) {
	env := append(environ(t.Program.environment()...), "GOMAXPROCS="+strconv.Itoa(t.Cell.Cores))
	if b.place.NodeTmp != "" {
		env = append(env, "TMPDIR="+b.place.NodeTmp)
	}
	pin := []string{t.Exe, "bench", "pin", "--cores", strconv.Itoa(b.pinned(t.Cell.Cores)), "--fresh"}
	if t.Cell.Builder == sample.Distgo {
		argv := append(b.command(t), append(append(pin, "--kept", t.Kept, "--"), t.distgo(0, storeWord)...)...)
		r, err := t.submit(ctx, t.Work, env, argv)
		if err != nil || r.Failed != "" {
			return r, err
		}
		r.Clock, r.CPU = sample.ClockRoot, 0
		return r, nil
	}
	if t.Cell.Cache != sample.Cold {
		return nil, config("a warm go build is measured with --through=local: the next job may run on another node")
	}
	result := filepath.Join(t.Work, "measured.json")
	argv := append(b.command(t), append(append(pin, "--result", result, "--"), t.goBuild()...)...)
	r, err := t.submit(ctx, t.Program.Dir, env, argv)
	if err != nil || r.Failed != "" {
		return r, err
	}
	m, err := readMeasured(ctx, result)
	if err != nil {
		return nil, err
	}
	r.Elapsed, r.CPU = time.Duration(m.Elapsed)*time.Microsecond, time.Duration(m.CPU)*time.Microsecond
	return r, nil
}

func (b *Batch) pinned(cores int) int {
	if b.place.Name != "prun" || !b.place.Pin || cores == b.place.NodeCores {
		return 0 // srun binds by itself, as the cluster is configured
	}
	return cores
}

// command is the launcher's own.
func (b *Batch) command(t *Task) []string {
	nodes, cores := strconv.Itoa(t.Cell.Nodes), strconv.Itoa(t.Cell.Cores)
	argv := []string{b.program}
	if b.place.Name == "prun" {
		argv = append(argv, "-np", nodes, "-1", "-t", prunTime(t.Limit))
		return append(argv, b.place.Args...)
	}
	minutes := strconv.Itoa(max(1, int((t.Limit + time.Minute - 1).Minutes())))
	argv = append(argv, "--nodes="+nodes, "--ntasks="+nodes, "--ntasks-per-node=1", "--cpus-per-task="+cores, "--time="+minutes,
		"--kill-on-bad-exit=1")
	return append(argv, b.place.Args...)
}

// prunTime is MM:SS.
func prunTime(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// readMeasured reads what Pin wrote on the node. A shared file system may show it a moment late.
func readMeasured(ctx context.Context, path string) (*Measured, error) {
	deadline := time.NewTimer(30 * time.Second) // NFS caches attributes for a few seconds
	defer deadline.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			var m Measured
			if err = json.Unmarshal(text, &m); err == nil {
				return &m, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-deadline.C:
			return nil, fmt.Errorf("the job ended well but wrote no %s: do all nodes see the directory %s?", filepath.Base(path), strings.TrimSuffix(filepath.Dir(path), "/"))
		case <-again.C:
		}
	}
}
