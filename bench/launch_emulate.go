package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/badbubble/distgo/bench/emulate"
	"github.com/badbubble/distgo/bench/sample"
)

// Emulated measures on an emulated cluster on this machine, made anew for each build: nodes are cold by construction.
type Emulated struct {
	Exe      string // distgo, through which nodes are entered
	Cores    int    // the machine's
	Dilation float64
	Net      emulate.Rate
	Slow     emulate.Slow // of distgo's nodes
}

// Name is "emulate".
func (l *Emulated) Name() string { return "emulate" }

// Fit gives the cell its dilation: the one asked for, or else the least with which it fits.
func (l *Emulated) Fit(c sample.Cell) (sample.Cell, error) {
	c.Net = l.Net.String()
	if c.Builder == sample.Distgo {
		c.Slow = l.Slow.String()
	}
	c.Dilation = l.Dilation
	if c.Dilation == 0 {
		// Rounded up to a quarter, so that samples say 1.5 and not 1.3333.
		c.Dilation = max(1, math.Ceil(4*float64(c.Total())/float64(l.Cores))/4)
	}
	return c, l.spec(c).Validate(l.Cores)
}

func (l *Emulated) spec(c sample.Cell) emulate.Spec {
	var slow emulate.Slow
	if c.Slow != "" {
		slow = l.Slow
	}
	return emulate.Spec{
		Name: c.String(), Nodes: c.Nodes, Cores: c.Cores, Dilation: c.Dilation, Net: l.Net, Slow: slow,
		Self: []string{l.Exe, "bench"},
	}
}

// Launch makes the cluster, builds, reads the kernel's counters, and removes the cluster whatever happened.
func (l *Emulated) Launch(ctx context.Context, t *Task) (r *Result, err error) {
	cluster, err := emulate.Up(ctx, l.spec(t.Cell))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Down()) }()
	log, err := os.Create(t.log())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	limited, cancel := context.WithTimeoutCause(ctx, t.Limit, errLimit)
	defer cancel()
	env := append(t.Program.environment(), "GOCACHE="+filepath.Join(emulate.ScratchDir, "gocache"))
	process := emulate.Process{Dir: t.Work, Env: env, Stdout: log, Stderr: log}
	var start time.Time
	before := make([]emulate.Usage, t.Cell.Nodes)
	if t.Cell.Builder == sample.Distgo {
		for node := range t.Cell.Nodes {
			if err := freshStore(filepath.Join(cluster.Scratch(node), "store"), t.Kept); err != nil {
				return nil, err
			}
		}
		process.Argv = t.distgo(0, filepath.Join(emulate.ScratchDir, "store"))
		start = time.Now()
		err = onAllNodes(limited, cluster, process)
	} else {
		further, flags := cluster.GoBuild()
		process.Dir = t.Program.Dir
		process.Argv = t.goBuild(flags...)
		process.Env = append(process.Env, further...)
		if t.Cell.Cache == sample.Warm {
			fill := *t
			fill.Cell.Cache = sample.Cold
			filling := process
			filling.Argv = fill.goBuild(flags...)
			if err = onNode(limited, cluster, 0, filling); err == nil {
				err = t.forgetProgram()
			}
			if err == nil {
				before[0], err = cluster.Usage(0)
			}
		}
		start = time.Now()
		if err == nil {
			err = onNode(limited, cluster, 0, process)
		}
	}
	r = &Result{Elapsed: time.Since(start), Clock: sample.ClockCommand}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		r.Failed = t.whyFailed(limited, err)
		return r, nil
	}
	for node := range t.Cell.Nodes {
		u, err := cluster.Usage(node)
		if err != nil {
			return nil, err
		}
		u.CPU, u.In, u.Out = u.CPU-before[node].CPU, u.In-before[node].In, u.Out-before[node].Out
		r.CPU += u.CPU
		r.Usage = append(r.Usage, sample.Node{CPU: u.CPU.Microseconds(), In: u.In, Out: u.Out})
	}
	return r, nil
}

func onNode(ctx context.Context, c *emulate.Cluster, node int, p emulate.Process) error {
	running, err := c.Start(ctx, node, p)
	if err != nil {
		return err
	}
	return running.Wait()
}

// onAllNodes runs one process on each node with the variables that prun sets, and waits for all of them. After the first
// that fails the others are asked to end.
func onAllNodes(ctx context.Context, c *emulate.Cluster, p emulate.Process) error {
	all, cancel := context.WithCancel(ctx)
	defer cancel()
	world := prunVariables(c.Spec())
	ended := make(chan error, c.Spec().Nodes) // so that nobody waits for the reader
	started := 0
	var first error
	for node := range c.Spec().Nodes {
		of := p
		of.Env = append(append(append([]string{}, p.Env...), world...), "PRUN_CPU_RANK="+strconv.Itoa(node))
		if node > 0 {
			of.Stdin = nil
		}
		running, err := c.Start(all, node, of)
		if err != nil {
			first = err
			break
		}
		started++
		go func() { ended <- running.Wait() }()
	}
	if first != nil {
		cancel()
	}
	for range started {
		if err := <-ended; err != nil && first == nil {
			first = err
			// The others notice by themselves and say why; those that do not are ended with the cluster.
			time.AfterFunc(endTime, cancel)
		}
	}
	return first
}

// prunVariables are those of a process that prun started, but for its rank.
func prunVariables(s emulate.Spec) []string {
	hosts, entries := "", ""
	for node := range s.Nodes {
		if node > 0 {
			hosts, entries = hosts+" ", entries+" "
		}
		hosts += s.Hostname(node)
		entries += s.Hostname(node) + "/0"
	}
	n := strconv.Itoa(s.Nodes)
	job := strconv.Itoa(os.Getpid()) // each cluster has a network of its own: no port is ever taken
	return []string{
		"NHOSTS=" + n, "HOSTS=" + hosts, "PRUN_HOSTNAMES=" + entries, "PRUN_PE_HOSTS=" + hosts,
		"PRUN_CPUS_PER_NODE=1", "PRUN_CPUS=" + n, "PRUN_ENV=" + fmt.Sprintf(".PRUN_ENVIRONMENT.%s", job),
		"SLURM_JOB_ID=" + job, "SLURM_JOB_NUM_NODES=" + n, "SLURM_NTASKS=" + n, "SLURM_PROCID=0", "SLURM_LOCALID=0", "SLURM_NODEID=0",
	}
}
