// Command distgo compiles a Go program on many machines. This file is its
// command line: what it can be told, signals, and exit codes. What it does is
// in package rank.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/badbubble/distgo/bench"
	"github.com/badbubble/distgo/bench/emulate"
	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/page"
	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/scratch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/stage"
	"github.com/badbubble/distgo/sync/stage/remote"
)

const description = `distgo compiles one Go program on many machines.

Start it on every node with the cluster's launcher; the processes find each other, share the compiling, and rank 0 links. The program is the one that go build makes, byte for byte but for the build ID.

  prun -np 8 ./distgo -p ~/src/project -m ./cmd/server
  ./distgo -n 4 -p ~/src/project -m .        four ranks on this machine
  ./distgo -p ~/src/project -- -tags netgo   flags after -- go to go build

Exit codes: 0 built; 1 the code does not build; 2 usage or configuration; 3 a rank, a node or the network failed; 4 distgo is wrong; 130 interrupted, 143 terminated.`

type commandLine struct {
	Build buildCommand `cmd:"" default:"withargs" help:"Build a program. This is the default."`
	Plan  planCommand  `cmd:"" help:"Print what a build would do, without building."`
	Bench benchCommand `cmd:"" help:"Measure distgo against go build, draw the figures."`

	Stage  stageCommand  `cmd:"" help:"Put files on nodes through ssh before a run, or bring them back."`
	Whoami whoamiCommand `cmd:"" help:"Print what this process finds out about its rank, and from where. Start it as a run would be."`

	launchFlags
	Version kong.VersionFlag `help:"Print distgo's version."`
}

