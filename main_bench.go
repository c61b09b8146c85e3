// The command line of distgo bench: experiments, figures, traces, the emulated
// cluster. What they do is in package bench.

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/badbubble/distgo/bench"
	"github.com/badbubble/distgo/bench/emulate"
	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/page"
	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank"
)

// benchCommand measures. What its parts do is in package bench.
type benchCommand struct {
	Run_     benchRun      `cmd:"" name:"run" help:"Measure programs on nodes of cores, beside go build."`
	Figures  benchFigures  `cmd:"" help:"Draw samples: PNG and SVG."`
	Report   benchReport   `cmd:"" help:"Write a report of samples: one HTML page, and Markdown with pictures."`
	Table    benchTable    `cmd:"" help:"Print samples beside go build and beside their bounds, as ratios."`
	Compare  benchCompare  `cmd:"" help:"Compare the medians of two measurements of the same cells."`
	Simulate benchSimulate `cmd:"" help:"Put a recorded run on worlds of up to 1024 ranks: time, bound, and what binds."`
	Trace    benchTrace    `cmd:"" help:"Turn the report of a run into a trace for Chrome or Perfetto."`
	Fetch    benchFetch    `cmd:"" help:"Fetch the manifest's programs: clone, download modules, try to build."`
	Baseline benchBaseline `cmd:"" help:"Measure go build alone, cold and warm, and count its actions."`
	Cluster  benchCluster  `cmd:"" help:"An emulated cluster on this machine."`
	Enter    benchWords    `cmd:"" hidden:"" help:"Become a program on an emulated node."`
	Pin      benchPin      `cmd:"" hidden:"" help:"Run a command on so many cores."`
}

// experiment is what run and baseline share.
type experiment struct {
	Programs    []string      `arg:"" optional:"" name:"program" help:"Programs of the manifest (distgo bench fetch --list), as alist or alist@2024, or directories of your own, as ./server:./cmd/server."`
	Output      string        `short:"o" default:"samples.jsonl" placeholder:"FILE" help:"Where samples go, one line each. Default: samples.jsonl."`
	Left        bool          `help:"Print how many samples are still to be taken, and take none."`
	Estimate    bool          `help:"As --left, and about how many seconds they take (0: nobody knows)."`
	Resume      bool          `help:"Go on with a file that holds samples already."`
	Repetitions int           `short:"r" default:"3" placeholder:"N" help:"Samples of each cell."`
	Checkouts   string        `placeholder:"DIR" help:"Where distgo bench fetch puts programs. Default: distgo-bench in the user's cache directory."`
	CGO         bool          `name:"cgo" help:"CGO_ENABLED=1 for directories of your own; the manifest says it for its programs."`
	Limit       time.Duration `default:"30m" placeholder:"TIME" help:"A build that takes longer is refused."`
	StopAfter   time.Duration `placeholder:"TIME" help:"Begin no sample that would likely end later: for slots of a batch system. --resume takes the rest."`
	Through     string        `enum:"local,emulate,prun,srun" default:"local" help:"Where builds run: on this machine, on an emulated cluster on it, or through prun or srun."`
	NodeCores   int           `default:"16" placeholder:"N" help:"Cores of a node of the cluster, for prun and srun."`
	Dilation    float64       `placeholder:"F" help:"With emulate: everything runs F times slower than on real cores. Default: what makes each cell fit."`
	Net         string        `default:"1gbit" placeholder:"RATE" help:"With emulate: rate of a node's link."`
	Slow        string        `placeholder:"NODE:F" help:"With emulate: the cores of one of distgo's nodes, numbered from 0, are F times slower than the others', as 3:2.5."`
	ThroughArg  []string      `placeholder:"ARG" sep:"none" help:"A further argument for prun or srun, repeatable."`
	NodeTmp     string        `placeholder:"DIR" help:"With prun and srun: TMPDIR on the nodes, a disk of their own. Made if it can be."`
	Variant     string        `placeholder:"WORD" help:"What the further options make of distgo, for samples and pictures, as stock."`
	DistgoArg   []string      `placeholder:"ARG" sep:"none" help:"A further option of distgo, repeatable, as --pipeline=off. Needs --variant."`
	Pin         bool          `negatable:"" default:"true" help:"With prun: use no more of a node's cores than the cell has."`
}

