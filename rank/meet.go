package rank

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/transport"
)

// meet connects this rank with the others.
func (r *run) meet(ctx context.Context) error {
	place := r.cfg.Place
	identity, err := r.tools.Identity()
	if err != nil {
		return err
	}
	info, err := msgpack.Marshal(view{Toolchain: identity, Compiler: r.compilerDigest(), Slots: r.slots()})
	if err != nil {
		return err
	}
	digest, err := executableDigest(r.cfg.Executable)
	if err != nil {
		return err
	}
	t := transport.Config{
		Rank: transport.Rank(place.Rank), Size: place.Size,
		RunID: place.RunID(), Secret: r.cfg.Secret, Hosts: place.Hosts, SilenceLimit: silenceLimit,
		Facts: []transport.Fact{
			{Name: "distgo", Value: r.cfg.Version + " " + digest},
			{Name: "platform", Value: runtime.GOOS + "/" + runtime.GOARCH},
			{Name: "Go toolchain", Value: identity},
		},
		Info: info,
	}
	if r.isRoot() {
		if t.Listener, err = listen(place); err != nil {
			return err
		}
	} else {
		addrs := place.RootAddrs()
		if len(addrs) == 0 {
			return usage("%s does not say where rank 0 is; set DISTGO_ROOT=host:port on every rank", place.Launcher)
		}
		t.Root = addrs[0]
	}
	if r.cfg.Verbose && r.isRoot() {
		t.Progress = func(joined, size int, missing []transport.Rank) {
			fmt.Fprintf(r.cfg.Stderr, "distgo: %d of %d ranks joined\n", joined, size)
		}
	}
	r.world, err = transport.Meet(ctx, t)
	r.report.Meet = time.Since(r.begun).Microseconds()
	return err
}

// listen takes the first of the addresses on which root may be looked for.
func listen(place launch.Place) (l net.Listener, err error) {
	for _, addr := range place.ListenAddrs() {
		if l, err = net.Listen("tcp", addr); err == nil {
			return l, nil
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, usage("root's address is taken (%v); another run may be using it: choose a free port with DISTGO_ROOT=host:port", err)
	}
	return nil, &nodeError{fmt.Sprintf("root cannot listen: %v", err)}
}
