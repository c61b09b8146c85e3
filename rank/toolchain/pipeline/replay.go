package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/badbubble/distgo/plan/transcript"
)

// A replay executes a transcript on this machine the way a pipelined build
// does: compiles write two files, start as soon as the export data of what
// they import is there, and get a share of each package's functions from
// another compiler. It exists for the proof; builds are rank/execute's.
type replay struct {
	compile string   // executable to run in place of the stock compiler
	work    string   // what $WORK stands for
	dir     string   // directory that the go command ran in
	env     []string // environment of the tools
	slots   chan struct{}
	nodes   map[string]*node
}

// A node is one block's progress.
type node struct {
	exported chan struct{} // closed when importers may start
	done     chan struct{} // closed when the block has ended well

	// Written by the block's goroutine, read after run.
	imports []string      // nodes whose export data its compile reads
	ready   time.Duration // from the compile's start to its signal
	took    time.Duration // from the compile's start to its end
}

// newReplay prepares to run script with slots commands at a time.
func newReplay(script *transcript.Script, compile, work, dir string, env []string, slots int) *replay {
	r := &replay{
		compile: compile, work: work, dir: dir, env: env,
		slots: make(chan struct{}, slots), // a semaphore
		nodes: make(map[string]*node),
	}
	for _, b := range script.Blocks {
		r.nodes[b.Node] = &node{exported: make(chan struct{}), done: make(chan struct{})}
	}
	return r
}