type benchRun struct {
	experiment
	Nodes     []int    `placeholder:"N,..." help:"Numbers of nodes (1, or none beside --shape)."`
	Cores     []int    `placeholder:"C,..." help:"Cores of each node (1)."`
	Shape     []string `placeholder:"NxC,..." help:"Further worlds, as 4x2 for four nodes of two cores."`
	Barrier   []string `default:"split,blocking" enum:"split,blocking" help:"Barrier modes."`
	Baselines bool     `negatable:"" default:"true" help:"Measure go build too, on one node of C cores and on one of all N x C."`
}

func (c *benchRun) Run(env *environment) error {
	var further []bench.Shape
	for _, text := range c.Shape {
		s, err := bench.ParseShape(text)
		if err != nil {
			return benchError(err)
		}
		further = append(further, s)
	}
	nodes, cores := c.Nodes, c.Cores
	if len(nodes) > 0 || len(cores) > 0 || len(further) == 0 {
		nodes, cores = orOne(nodes), orOne(cores)
	}
	shapes, err := bench.Shapes(nodes, cores, further)
	if err != nil {
		return benchError(err)
	}
	return benchError(c.measure(env, bench.Matrix{Shapes: shapes, Barriers: c.Barrier, Baselines: c.Baselines}))
}

func orOne(numbers []int) []int {
	if len(numbers) == 0 {
		return []int{1}
	}
	return numbers
}

func (c *experiment) measure(env *environment, m bench.Matrix) (err error) {
	if c.Checkouts == "" {
		if c.Checkouts, err = bench.Checkouts(); err != nil {
			return err
		}
	}
	m.Variant = c.Variant
	if (m.Variant == "") != (len(c.DistgoArg) == 0) {
		return rank.Usage(errors.New("--variant and --distgo-arg go together: samples must say what was different"))
	}
	choice := bench.Choice{Names: c.Programs, Checkouts: c.Checkouts, CGO: c.CGO}
	if m.Programs, err = choice.Programs(env.ctx); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	launcher, err := bench.NewLauncher(bench.Place{Name: c.Through, Exe: exe, NodeCores: c.NodeCores, Dilation: c.Dilation, Net: c.Net, Slow: c.Slow, Args: c.ThroughArg, NodeTmp: c.NodeTmp, Pin: c.Pin})
	if err != nil {
		return err
	}
	e := bench.Experiment{
		Matrix: m, Launcher: launcher, Repetitions: c.Repetitions, Flags: env.goFlags, Options: c.DistgoArg,
		File: c.Output, Resume: c.Resume, Limit: c.Limit, StopAfter: c.StopAfter,
		Exe: exe, Version: version(), Out: os.Stderr,
	}
	if c.Left || c.Estimate {
		left, takes, err := e.Left(env.ctx)
		switch {
		case err == nil && c.Estimate:
			fmt.Println(left, int(takes.Seconds()))
		case err == nil:
			fmt.Println(left)
		}
		return err
	}
	return e.Run(env.ctx)
}

// samples are what figures and report are made of.
type samples struct {
	Files []string `arg:"" optional:"" name:"samples" help:"Sample files, or directories of them. Default: samples.jsonl."`
	Paper bool     `help:"Lay the 2024 prototype's curves underneath."`
}

func (c *samples) load() (*sample.Set, error) {
	if len(c.Files) == 0 {
		c.Files = []string{"samples.jsonl"}
	}
	set, err := bench.Load(c.Files, os.Stderr)
	return set, benchError(err)
}

