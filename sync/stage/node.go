package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/pkg/sftp"

	"github.com/badbubble/distgo/sync/stage/remote"
)

// Error is what went wrong on one host.
type Error struct {
	Host string
	Err  error
}

func (e *Error) Error() string { return e.Host + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// inFlight is how many files of one node are under way at once. A small file takes six round trips, so on a network with
// half a millisecond each that many make twenty thousand files a second, more than sftp-server can write.
const inFlight = 64

// parallelHosts bounds the hosts that are worked on at once: each takes a connection, and the network is shared.
const parallelHosts = 16

// node is a host with an SFTP connection.
type node struct {
	host   string
	client *remote.Client
	sftp   *sftp.Client
}

// open connects. The connection breaks when ctx is done, which ends every call that is under way.
func open(ctx context.Context, dialer *remote.Dialer, host string) (*node, func(), error) {
	client, err := dialer.Dial(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { client.Close() })
	files, err := sftp.NewClient(client.Client, sftp.UseConcurrentWrites(true))
	if err != nil {
		stop()
		client.Close()
		return nil, nil, &remote.Error{Text: host + " offers no SFTP", Hint: "add `Subsystem sftp internal-sftp` to its sshd_config", Err: err}
	}
	return &node{host, client, files}, func() {
		stop()
		files.Close()
		client.Close()
	}, nil
}

// onAll runs do for every host, several at once, and joins their errors, each with its host.
func onAll(ctx context.Context, hosts []string, do func(ctx context.Context, n *node) error) error {
	dialer, err := remote.NewDialer()
	if err != nil {
		return err
	}
	errs := make([]error, len(hosts))
	slots := make(chan struct{}, parallelHosts)
	var all sync.WaitGroup
	for i, host := range hosts {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			n, done, err := open(ctx, dialer, host)
			if err != nil {
				errs[i] = err // Dial names the host
				return
			}
			defer done()
			if err := do(ctx, n); err != nil {
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				errs[i] = &Error{host, err}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// each runs do for all of list, several at once. The first error ends it.
func each[T any](ctx context.Context, list []T, do func(T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan T)
	var all sync.WaitGroup
	for range min(inFlight, len(list)) {
		all.Go(func() {
			for t := range work {
				if err := do(t); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, t := range list {
		select {
		case work <- t:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	all.Wait()
	return context.Cause(ctx)
}

// present maps the paths of a tree on the node to what is there.
type present map[string]os.FileInfo

// look reads the directories of entries, and what is at the paths of those that are in none of them.
func (n *node) look(ctx context.Context, entries []*entry) (present, error) {
	var (
		mu   sync.Mutex // guards seen
		seen = present{}
		tops []*entry
		dirs []*entry
	)
	listed := map[string]bool{}
	for _, e := range entries {
		if !listed[path.Dir(e.node)] {
			tops = append(tops, e)
		}
		if e.mode.IsDir() {
			listed[e.node] = true
			dirs = append(dirs, e)
		}
	}
	err := each(ctx, tops, func(e *entry) error {
		info, err := n.sftp.Lstat(e.node)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", e.node, err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[e.node] = info
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Level by level: a directory that is not there need not be asked for what is in it.
	for len(dirs) > 0 {
		var now, later []*entry
		pending := map[string]bool{}
		for _, d := range dirs { // parents come first
			switch {
			case seen[d.node] != nil:
				now = append(now, d)
			case pending[path.Dir(d.node)]:
				later = append(later, d)
			default:
				continue
			}
			pending[d.node] = true
		}
		err := each(ctx, now, func(d *entry) error {
			mu.Lock()
			info := seen[d.node]
			mu.Unlock()
			if !info.IsDir() {
				return &remote.Error{Text: fmt.Sprintf("%s is no directory there", d.node), Hint: "move it out of the way"}
			}
			infos, err := n.sftp.ReadDir(d.node)
			if err != nil {
				return fmt.Errorf("%s: %w", d.node, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, info := range infos {
				seen[path.Join(d.node, info.Name())] = info
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		dirs = later
	}
	return seen, nil
}