// run returns when every block has ended, or at the first error.
func (r *replay) run(ctx context.Context, script *transcript.Script) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range script.Blocks {
		g.Go(func() error {
			if err := r.block(ctx, b); err != nil {
				return fmt.Errorf("%s: %w", b.Package, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *replay) block(ctx context.Context, b transcript.Block) error {
	n := r.nodes[b.Node]
	for _, c := range b.Commands {
		err := r.await(ctx, b.Node, c)
		if err == nil {
			err = r.command(ctx, n, c)
		}
		if err != nil {
			return fmt.Errorf("transcript line %d: %w", c.Line, err)
		}
	}
	close(n.done)
	return nil
}

// await waits for what c, if it writes a configuration, promises to its tool:
// export data for a compile, all of the object for a link. (The block that
// links is also the block that compiles main.)
func (r *replay) await(ctx context.Context, self string, c transcript.Command) error {
	if c.Op != transcript.Write {
		return nil
	}
	link := strings.HasSuffix(c.Args[0], ".link")
	for line := range strings.Lines(c.Body) {
		_, file, ok := strings.Cut(line, "=")
		name := transcript.NodeOf(file)
		if !ok || !strings.HasPrefix(line, "packagefile ") || name == self {
			continue
		}
		input, ok := r.nodes[name]
		if !ok {
			return fmt.Errorf("%s is made by no block", strings.TrimSpace(file))
		}
		ready := input.done
		if !link {
			ready = input.exported
			r.nodes[self].imports = append(r.nodes[self].imports, name)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *replay) command(ctx context.Context, n *node, c transcript.Command) error {
	args := make([]string, len(c.Args))
	for i, arg := range c.Args {
		args[i] = strings.ReplaceAll(arg, transcript.Work, r.work+"/")
	}
	switch c.Op {
	case transcript.Mkdir:
		return os.MkdirAll(args[0], 0o777)
	case transcript.Write:
		body := strings.ReplaceAll(c.Body, transcript.Work, r.work+"/")
		if filepath.Base(args[0]) == "importcfg" {
			body = strings.ReplaceAll(body, "/_pkg_.a\n", "/_pkg_.x\n")
		}
		return os.WriteFile(args[0], []byte(body), 0o666)
	case transcript.Run:
		return r.tool(ctx, n, c, args)
	case transcript.Copy:
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], data, 0o777)
	case transcript.Move:
		return os.Rename(args[0], args[1])
	case transcript.Pack:
		return pack(args[0], args[1:])
	case transcript.BuildID, transcript.Probe, transcript.Remove:
		return nil // nothing of it is in a program linked with -buildid=
	}
	return fmt.Errorf("no way to replay operation %d", c.Op)
}

// tool runs a program, once there is a slot for it. Nothing is waited for
// while a slot is held.
func (r *replay) tool(ctx context.Context, n *node, c transcript.Command, args []string) error {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.slots }()

	compile := strings.TrimSuffix(filepath.Base(args[0]), ".exe") == "compile"
	if compile {
		var err error
		if args, err = split(r.compile, args); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = r.dir
	if c.Dir != "" && c.Dir != "." {
		cmd.Dir = strings.ReplaceAll(c.Dir+"/", transcript.Work, r.work+"/")
	}
	cmd.Env = r.env
	for _, setting := range c.Env {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], strings.ReplaceAll(setting, transcript.Work, r.work+"/"))
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	own(cmd)

	var err error
	if compile {
		var unshare func() error
		if unshare, err = r.share(ctx, cmd, args[2]); err != nil {
			return fmt.Errorf("a share: %w", err)
		}
		start := time.Now()
		err = runSignalled(cmd, args[2], func() {
			n.ready = time.Since(start)
			close(n.exported)
		})
		n.took = time.Since(start)
		if err == nil {
			err = unshare()
		}
	} else {
		err = cmd.Run()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !c.MayFail:
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes()))
	case c.Stdout != "":
		return os.WriteFile(strings.ReplaceAll(c.Stdout, transcript.Work, r.work+"/"), out.Bytes(), 0o666)
	}
	return nil
}

// share compiles the second of a package's three shares in front of the
// package's own compile, which is told of it, and which is to take it over. The
// third is not made: the compile does without. Packages without functions have
// no shares.
func (r *replay) share(ctx context.Context, compile *exec.Cmd, exports string) (taken func() error, err error) {
	prefix := exports + ".share"
	helper := own(exec.CommandContext(ctx, compile.Path, compile.Args[1:]...))
	helper.Dir = compile.Dir
	helper.Env = append(compile.Env[:len(compile.Env):len(compile.Env)], SharesEnv+"=1/3:"+prefix)
	compile.Env = append(compile.Env[:len(compile.Env):len(compile.Env)], SharesEnv+"=0/3:"+prefix)
	said, err := helper.CombinedOutput()
	if err != nil && strings.TrimSpace(string(said)) != noFunctions {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return func() error {
		if _, err := os.Stat(prefix + ".1"); err == nil {
			return &Difference{"has a share that was not taken over: " + prefix}
		}
		return nil
	}, nil
}

// noFunctions is what a compiler says that has none to share.
const noFunctions = "share: there are no functions"

// split makes a compile of one output one of two: export data in .x, the link
// object in .a. The export data's name is the third word of the result.
func split(compile string, args []string) ([]string, error) {
	if len(args) < 3 || args[1] != "-o" || !strings.HasSuffix(args[2], ".a") {
		return nil, fmt.Errorf("%s: no -o FILE.a in front", args[0])
	}
	exports := strings.TrimSuffix(args[2], ".a") + ".x"
	return append([]string{compile, "-o", exports, "-linkobj", args[2]}, args[3:]...), nil
}

// runSignalled runs a pipelined compile and calls export when it says that
// the file named exports is in place.
func runSignalled(cmd *exec.Cmd, exports string, export func()) error {
	signal, compiler, err := os.Pipe()
	if err != nil {
		return err
	}
	defer signal.Close()
	cmd.ExtraFiles = []*os.File{compiler} // becomes descriptor 3
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], SignalEnv+"=3")
	err = cmd.Start()
	compiler.Close()
	if err != nil {
		return err
	}
	// Ends at the latest when the compiler does, and its end of the pipe with it.
	n, _ := signal.Read(make([]byte, 1))
	_, missing := os.Stat(exports)
	if n == 1 && missing == nil {
		export()
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	if n != 1 || missing != nil {
		return fmt.Errorf("%s: no signal when the export data was in place", exports)
	}
	return nil
}