type benchFigures struct {
	samples
	Output string `short:"o" default:"figures" placeholder:"DIR" help:"Where pictures go. Default: figures."`
}

func (c *benchFigures) Run(env *environment) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	pictures, err := figures.All(figures.Campaigns(set.Good()), c.Paper)
	if err != nil {
		return benchError(err)
	}
	if err := figures.Write(c.Output, pictures); err != nil {
		return benchError(err)
	}
	fmt.Printf("%d pictures are in %s, each as PNG and as SVG\n", len(pictures), c.Output)
	return nil
}

type benchReport struct {
	samples
	Output string `short:"o" default:"report" placeholder:"DIR" help:"Where report.html, report.md and figures/ go. Default: report."`
}

func (c *benchReport) Run(env *environment) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	if err := page.Write(c.Output, set, c.Paper); err != nil {
		return benchError(err)
	}
	fmt.Printf("the report is in %s\n", filepath.Join(c.Output, "report.html"))
	return nil
}

type benchTable struct{ samples }

func (c *benchTable) Run(env *environment) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	return benchError(bench.Table(set, os.Stdout))
}

type benchCompare struct {
	First  string  `arg:"" help:"Sample file, or directory of them."`
	Second string  `arg:"" help:"The other."`
	Within float64 `default:"7" placeholder:"PERCENT" help:"How far apart medians may be (${default})."`
}

func (c *benchCompare) Run(env *environment) error {
	first, err := bench.Load([]string{c.First}, os.Stderr)
	if err != nil {
		return benchError(err)
	}
	second, err := bench.Load([]string{c.Second}, os.Stderr)
	if err != nil {
		return benchError(err)
	}
	return benchError(bench.Compare(first, second, c.Within, os.Stdout))
}

type benchSimulate struct {
	File     string  `arg:"" help:"A report that distgo --report wrote of a build with -a."`
	Dilation float64 `default:"1" placeholder:"F" help:"How many times slower than real cores the emulated cluster was that it was recorded on; 1 for real machines."`
	Net      string  `default:"1gbit" placeholder:"RATE" help:"Rate of a rank's link, or unlimited."`
	Ranks    []int   `placeholder:"N,..." help:"Numbers of ranks. Default: 1, 2, 4 ... 1024."`
	Cores    []int   `placeholder:"C,..." help:"Cores of each. Default: 1, 2, 4 ... 64."`
	Figures  string  `placeholder:"DIR" help:"Draw it too, PNG and SVG, into this directory."`
}

// Help says what a prediction is made of.
func (c *benchSimulate) Help() string {
	return `Each world is planned as the recorded run was, helpers included, and executed in virtual time by what runs builds,
with the durations that were recorded, as they would have been without helpers, and the network's part of each message
and artifact. Not simulated: a compile has the threads that it had, ranks are as fast as those recorded (those of the
emulated cluster are slower under more dilation), and what precedes execution takes as long as it took.`
}

func (c *benchSimulate) Run(env *environment) error {
	s := bench.Simulation{File: c.File, Dilation: c.Dilation, Net: c.Net, Ranks: c.Ranks, Cores: c.Cores, Figures: c.Figures}
	return benchError(s.Run(os.Stdout))
}

type benchTrace struct {
	File   string `arg:"" help:"A report that distgo --report wrote."`
	Output string `short:"o" placeholder:"FILE" help:"Where the trace goes. Default: standard output."`
}

func (c *benchTrace) Run(env *environment) error {
	return benchError(bench.Trace(c.File, c.Output, os.Stdout))
}

type benchFetch struct {
	Programs  []string `arg:"" optional:"" name:"program" help:"Programs of the manifest, as alist or alist@2024. Default: all of them, at their current commits."`
	Checkouts string   `placeholder:"DIR" help:"Where they go. Default: distgo-bench in the user's cache directory."`
	List      bool     `help:"Print the manifest, and fetch nothing."`
	Build     bool     `negatable:"" default:"true" help:"Try go build, and say what does not build and why."`
}

