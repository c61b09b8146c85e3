// The part of the command line that says how ranks are started and find each
// other. What it does is in package rank/launch.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/badbubble/distgo/rank"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/sync/stage/remote"
)

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
		early *launch.Ended
		place *launch.Error
		way   *remote.Error
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &ended):
		return ended
	case errors.As(err, &early):
		return &rank.Interrupted{Signal: early.Signal}
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
