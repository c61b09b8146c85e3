package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"github.com/badbubble/distgo/rank/scratch"
)

// StartLocal starts n ranks of exe on this machine, as children in process groups of their own, with DISTGO_* variables
// added to env, and returns when all have ended and nothing of them is left. The exit code is that of the first rank
// that failed, 128 + signal if a signal ended it; but of ranks other than root none that was lost (3, or above 128): root
// goes on without it, or says so itself. The error is for what concerns no single rank: one could not be
// started, or ctx ended.
//
// SIGINT, SIGTERM and SIGHUP are passed on to the ranks while it runs, so ctx should not be one that these cancel. When
// ctx ends the ranks are asked to end by SIGTERM. When this process is killed the kernel kills the ranks.
func StartLocal(ctx context.Context, n int, exe string, args, env []string, out Output) (exitCode int, err error) {
	if n < 1 || n > MaxSize {
		return 0, &Error{"distgo", fmt.Sprintf("%d ranks asked for", n), fmt.Sprintf("a world has 1 to %d ranks", MaxSize)}
	}
	root, err := freeAddr()
	if err != nil {
		return 0, err
	}
	run := "DISTGO_RUN=" + rand.Text()
	env = slices.Concat(env, []string{run, "DISTGO_ROOT=" + root, "DISTGO_HOSTS=", fmt.Sprintf("DISTGO_SIZE=%d", n), fmt.Sprintf("DISTGO_LOCAL_SIZE=%d", n)})
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "DISTGO_SECRET=") }) {
		// Other users of this machine must not get in even where there is no home directory to keep a secret in.
		env = append(env, "DISTGO_SECRET="+NewSecret())
	}
	// The kernel kills a child when the thread that started it ends (PR_SET_PDEATHSIG), so this has to stay on one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 8) // more than a user presses before they are read
	Notify(signals)
	defer signal.Stop(signals)

	c := newCrew(n, out)
	for rank := range n {
		cmd := exec.Command(exe, args...)
		cmd.Env = slices.Concat(env, []string{fmt.Sprintf("DISTGO_RANK=%d", rank), fmt.Sprintf("DISTGO_LOCAL_RANK=%d", rank)})
		if err = c.startChild(rank, cmd); err != nil {
			err = fmt.Errorf("starting rank %d of %d: %w", rank, n, err)
			c.kill()
			break
		}
	}
	c.watch(ctx, signals)
	if err == nil {
		err = context.Cause(ctx)
	}
	if !c.whole || err != nil {
		err = errors.Join(err, scratch.EndMarked(run))
	}
	return c.exitCode, err
}

// freeAddr finds a loopback address for rank 0 that is free now, on a port that the kernel gives nobody by itself.
func freeAddr() (string, error) {
	somewhere := Place{RunKey: rand.Text()}
	for _, addr := range append(somewhere.withPorts("127.0.0.1"), "127.0.0.1:0") {
		if l, err := net.Listen("tcp", addr); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no port is free on the loopback interface")
}