func (c *benchFetch) Run(env *environment) error {
	f := bench.Fetch{Names: c.Programs, Checkouts: c.Checkouts, Build: c.Build, Out: os.Stdout}
	if c.List {
		return benchError(f.List())
	}
	return benchError(f.Run(env.ctx))
}

type benchBaseline struct {
	experiment
	Cores []int    `default:"1,2,4,8" placeholder:"C,..." help:"Numbers of cores that go build may use (GOMAXPROCS)."`
	Cache []string `default:"cold,warm" enum:"cold,warm" help:"Caches of go build."`
}

func (c *benchBaseline) Run(env *environment) error {
	return benchError(c.measure(env, bench.Matrix{GoCores: c.Cores, Caches: c.Cache, Describe: true}))
}

type benchCluster struct {
	Run_ benchClusterRun `cmd:"" name:"run" passthrough:"" help:"Run a program on every node of an emulated cluster, as prun does: -np N [-v] [-t TIME] [--cores C] [--dilation F] [--net RATE] [VAR=value...] PROGRAM..."`
}

type benchClusterRun struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"prun's options, the program and its arguments."`
}

const clusterUsage = `Usage: distgo bench cluster run -np N [options] [VAR=value ...] PROGRAM [argument ...]

Runs a program on every node of an emulated cluster, as prun does on a real one. Needs root.

  -np N          nodes
  --cores C      cores of each (default 1)
  --dilation F   time runs F times slower, as far as the machine's cores do not suffice (default: what fits)
  --net RATE     of each node's link (default 1gbit)
  -t TIME        time limit: seconds, MM:SS or H:MM:SS (default 15:00)
  -v             say what the nodes took
`

func (c *benchClusterRun) Run(env *environment) error {
	words := env.args[3:]
	if len(words) > 0 && (words[0] == "-h" || words[0] == "--help") { // kong leaves it to the program's words
		_, err := fmt.Print(clusterUsage)
		return err
	}
	r, err := bench.ParseClusterRun(words)
	if err != nil {
		return benchError(err)
	}
	if r.Exe, err = os.Executable(); err != nil {
		return err
	}
	r.Stdin, r.Stdout, r.Stderr = os.Stdin, os.Stdout, os.Stderr
	return benchError(r.Run(env.ctx))
}

// benchWords is the command through which emulate enters its nodes: all words are its own.
type benchWords struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

func (c *benchWords) Run(env *environment) error {
	return benchError(emulate.Enter(env.args[2:]))
}

type benchPin struct {
	Cores  int    `help:"How many; 0 leaves all."`
	Result string `help:"Wait for the command, and write what it took to this file."`
	Fresh  bool   `help:"Give the command empty caches of its own on this node."`
	Kept   string `help:"Directory of the compilers that its store is to have."`
}

func (c *benchPin) Run(env *environment) error {
	pinned := bench.Pinned{Cores: c.Cores, Result: c.Result, Fresh: c.Fresh, Kept: c.Kept, Argv: env.goFlags}
	err := pinned.Run(env.ctx)
	return benchError(err)
}

// benchError gives an experiment's errors their exit codes; a program that was run has spoken for itself.
func benchError(err error) error {
	if code, ok := bench.ExitCode(err); ok {
		return &rank.Error{Code: code, Err: err, Silent: true}
	}
	if _, ok := errors.AsType[*bench.TimeLimit](err); ok {
		return &rank.Error{Code: 124, Err: err} // as prun.sh, and timeout(1)
	}
	if _, ok := errors.AsType[*bench.Config](err); ok {
		return rank.Usage(err)
	}
	if _, ok := errors.AsType[*rank.Interrupted](err); ok {
		return err
	}
	if err != nil {
		return &rank.Error{Code: rank.ExitWorld, Err: err}
	}
	return nil
}
