package emulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// endTime is what a process has between the request to end and being killed. distgo's ranks clean up in it.
const endTime = 10 * time.Second

// Process is a program to run on a node.
type Process struct {
	Argv           []string
	Dir            string   // as the node sees it; "" is ScratchDir
	Env            []string // after this process's environment and the node's own, which it overrides
	Stdin          io.Reader
	Stdout, Stderr io.Writer // nil discards
}

// Running is a process that was started on a node. Somebody must call Wait.
type Running struct{ cmd *exec.Cmd }

// Start starts a program on a node, in a process group of its own. The program sees the node's network, host name,
// /local and /etc/hosts, and no other node's disk; the rest of the file system is shared, as a cluster's home is.
// When ctx ends, the process group is asked to end, and the program is killed when it takes longer than ten seconds.
func (c *Cluster) Start(ctx context.Context, node int, p Process) (*Running, error) {
	if err := c.checkNode(node); err != nil {
		return nil, err
	}
	if len(p.Argv) == 0 {
		return nil, errors.New("no program to run on an emulated node")
	}
	dir := p.Dir
	if dir == "" {
		dir = ScratchDir
	}
	argv := append([]string{}, c.spec.Self...)
	argv = append(argv, "enter", filepath.Join(c.dir(), "cluster.json"), strconv.Itoa(node), dir)
	argv = append(argv, p.Argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), c.Env(node)...), p.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Stdin, p.Stdout, p.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s on %s: %w", p.Argv[0], c.spec.Hostname(node), err)
	}
	return &Running{cmd}, nil
}

// Env is what a node adds to the environment of its programs. GOMAXPROCS and slots are said explicitly because Go
// would otherwise derive them from the node's quota, which is dilated. Caches lie on the node's own disk: shared
// ones would carry artifacts between nodes for nothing.
func (c *Cluster) Env(node int) []string {
	cores := strconv.Itoa(c.spec.Cores)
	return []string{
		"GOMAXPROCS=" + cores,
		"DISTGO_SLOTS=" + cores,
		"HOSTNAME=" + c.spec.Hostname(node),
		"TMPDIR=" + ScratchDir,
		"XDG_CACHE_HOME=" + filepath.Join(ScratchDir, "cache"),
	}
}

// Wait waits for the end of the process and of its output. The error is exec.Cmd's: an *exec.ExitError tells the
// exit code.
func (r *Running) Wait() error { return r.cmd.Wait() }
