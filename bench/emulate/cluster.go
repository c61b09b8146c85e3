package emulate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stateDir has a directory for each cluster, named by its ID: lock, description, host table, the nodes' disks. It is
	// where only root can have made it.
	stateDir = "/var/lib/distgo-emulate"

	// disksDir, of a cluster, has the nodes' disks. It is in memory: what a file system that has been in use for long
	// takes to make a file differs tenfold from one directory to the next, and a build makes thousands.
	disksDir = "disks"

	// ScratchDir is where a node sees its own disk, as on DAS-5.
	ScratchDir = "/local"

	// teardownTime bounds what Down waits for: killed processes that the kernel does not let go.
	teardownTime = 20 * time.Second
)

// Cluster is an emulated cluster that is up. Its zero value is none; Down ends it.
type Cluster struct {
	spec   Spec
	id     string
	groups groups
	lock   *os.File // held as long as the cluster is: how others tell that its owner lives
	keeper *keeper  // nil where nodes have one core, or run undilated

	down    sync.Once
	downErr error
}

// description is what a process that enters a node must know of its cluster.
type description struct {
	ID   string
	Spec Spec
}

// Up makes a cluster, after it removed what killed owners left of theirs. The caller must call Down. When Up fails,
// nothing is left.
func Up(ctx context.Context, spec Spec) (*Cluster, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	if err := spec.Validate(runtime.NumCPU()); err != nil {
		return nil, err
	}
	gs, err := machineGroups()
	if err != nil {
		return nil, err
	}
	if spec.Self, err = absolute(spec.Self); err != nil {
		return nil, err
	}
	c := &Cluster{spec: spec, groups: gs}
	if err := c.claim(ctx); err != nil {
		return nil, err
	}
	if err := c.make(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("making an emulated cluster of %d nodes: %w", spec.Nodes, err), c.Down())
	}
	return c, nil
}

// absolute makes a command hold in every directory.
func absolute(command []string) ([]string, error) {
	path, err := exec.LookPath(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("finding this executable: %w", err)
	}
	return append([]string{path}, command[1:]...), nil
}

// claim cleans up and takes an ID, alone on this machine.
func (c *Cluster) claim(ctx context.Context) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	door, err := lockFile(ctx, filepath.Join(stateDir, "lock"))
	if err != nil {
		return err
	}
	defer door.Close()
	if err := clean(c.groups); err != nil {
		return fmt.Errorf("removing what a killed emulated cluster left: %w", err)
	}
	// Five letters are plenty against the few clusters of one machine, and leave room in names that the kernel keeps short.
	c.id = strings.ToLower(rand.Text()[:5])
	if err := os.Mkdir(c.dir(), 0o700); err != nil {
		return err
	}
	c.lock, err = lockFile(ctx, filepath.Join(c.dir(), "lock"))
	return err
}

func (c *Cluster) make(ctx context.Context) error {
	if err := makeScratchDir(); err != nil {
		return err
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	disks := filepath.Join(c.dir(), disksDir)
	if err := os.Mkdir(disks, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("distgo-emulate", disks, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mounting on %s: %w", disks, err)
	}
	nodes := map[group]share{}
	for node := range c.spec.Nodes {
		name := c.spec.Hostname(node)
		fmt.Fprintf(&hosts, "%s %s\n", c.spec.Address(node), name)
		if err := os.Mkdir(c.Scratch(node), 0o755); err != nil {
			return err
		}
		s := c.spec.share(node)
		nodes[c.group(node)] = s
		if err := c.groups.addNode(c.group(node), s); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir(), "hosts"), []byte(hosts.String()), 0o644); err != nil {
		return err
	}
	text, err := json.Marshal(description{c.id, c.spec})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir(), "cluster.json"), text, 0o644); err != nil {
		return err
	}
	if err := makeNetwork(ctx, c.id, c.spec); err != nil || c.spec.Cores == 1 || c.spec.Dilation == 1 && c.spec.Slow.Times <= 1 {
		return err
	}
	c.keeper, err = newKeeper(c.groups, nodes)
	return err
}

// Spec is what the cluster was made from.
func (c *Cluster) Spec() Spec { return c.spec }

