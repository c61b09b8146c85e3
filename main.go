// Command distgo compiles a Go program on many machines. The main*.go files are its
// command line: what it can be told, signals, and exit codes. What it does is
// in package rank.
package main

import (
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

	"github.com/alecthomas/kong"

	"github.com/badbubble/distgo/rank"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/scratch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/stage"
)

const description = `distgo compiles one Go program on many machines.

Start it on every node with the cluster's launcher; the processes find each other, share the compiling, and rank 0 links. The program is the one that go build makes, byte for byte but for the build ID.

  prun -np 8 ./distgo -p ~/src/project -m ./cmd/server
  ./distgo -n 4 -p ~/src/project -m .        four ranks on this machine
  ./distgo -p ~/src/project -- -tags netgo   flags after -- go to go build

Exit codes: 0 built; 1 the code does not build; 2 usage or configuration; 3 a rank, a node or the network failed; 4 distgo is wrong; 128 and a signal's number: ended by that, 130 by Ctrl-C.`

type commandLine struct {
	Build buildCommand `cmd:"" default:"withargs" help:"Build a program. This is the default."`
	Plan  planCommand  `cmd:"" help:"Print what a build would do, without building: its actions, and where they would be placed with the stock compiler, if nothing were known of earlier runs."`
	Bench benchCommand `cmd:"" help:"Measure distgo against go build, draw the figures."`

	Cache   cacheCommand   `cmd:"" help:"Look after what is kept between runs."`
	Explain explainCommand `cmd:"" help:"Say why a package was compiled in the last run: which of its inputs were others than before."`

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
		kong.Vars{"version": version()}, kong.UsageOnError(), kong.ShortUsageOnError(), kong.Help(help))
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
		return report(rank.Failed(ctx, err))
	}
	return rank.ExitBuilt
}

