package rank

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/transport"
)

// meetTimeout covers a batch system that starts processes a minute apart at worst on loaded nodes.
const meetTimeout = 60 * time.Second

// join looks for a compiler, of which root is to know, and meets the others. Root is
// planning meanwhile.
func (r *run) join(ctx context.Context) error {
	if !r.idle {
		r.lookForCompiler()
	}
	return r.meet(ctx)
}

// meet connects this rank with the others.
func (r *run) meet(ctx context.Context) error {
	place := r.cfg.Place
	own := view{Place: r.place, Compiler: r.compilerDigest(), Slots: r.slots(), Aside: r.ownWaiting()}
	if r.toolless != nil {
		own.Toolless = r.toolless.Error()
	}
	if r.store != nil {
		own.Store = r.store.ID()
	}
	info, err := msgpack.Marshal(own)
	if err != nil {
		return err
	}
	executable, err := r.executableID()
	if err != nil {
		return err
	}
	t := transport.Config{
		Rank: transport.Rank(place.Rank), Size: place.Size,
		TLS: r.cfg.TLS, RunID: place.RunID(), Secret: r.cfg.Secret, Hosts: place.Hosts, MeetTimeout: cmp.Or(r.cfg.Launch.MeetTimeout, meetTimeout),
		Facts: []transport.Fact{
			{Name: "the executable", Value: r.cfg.Version + " " + executable},
			{Name: "platform", Value: runtime.GOOS + "/" + runtime.GOARCH},
		},
		Info: info,
	}
	if r.isRoot() {
		if t.Listener, err = r.listen(ctx); err != nil {
			return err
		}
	} else {
		t.FindRoot = r.meeting.Await
	}
	if r.cfg.Verbose && r.isRoot() {
		t.Progress = func(joined, size int, missing []transport.Rank) {
			fmt.Fprintf(r.cfg.Stderr, "distgo: %d of %d ranks joined\n", joined, size)
		}
	}
	r.world, err = transport.Meet(ctx, t)
	r.report.Meet = time.Since(r.begun).Microseconds()
	if err != nil {
		return r.explain(err)
	}
	return r.closeMeeting()
}

// executableID names this distgo by content: ranks of different builds do not
// work together. Everybody waits for it.
func (r *run) executableID() (string, error) {
	if id, err := toolchain.ContentID(r.cfg.Executable); err == nil {
		info, err := os.Stat(r.cfg.Executable) // a file that was cut off or added to has another size
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s of %d bytes", id, info.Size()), nil
	}
	if r.store != nil {
		f, err := r.store.Source(r.cfg.Executable)
		return hex.EncodeToString(f.Digest[:6]), err
	}
	f, err := os.Open(r.cfg.Executable)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// openMeeting asks the launcher for what it says only in a conversation. It comes first, so that nothing that this process
// starts inherits the launcher's line.
func (r *run) openMeeting(ctx context.Context) (err error) {
	r.meeting, r.cfg.Place, err = launch.OpenMeeting(ctx, r.cfg.Place, r.cfg.Launch.Env, r.cfg.Launch.Shared)
	return err
}

// closeMeeting takes leave of the launcher, whose job would count as crashed otherwise. It may be called again.
func (r *run) closeMeeting() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return r.meeting.Close(ctx, r.cfg.Place)
}

// listen takes the first of the addresses on which root may be looked for, and tells the others where that is.
func (r *run) listen(ctx context.Context) (l net.Listener, err error) {
	for _, addr := range r.cfg.Place.ListenAddrs() {
		if l, err = net.Listen("tcp", addr); err == nil {
			break
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, usage("root's address is taken (%v); another run may be using it: choose a free port with --root=host:port or DISTGO_ROOT", err)
	} else if err != nil {
		return nil, &nodeError{fmt.Sprintf("root cannot listen: %v", err)}
	}
	addrs, err := launch.OwnAddrs(l.Addr(), r.cfg.Place.Iface)
	if err == nil {
		err = r.publish(ctx, addrs)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// publish says where root listens. Through PMI that takes until every rank has come.
func (r *run) publish(ctx context.Context, addrs []string) error {
	limit := cmp.Or(r.cfg.Launch.MeetTimeout, meetTimeout)
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not all ranks came within %s", limit))
	defer cancel()
	err := r.meeting.Publish(limited, addrs)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return r.explain(&transport.MissingError{Size: r.cfg.Place.Size, Joined: 1, After: limit, Reason: err.Error()})
	}
	return err
}