// target is what to build; build and plan share it.
type target struct {
	Project string   `short:"p" default:"." placeholder:"DIR" help:"Directory of the project, with its go.mod."`
	Main    []string `short:"m" sep:"none" placeholder:"PKG" help:"What to build, as an argument of go build seen from the project: a main file, a package directory, an import path, a pattern. Default: the package in the project's directory."`
	Output  string   `short:"o" placeholder:"FILE" help:"Where the program goes, seen from here. Default: where go build, run in the project, puts it."`

	UnverifiedGo bool `name:"unverified-go" help:"Go on with a Go version whose transcript format this distgo was not verified with."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == "guard" {
		return scratch.Guard(args[1:]) // started by distgo itself, see package scratch
	}
	if len(args) == 1 && (args[0] == stage.DigestsArgument || args[0] == stage.UnpackArgument) {
		if err := stage.Serve(args[0], os.Stdin, os.Stdout); err != nil { // started by distgo stage, see package stage
			return complain(err, rank.ExitWorld)
		}
		return rank.ExitBuilt
	}
	if len(args) == 1 && args[0] == launch.OrderArgument {
		var err error
		if args, err = launch.Obey(os.Stdin); err != nil { // started by distgo --hosts, see package launch
			return complain(err, rank.ExitUsage)
		}
	}
	if place, err := launch.Detect(os.LookupEnv, launch.Flags{Rank: -1, Size: -1}, os.ReadFile); err == nil {
		args = launch.FormerArguments(args, place) // whatever the flags may say
	}
	flags, goFlags := cutDashes(args)
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("distgo"), kong.Description(description),
		kong.Vars{"version": version()}, kong.UsageOnError(), kong.ShortUsageOnError())
	if err != nil {
		return complain(fmt.Errorf("command line: %w", err), rank.ExitInternal)
	}
	parsed, err := parser.Parse(flags)
	if err != nil {
		return complain(fmt.Errorf("%w; see distgo --help", err), rank.ExitUsage)
	}
	ctx, stop := interruptible()
	defer stop()
	place, placeErr := launch.Detect(os.LookupEnv, cli.flags(), os.ReadFile)
	env := environment{ctx: ctx, place: place, placeErr: placeErr, launch: cli.launchFlags, goFlags: goFlags, args: args}
	if err := parsed.Run(&env); err != nil {
		return report(err)
	}
	return rank.ExitBuilt
}

// environment is what commands are run with.
type environment struct {
	ctx      context.Context
	place    launch.Place
	placeErr error
	launch   launchFlags
	goFlags  []string // what follows --
	args     []string // all of it
}

// cutDashes splits the arguments at the first "--".
func cutDashes(args []string) (before, after []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// interruptible returns a context that SIGINT, SIGTERM and SIGHUP end.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1) // the first one decides
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			cancel(&rank.Interrupted{Signal: s.(syscall.Signal)})
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel(nil) }
}

// report says why there is no program, unless another rank does, and returns
// the exit code.
func report(err error) int {
	e, ok := errors.AsType[*rank.Error](err)
	if !ok {
		return complain(err, rank.ExitInternal)
	}
	if e.Silent {
		return e.Code
	}
	return complain(e, e.Code)
}

func complain(err error, code int) int {
	fmt.Fprintln(os.Stderr, rank.Sentence(err, code))
	return code
}

// version is the module's, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "distgo (unknown)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return "distgo " + v + " " + info.GoVersion
}

type buildCommand struct {
	target
	hostFlags
	Np       int    `short:"n" placeholder:"N" help:"Start N ranks on this machine. Without it, rank and size come from the launcher."`
	Slots    int    `placeholder:"N" help:"Actions this rank executes side by side. Default: the cores that launcher, affinity and cgroup grant."`
	Scratch  string `placeholder:"DIR" help:"Where the private directory of the run is made; node-local disk. Default: TMPDIR."`
	Barrier  string `enum:"split,blocking" default:"split" help:"split: a rank notifies at a barrier and goes on. blocking: textbook BSP, nobody goes on before all have arrived."`
	OnLoss   string `enum:"continue,abort" default:"continue" help:"When a rank other than root is lost: go on with the others, or end."`
	Pipeline string `enum:"auto,off,require" default:"auto" env:"DISTGO_PIPELINE" help:"Use the pipelined compiler: where it is proved, never, or else fail."`
	Store    string `placeholder:"DIR" help:"What is kept between runs. Default: distgo in the user's cache directory."`
	All      bool   `short:"a" help:"Compile everything, whatever the store holds."`
	Verify   bool   `help:"Build with go build as well and compare the programs."`
	KeepWork bool   `help:"Leave the scratch directory and print its name."`
	Quiet    bool   `short:"q" help:"No progress, no summary."`
	Verbose  bool   `short:"v" help:"Say more about the world and the plan."`
	Trace    bool   `short:"x" help:"Print each command with the rank that ran it."`
	Label    bool   `short:"l" help:"With -n or --hosts: begin each line of output with the rank that printed it."`
	Report   string `placeholder:"FILE" help:"Write a JSON report of the run."`
}

func (c *buildCommand) Run(env *environment) error {
	if env.placeErr != nil {
		return rank.Usage(env.placeErr)
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if env.place.Launcher != "distgo" && (c.Np > 0 || c.named()) {
		if env.place.Size > 1 || env.place.Launcher == "flags" {
			return rank.Usage(fmt.Errorf("this is %s already: leave out -n and --hosts, or give --launcher=single", env.place))
		}
		code, err := c.start(env, exe)
		if err != nil {
			return remoteError(err)
		}
		if code != 0 {
			return &rank.Error{Code: code, Err: errors.New("a rank failed"), Silent: true}
		}
		return nil
	}
	cfg, err := c.config(env)
	if err != nil {
		return err
	}
	if env.place.Size > 1 {
		if cfg.Secret, err = launch.Secret(os.LookupEnv, userConfigDir()); err != nil {
			return rank.Usage(err)
		}
	}
	cfg.Place, cfg.Launch, cfg.Executable = env.place, env.launch.launch(), exe
	cfg.Slots, cfg.Scratch, cfg.Report = c.Slots, c.Scratch, c.Report
	cfg.Verify, cfg.KeepWork, cfg.Store, cfg.All = c.Verify, c.KeepWork, c.Store, c.All
	cfg.AbortOnLoss = c.OnLoss == "abort"
	cfg.Pipeline = map[string]rank.Pipeline{"auto": rank.PipelineAuto, "off": rank.PipelineOff, "require": rank.PipelineRequire}[c.Pipeline]
	cfg.Quiet, cfg.Verbose, cfg.Trace = c.Quiet, c.Verbose, c.Trace
	cfg.Wrap = strings.Fields(os.Getenv("DISTGO_TOOLEXEC"))
	cfg.Mode = superstep.Split
	if c.Barrier == "blocking" {
		cfg.Mode = superstep.Blocking
	}
	return rank.Run(env.ctx, cfg)
}

// config is the part of the configuration that says what to build.
func (t *target) config(env *environment) (rank.Config, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return rank.Config{}, err
	}
	flags, err := toolchain.PassedFlags(env.goFlags)
	if err != nil {
		return rank.Config{}, rank.Usage(err)
	}
	main := t.Main
	if len(main) == 0 {
		main = []string{"."}
	}
	return rank.Config{
		Project: t.Project, Cwd: cwd, UnverifiedGo: t.UnverifiedGo,
		Request: toolchain.Request{Main: main, Output: rank.OutputPath(cwd, t.Output), Flags: flags},
		Version: version(), Stderr: os.Stderr,
	}, nil
}

type planCommand struct {
	target
	Ranks int  `short:"r" default:"1" placeholder:"N" help:"Place the actions on so many ranks."`
	Slots int  `default:"1" placeholder:"N" help:"Slots of each rank."`
	JSON  bool `xor:"form" help:"Print the plan as JSON."`
	Dot   bool `xor:"form" help:"Print the graph of actions for Graphviz."`
}

func (c *planCommand) Run(env *environment) error {
	cfg, err := c.config(env)
	if err != nil {
		return err
	}
	form := rank.Table
	if c.JSON {
		form = rank.JSON
	} else if c.Dot {
		form = rank.Dot
	}
	return rank.PrintPlan(env.ctx, os.Stdout, cfg, c.Ranks, c.Slots, form)
}

// benchCommand measures. What its parts do is in package bench.
type benchCommand struct {
	Run_     benchRun      `cmd:"" name:"run" help:"Measure programs on nodes of cores, beside go build."`
	Figures  benchFigures  `cmd:"" help:"Draw samples: PNG and SVG."`
	Report   benchReport   `cmd:"" help:"Write a report of samples: one HTML page, and Markdown with pictures."`
	Compare  benchCompare  `cmd:"" help:"Compare the medians of two measurements of the same cells."`
	Trace    benchTrace    `cmd:"" help:"Turn the report of a run into a trace for Chrome or Perfetto."`
	Fetch    benchFetch    `cmd:"" help:"Fetch the manifest's programs: clone, download modules, try to build."`
	Baseline benchBaseline `cmd:"" help:"Measure go build alone, cold and warm, and count its actions."`
	Cluster  benchCluster  `cmd:"" help:"An emulated cluster on this machine."`
	Enter    benchWords    `cmd:"" hidden:"" help:"Become a program on an emulated node."`
	Cage     benchWords    `cmd:"" hidden:"" help:"Become a tool in a cage of its own."`
	Pin      benchPin      `cmd:"" hidden:"" help:"Run a command on so many cores."`
}

// experiment is what run and baseline share.
type experiment struct {
	Programs    []string      `arg:"" optional:"" name:"program" help:"Programs of the manifest (distgo bench fetch --list), as alist or alist@2024, or directories of your own, as ./server:./cmd/server."`
	Output      string        `short:"o" default:"samples.jsonl" placeholder:"FILE" help:"Where samples go, one line each. Default: samples.jsonl."`
	Left        bool          `help:"Print how many samples are still to be taken, and take none."`
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
	ThroughArg  []string      `placeholder:"ARG" sep:"none" help:"A further argument for prun or srun, repeatable."`
	NodeTmp     string        `placeholder:"DIR" help:"With prun and srun: TMPDIR on the nodes, a disk of their own. Made if it can be."`
	Variant     string        `placeholder:"WORD" help:"What the further options make of distgo, for samples and pictures, as stock."`
	DistgoArg   []string      `placeholder:"ARG" sep:"none" help:"A further option of distgo, repeatable, as --pipeline=off. Needs --variant."`
	Pin         bool          `negatable:"" default:"true" help:"With prun: use no more of a node's cores than the cell has."`
}

type benchRun struct {
	experiment
	Nodes     []int    `default:"1" placeholder:"N,..." help:"Numbers of nodes."`
	Cores     []int    `default:"1" placeholder:"C,..." help:"Cores of each node."`
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
	if len(further) > 0 && len(nodes) == 1 && len(cores) == 1 && nodes[0] == 1 && cores[0] == 1 {
		nodes, cores = nil, nil
	}
	shapes, err := bench.Shapes(nodes, cores, further)
	if err != nil {
		return benchError(err)
	}
	return benchError(c.measure(env, bench.Matrix{Shapes: shapes, Barriers: c.Barrier, Baselines: c.Baselines}))
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
	launcher, err := bench.NewLauncher(bench.Place{Name: c.Through, Exe: exe, NodeCores: c.NodeCores, Dilation: c.Dilation, Net: c.Net, Args: c.ThroughArg, NodeTmp: c.NodeTmp, Pin: c.Pin})
	if err != nil {
		return err
	}
	e := bench.Experiment{
		Matrix: m, Launcher: launcher, Repetitions: c.Repetitions, Flags: env.goFlags, Options: c.DistgoArg,
		File: c.Output, Resume: c.Resume, Limit: c.Limit, StopAfter: c.StopAfter,
		Exe: exe, Version: version(), Out: os.Stderr,
	}
	if c.Left {
		left, err := e.Left()
		if err == nil {
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
	Cores []int    `default:"1,2,4,8" placeholder:"C,..." help:"GOMAXPROCS."`
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

func (c *benchClusterRun) Run(env *environment) error {
	r, err := bench.ParseClusterRun(env.args[3:])
	if err != nil {
		return benchError(err)
	}
	if r.Exe, err = os.Executable(); err != nil {
		return err
	}
	r.Stdin, r.Stdout, r.Stderr = os.Stdin, os.Stdout, os.Stderr
	return benchError(r.Run(env.ctx))
}

// benchWords are the commands through which emulate enters its nodes: all words are theirs.
type benchWords struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

func (c *benchWords) Run(env *environment) error {
	become := emulate.Enter
	if env.args[1] == "cage" {
		become = emulate.Cage
	}
	return benchError(become(env.args[2:]))
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
	if exit, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return &rank.Error{Code: max(exit.ExitCode(), 1), Err: err, Silent: true}
	}
	if _, ok := errors.AsType[*bench.Config](err); ok {
		return rank.Usage(err)
	}
	if e, ok := errors.AsType[*rank.Interrupted](err); ok {
		return &rank.Error{Code: 128 + int(e.Signal), Err: err}
	}
	if err != nil {
		return &rank.Error{Code: rank.ExitWorld, Err: err}
	}
	return nil
}

// launchFlags say how ranks find each other, where the launcher does not or errs.
type launchFlags struct {
	Rank        *int          `group:"Finding each other:" placeholder:"R" help:"This process's rank, where no launcher says it. Needs --size and --root."`
	Size        *int          `group:"Finding each other:" placeholder:"N" help:"The number of ranks."`
	Root        string        `group:"Finding each other:" placeholder:"HOST:PORT" help:"Where rank 0 listens."`
	Launcher    string        `group:"Finding each other:" placeholder:"NAME" help:"Believe this launcher only; distgo whoami lists those that are found."`
	Iface       string        `group:"Finding each other:" placeholder:"NAME|CIDR" help:"Meet on this network: an interface such as ib0, or a range such as 10.149.0.0/16."`
	MeetTimeout time.Duration `group:"Finding each other:" default:"60s" placeholder:"TIME" help:"How long to wait for all ranks (${default})."`
}

func (l launchFlags) flags() launch.Flags {
	f := launch.Flags{Rank: -1, Size: -1, Root: l.Root, Launcher: l.Launcher, Iface: l.Iface}
	if l.Rank != nil {
		f.Rank = *l.Rank
	}
	if l.Size != nil {
		f.Size = *l.Size
	}
	return f
}

// launch is what the rank is told. Its children see no more of what the launcher set.
func (l launchFlags) launch() rank.Launch {
	variables := map[string]string{}
	for _, name := range launch.Hidden(os.Environ()) {
		variables[name] = os.Getenv(name)
		os.Unsetenv(name)
	}
	env := func(name string) (string, bool) {
		if v, ok := variables[name]; ok {
			return v, true
		}
		return os.LookupEnv(name)
	}
	shared := userConfigDir()
	if shared != "" {
		shared = filepath.Join(shared, "distgo")
	}
	return rank.Launch{Env: env, Shared: shared, MeetTimeout: l.MeetTimeout}
}

// userConfigDir is "" for a user without a home directory.
func userConfigDir() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return dir
}

// hostFlags name nodes that are reached through ssh.
type hostFlags struct {
	Hosts    string `xor:"hosts" group:"Through ssh:" placeholder:"A,B,..." help:"Hosts, as [user@]name[:port] or node[01-16]; ~/.ssh/config counts."`
	Hostfile string `xor:"hosts" group:"Through ssh:" placeholder:"FILE" help:"A file of hosts, one a line, perhaps with ranks=N."`
}

func (h hostFlags) named() bool { return h.Hosts != "" || h.Hostfile != "" }

func (h hostFlags) hosts() ([]string, error) {
	var file []byte
	if h.Hostfile != "" {
		var err error
		if file, err = os.ReadFile(h.Hostfile); err != nil {
			return nil, rank.Usage(err)
		}
	}
	hosts, err := launch.Hosts(h.Hosts, file)
	if err != nil {
		return nil, rank.Usage(err)
	}
	return hosts, nil
}

// start starts the ranks, here or on other nodes, and returns their exit code.
func (c *buildCommand) start(env *environment, exe string) (int, error) {
	// Signals are passed on to the ranks: what they do with them decides.
	ctx, out := context.Background(), launch.Output{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Label: c.Label}
	// The ranks are to believe what they are told by this process, whatever --launcher said to it.
	own, _ := cutDashes(env.args)
	args := append(slices.Clone(own), "--launcher=distgo")
	if env.goFlags != nil {
		args = append(append(args, "--"), env.goFlags...)
	}
	if !c.named() {
		return launch.StartLocal(ctx, c.Np, exe, args, os.Environ(), out)
	}
	hosts, err := c.hosts()
	if err != nil {
		return 0, err
	}
	if c.Np > 0 && c.Np != len(hosts) {
		return 0, rank.Usage(fmt.Errorf("-n %d but %d hosts are named: leave out -n", c.Np, len(hosts)))
	}
	return launch.StartRemote(ctx, hosts, exe, args, os.Environ(), out)
}

// remoteError puts the failure of what concerns other nodes into its family.
func remoteError(err error) error {
	var (
		known *rank.Error
		ended *rank.Interrupted
		place *launch.Error
		way   *remote.Error
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &ended):
		return &rank.Error{Code: 128 + int(ended.Signal), Err: ended}
	case errors.As(err, &place), errors.As(err, &way):
		return rank.Usage(err)
	}
	return &rank.Error{Code: rank.ExitWorld, Err: err}
}

type whoamiCommand struct {
	Slots int `placeholder:"N" help:"Slots of this rank, as a build would be told."`
}

func (c *whoamiCommand) Run(env *environment) error {
	if env.placeErr != nil {
		return rank.Usage(env.placeErr)
	}
	others := launch.Others(env.place, os.LookupEnv, env.launch.flags(), os.ReadFile)
	l := env.launch.launch()
	meeting, place, err := launch.OpenMeeting(env.ctx, env.place, l.Env, l.Shared)
	if err != nil {
		return rank.Usage(err)
	}
	available := launch.Available(os.ReadFile)
	slots := cmp.Or(c.Slots, launch.Slots(place, available))
	return errors.Join(place.Report(os.Stdout, meeting, slots, available, others), meeting.Close(env.ctx, place))
}

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
	for _, path := range sum.Skipped {
		fmt.Fprintf(os.Stderr, "distgo: %s was left alone\n", path)
	}
	switch {
	case err != nil:
		return remoteError(err)
	case !s.Quiet:
		fmt.Fprintf(os.Stderr, "distgo: %s %d files (%.1f MB) on %d hosts in %.1fs; %d were there already\n",
			verb, sum.Files, float64(sum.Bytes)/1e6, len(hosts), time.Since(begun).Seconds(), sum.Same)
	}
	return nil
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
			return rank.Usage(err)
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
	return c.finish(nil, begun, "removed", hosts, sum, err)
}
