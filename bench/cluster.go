package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/badbubble/distgo/bench/emulate"
)

// A ClusterRun is a program to run on every node of an emulated cluster, as prun would on a real one.
type ClusterRun struct {
	Nodes    int
	Cores    int
	Dilation float64 // 0: what makes the cluster fit
	Net      string
	Limit    time.Duration
	Verbose  bool
	Argv     []string // VAR=value words may come first, as with prun
	Exe      string   // distgo, through which nodes are entered

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ParseClusterRun reads prun's command line: -np N, -1, -t, -v, and beside them --cores, --dilation and --net with
// their values. kong cannot, as prun's options have one dash and several letters.
func ParseClusterRun(args []string) (*ClusterRun, error) {
	r := &ClusterRun{Cores: 1, Net: "1gbit", Limit: 15 * time.Minute}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		switch name {
		case "-v":
			r.Verbose = true
			continue
		case "-1": // one process a node, which is what there is
			continue
		case "--":
			r.Argv = args
			return r, r.check()
		}
		if n, err := strconv.Atoi(name[1:]); err == nil && n > 1 {
			return nil, config("%s: an emulated node runs one process; give it more cores with --cores=%d", name, n)
		}
		if !joined {
			if len(args) == 0 {
				return nil, config("%s needs a value, or is unknown: -np, --cores, --dilation, --net, -t, -v", name)
			}
			value, args = args[0], args[1:]
		}
		if err := r.set(name, value); err != nil {
			return nil, err
		}
	}
	r.Argv = args
	return r, r.check()
}

func (r *ClusterRun) set(name, value string) (err error) {
	switch name {
	case "-np", "--nodes":
		r.Nodes, err = strconv.Atoi(value)
	case "--cores":
		r.Cores, err = strconv.Atoi(value)
	case "--dilation":
		r.Dilation, err = strconv.ParseFloat(value, 64)
	case "--net":
		r.Net = value
	case "-t":
		r.Limit, err = prunLimit(value)
	case "-native", "-reserve", "-o":
		return config("%s means nothing on an emulated cluster", name)
	default:
		return config("unknown option %s: -np, --cores, --dilation, --net, -t, -v", name)
	}
	if err != nil {
		return config("%s %s: %v", name, value, err)
	}
	return nil
}

func (r *ClusterRun) check() error {
	if r.Nodes < 1 {
		return config("how many nodes? Say -np N")
	}
	if len(r.Argv) == 0 {
		return config("which program? Its command comes last")
	}
	return nil
}

var limitForm = regexp.MustCompile(`^(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,8})$`)

// prunLimit reads seconds, MM:SS or H:MM:SS.
func prunLimit(text string) (time.Duration, error) {
	parts := limitForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("neither seconds nor MM:SS nor H:MM:SS")
	}
	seconds := 0
	for _, part := range parts[1:] {
		n, _ := strconv.Atoi("0" + part)
		seconds = seconds*60 + n
	}
	return time.Duration(seconds) * time.Second, nil
}

// TimeLimit says that a program took longer than it may.
type TimeLimit struct{ Limit time.Duration }

func (e *TimeLimit) Error() string {
	return fmt.Sprintf("the time limit of %s is reached (-t sets another)", e.Limit)
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// Run makes the cluster, runs the program on all nodes, says what the nodes used, and removes the cluster. The error of
// a program that failed is an *exec.ExitError.
func (r *ClusterRun) Run(ctx context.Context) (err error) {
	net, err := emulate.ParseRate(r.Net)
	if err != nil {
		return config("%v", err)
	}
	if r.Dilation == 0 {
		r.Dilation = max(1, math.Ceil(4*float64(r.Nodes*r.Cores)/float64(runtime.NumCPU()))/4)
	}
	spec := emulate.Spec{Nodes: r.Nodes, Cores: r.Cores, Dilation: r.Dilation, Net: net, Self: []string{r.Exe, "bench"}}
	if err := emulate.Check(); err != nil {
		return config("%v", err)
	}
	if err := spec.Validate(runtime.NumCPU()); err != nil {
		return config("%v", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	p := emulate.Process{Dir: dir, Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Argv: r.Argv}
	for len(p.Argv) > 0 && assignment.MatchString(p.Argv[0]) {
		p.Env, p.Argv = append(p.Env, p.Argv[0]), p.Argv[1:]
	}
	if len(p.Argv) == 0 {
		return config("which program? Its command comes last")
	}
	cluster, err := emulate.Up(ctx, spec)
	if err != nil {
		return err
	}
	defer func() {
		if derr := cluster.Down(); err == nil {
			err = derr
		}
	}()
	limited, cancel := context.WithTimeoutCause(ctx, r.Limit, &TimeLimit{r.Limit})
	defer cancel()
	if r.Verbose {
		fmt.Fprintf(r.Stderr, "emulated cluster: %d nodes of %d cores, dilation %.4g, links of %s\n", spec.Nodes, spec.Cores, spec.Dilation, spec.Net)
	}
	start := time.Now()
	err = onAllNodes(limited, cluster, p)
	elapsed := time.Since(start)
	if limited.Err() != nil {
		return context.Cause(limited)
	}
	if r.Verbose {
		r.tellUsage(cluster, elapsed)
	}
	return err
}

func (r *ClusterRun) tellUsage(c *emulate.Cluster, elapsed time.Duration) {
	for node := range c.Spec().Nodes {
		u, err := c.Usage(node)
		if err != nil {
			fmt.Fprintln(r.Stderr, err)
			continue
		}
		fmt.Fprintf(r.Stderr, "%s: %.2f s of CPU, %.2f MB in, %.2f MB out\n", c.Spec().Hostname(node), u.CPU.Seconds(), float64(u.In)/1e6, float64(u.Out)/1e6)
	}
	fmt.Fprintf(r.Stderr, "took %.2f s, which are %.2f s on real cores\n", elapsed.Seconds(), elapsed.Seconds()/c.Spec().Dilation)
}

// ExitCode is that of a program that was run and failed, in a shell's way, 128 and a signal's number where one ended it;
// false for other errors.
func ExitCode(err error) (code int, ok bool) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, false
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), true
	}
	return exit.ExitCode(), true
}