// Scratch is where the machine sees the node's disk, for putting files on it and looking at what it left.
func (c *Cluster) Scratch(node int) string {
	return filepath.Join(c.dir(), disksDir, c.spec.Hostname(node))
}

func (c *Cluster) dir() string { return filepath.Join(stateDir, c.id) }

// Usage is what a node used since Up, as the kernel counted it.
type Usage struct {
	CPU     time.Duration // of processes that ended too, undilated: seconds of real cores
	In, Out int64         // bytes received and sent, with the frames' headers
}

// Usage reads the kernel's counters of a node. A cluster that is down has none.
func (c *Cluster) Usage(node int) (Usage, error) {
	if err := c.checkNode(node); err != nil {
		return Usage{}, err
	}
	if c.keeper != nil {
		if err := c.keeper.failed(); err != nil {
			return Usage{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), teardownTime)
	defer cancel()
	cpu, err := c.groups.usage(c.group(node))
	if err != nil {
		return Usage{}, fmt.Errorf("CPU time of %s: %w", c.spec.Hostname(node), err)
	}
	in, out, err := traffic(ctx, c.id, c.spec.Hostname(node))
	return Usage{CPU: cpu, In: in, Out: out}, err
}

func (c *Cluster) group(node int) group {
	return nodeGroup(c.id, c.spec.Hostname(node), c.spec.share(node))
}

func (c *Cluster) checkNode(node int) error {
	if node < 0 || node >= c.spec.Nodes {
		return fmt.Errorf("node %d of an emulated cluster of %d nodes", node, c.spec.Nodes)
	}
	return nil
}

// Down kills everything that runs in the cluster and removes it. It may be called again, and then says the same.
func (c *Cluster) Down() error {
	c.down.Do(func() {
		if c.keeper != nil {
			c.downErr = c.keeper.stop()
		}
		c.downErr = errors.Join(c.downErr, tearDown(c.groups, c.id))
		if c.lock != nil {
			c.downErr = errors.Join(c.downErr, c.lock.Close())
		}
		c.downErr = errors.Join(c.downErr, removeScratchDir())
	})
	return c.downErr
}

// clean tears down every cluster whose owner is dead. The caller holds the lock of stateDir.
func clean(gs groups) error {
	entries, err := os.ReadDir(stateDir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		dir := filepath.Join(stateDir, entry.Name())
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(dir) // its owner was killed before it made anything, or is removing it just now
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			errs = append(errs, tearDown(gs, entry.Name()))
		}
		errs = append(errs, lock.Close())
	}
	return errors.Join(errs...)
}

// tearDown removes a cluster, knowing no more than its ID. Its directory goes last, and only after everything else
// did, so that what fails is tried again by the next Up.
func tearDown(gs groups, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), teardownTime)
	defer cancel()
	if err := killAll(ctx, gs, clusterGroup(id)); err != nil {
		return err
	}
	if err := errors.Join(removeNetwork(ctx, id), removeGroup(gs, clusterGroup(id))); err != nil {
		return err
	}
	return removeDir(filepath.Join(stateDir, id))
}

// removeDir removes a cluster's directory with its lock last: a directory without one is empty.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	disks := filepath.Join(dir, disksDir)
	if err := unix.Unmount(disks, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT { // not mounted, not there
		return fmt.Errorf("unmounting %s: %w", disks, err)
	}
	for _, entry := range entries {
		if entry.Name() != "lock" {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(dir)
}

// killAll kills the processes of a group until there are none: those it sees may have started others meanwhile.
func killAll(ctx context.Context, gs groups, g group) error {
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		pids, err := processesOf(gs, g)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("killing process %d of an emulated cluster: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v of an emulated cluster do not end though killed %s ago", pids, teardownTime)
		case <-again.C:
		}
	}
}

// lockFile waits for a file's lock. Closing the file, or the end of this process, gives it back: children do not
// inherit it.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// flock(2) itself would not end with ctx. Whoever holds the lock makes or removes a cluster, which takes tenths of a second.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another emulated cluster to be made (%s): %w", path, context.Cause(ctx)), f.Close())
		case <-again.C:
		}
	}
}