// help prints what --help asks for. A build being the default, its flags are
// distgo's own; how ranks find each other concerns those that meet.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	app := ctx.Model
	switch command := ctx.Selected(); {
	case command == nil:
		options.Compact, options.NoExpandSubcommands = true, true
		i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == "build" })
		app.Flags = slices.Concat(app.Flags[:1], app.Children[i].Flags, app.Flags[1:])
	case command.Name != "build" && command.Name != "whoami":
		app.Flags = slices.DeleteFunc(app.Flags, func(f *kong.Flag) bool { return f.Group != nil })
	}
	return kong.DefaultHelpPrinter(options, ctx)
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
	launch.Notify(signals)
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
func report(e *rank.Error) int {
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

// rankGC lets a rank's heap become five times what is in use, which is a few megabytes, before it is collected: each
// collection takes time from a compiler, on a rank of one slot.
const rankGC = 400

type buildCommand struct {
	target
	hostFlags
	Np       int    `short:"n" placeholder:"N" help:"Start N ranks on this machine. Without it, rank and size come from the launcher."`
	Slots    int    `placeholder:"N" help:"Actions this rank executes side by side. Default: the cores that launcher, affinity and cgroup grant."`
	Scratch  string `placeholder:"DIR" help:"Where the private directory of the run is made; node-local disk. Default: TMPDIR."`
	Barrier  string `enum:"split,blocking" default:"split" help:"split: a rank notifies at a barrier and goes on. blocking: textbook BSP, nobody goes on before all have arrived."`
	OnLoss   string `enum:"continue,abort" default:"continue" help:"When a rank other than root is lost: go on with the others, or end."`
	Pipeline string `enum:"auto,off,require" default:"auto" env:"DISTGO_PIPELINE" help:"Use the pipelined compiler: where it is proved, never, or else fail."`
	Store    string `placeholder:"DIR" help:"What is kept between runs. Default: distgo in the user's cache directory; for packages, a directory beside --scratch where that is on another disk."`
	All      bool   `short:"a" help:"Compile everything, whatever the store holds."`

	NoPlanCache bool `help:"Ask the go command for the plan, also where nothing that it depends on has changed since the last run."`

	Audit rank.AuditShare `placeholder:"PERCENT" help:"Execute so many of the executed actions a second time, on another rank if there is one, and compare what they make: a difference ends the run. In slots that idle; at its end the run waits for those that are left. --audit=5% is one in twenty, chosen by chance."`

	Verify   bool   `help:"Build with go build as well and compare the programs."`
	KeepWork bool   `help:"Leave the scratch directory and print its name."`
	Quiet    bool   `short:"q" help:"No progress, no summary."`
	Verbose  bool   `short:"v" help:"Say more about the world and the plan."`
	Trace    bool   `short:"x" help:"Print each command with the rank that ran it."`
	Label    bool   `short:"l" help:"With -n or --hosts: begin each line of output with the rank that printed it."`
	Report   string `placeholder:"FILE" help:"Write a JSON report of the run."`

	TLS       bool `name:"tls" help:"Encrypt the connections between ranks, with keys bound to the run's secret."`
	SendFiles bool `help:"Send the other ranks all that they compile, as if they saw none of this one's files."`
}

func (c *buildCommand) Run(env *environment) error {
	if env.placeErr != nil {
		return rank.Usage(env.placeErr)
	}
	if c.Np < 0 || c.Slots < 0 {
		return rank.Usage(errors.New("--np and --slots are numbers of ranks and cores: at least 1, or left out"))
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if env.place.Launcher != "distgo" && (c.Np > 0 || c.named()) {
		if env.place.Size > 1 || env.place.Launcher == "flags" {
			return rank.Usage(fmt.Errorf("this is %s already: leave out -n and --hosts, or give --launcher=single", env.place))
		}
		if !c.named() && c.Np <= launch.MaxSize {
			if cfg, err := c.what(env, exe); err != nil {
				return err
			} else if rank.NothingToDo(env.ctx, cfg) {
				return nil
			} else if ended := context.Cause(env.ctx); ended != nil { // the ranks would not hear of that signal
				return remoteError(ended)
			}
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
	cfg, err := c.what(env, exe)
	if err != nil {
		return err
	}
	if env.place.Size > 1 {
		if cfg.Secret, err = launch.Secret(os.LookupEnv, userConfigDir()); err != nil {
			return rank.Usage(err)
		}
	}
	cfg.Place, cfg.Launch = env.place, env.launch.launch()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(rankGC)
	}
	return rank.Run(env.ctx, cfg)
}

// what is the configuration but for who and where this process is.
func (c *buildCommand) what(env *environment, exe string) (rank.Config, error) {
	cfg, err := c.config(env)
	if err != nil {
		return cfg, err
	}
	cfg.Executable = exe
	cfg.Slots, cfg.Scratch, cfg.Report = c.Slots, c.Scratch, c.Report
	cfg.Verify, cfg.KeepWork, cfg.All = c.Verify, c.KeepWork, c.All
	if cfg.Store = c.Store; c.Store != "" {
		if cfg.Store, err = filepath.Abs(c.Store); err != nil {
			return cfg, err
		}
	}
	cfg.NoPlanCache, cfg.SendFiles, cfg.TLS = c.NoPlanCache, c.SendFiles, c.TLS
	cfg.AbortOnLoss, cfg.Audit = c.OnLoss == "abort", c.Audit
	cfg.Pipeline = map[string]rank.Pipeline{"auto": rank.PipelineAuto, "off": rank.PipelineOff, "require": rank.PipelineRequire}[c.Pipeline]
	cfg.Quiet, cfg.Verbose, cfg.Trace = c.Quiet, c.Verbose, c.Trace
	cfg.Wrap = strings.Fields(os.Getenv("DISTGO_TOOLEXEC"))
	cfg.Mode = superstep.Split
	if c.Barrier == "blocking" {
		cfg.Mode = superstep.Blocking
	}
	return cfg, nil
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
