package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/badbubble/distgo/plan/transcript"
)

// A replay executes a transcript on this machine the way a pipelined build
// does: compiles write two files, are begun as soon as the types of what
// they import are there, wait for the rest of its export data, and get a share
// of each package's functions from another compiler. One that hands out no types is
// begun when all export data is there. It exists for the proof; builds are
// rank/execute's.
type replay struct {
	compile Compiler // to run in place of the stock one
	work    string   // what $WORK stands for
	dir     string   // directory that the go command ran in
	env     []string // environment of the tools
	slots   chan struct{}
	nodes   map[string]*node
}

// A node is one block's progress.
type node struct {
	typed    chan struct{} // closed when importers may begin
	exported chan struct{} // closed when they may go on
	done     chan struct{} // closed when the block has ended well

	// Written by the block's goroutine, read after run.
	imports []string      // nodes whose export data its compile reads
	ready   time.Duration // from the compile's start to its signal
	took    time.Duration // from the compile's start to its end
}

// newReplay prepares to run script with slots commands at a time.
func newReplay(script *transcript.Script, compile Compiler, work, dir string, env []string, slots int) *replay {
	r := &replay{
		compile: compile, work: work, dir: dir, env: env,
		slots: make(chan struct{}, slots), // a semaphore
		nodes: make(map[string]*node),
	}
	for _, b := range script.Blocks {
		r.nodes[b.Node] = &node{typed: make(chan struct{}), exported: make(chan struct{}), done: make(chan struct{})}
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
// types or export data for a compile, all of the object for a link. (The block that
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
			if r.compile.Types != "" {
				ready = input.typed
			}
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
		body := c.Body
		if filepath.Base(args[0]) == "importcfg" {
			var err error
			if body, err = r.importcfg(filepath.Dir(args[0]), body); err != nil {
				return err
			}
		}
		body = strings.ReplaceAll(body, transcript.Work, r.work+"/")
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

// importcfg has a compile look for its imports' export data where nothing is but their
// types, until bring brings the rest. So every compile that imports something waits.
func (r *replay) importcfg(dir, body string) (string, error) {
	var changed strings.Builder
	for line := range strings.Lines(body) {
		if before, file, ok := strings.Cut(line, "="); ok && strings.HasPrefix(line, "packagefile ") {
			name := transcript.NodeOf(file)
			line = before + "=" + filepath.Join(dir, name+".x") + "\n"
			if err := os.Symlink(filepath.Join(r.work, name, "_pkg_.x.types"), filepath.Join(dir, name+".x.types")); err != nil {
				return "", err
			}
		}
		changed.WriteString(line)
	}
	return changed.String(), nil
}

// bring waits for the export data of what a compile in dir imports, and puts it where
// the compile looks for it.
func (r *replay) bring(ctx context.Context, n *node, dir string) error {
	for _, name := range n.imports {
		select {
		case <-r.nodes[name].exported:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := os.Symlink(filepath.Join(r.work, name, "_pkg_.x"), filepath.Join(dir, name+".x")); err != nil {
			return err
		}
	}
	return nil
}

// tool runs a program, once there is a slot for it. Who waits while a slot is held
// waits for compiles that have one.
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
		if args, err = split(r.compile.Path, args); err != nil {
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
		err = r.runCompile(ctx, n, cmd, args[2])
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

// runCompile runs a pipelined compile whose export data is to be in exports. Others
// have a share of it ready when it goes on from its types, or is begun; it is to take
// that share over.
func (r *replay) runCompile(ctx context.Context, n *node, cmd *exec.Cmd, exports string) error {
	prefix := exports + ".share"
	helper := own(exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...))
	helper.Dir = cmd.Dir
	helper.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], SharesEnv+"=1/3:"+prefix)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], SharesEnv+"=0/3:"+prefix)
	goesOn := func() error {
		if err := r.bring(ctx, n, filepath.Dir(exports)); err != nil {
			return err
		}
		return share(helper)
	}
	if types := r.compile.Types; types != "" {
		cmd.Env = append(cmd.Env, types+"="+TypesWait)
	} else if err := goesOn(); err != nil {
		return err
	}
	start := time.Now()
	paused := time.Duration(0)
	err := runSignalled(cmd, exports, moments{
		typed: func() { close(n.typed) },
		waits: func() error {
			since := time.Now()
			defer func() { paused += time.Since(since) }()
			return goesOn()
		},
		exported: func() {
			n.ready = time.Since(start) - paused
			close(n.exported)
		},
	})
	n.took = time.Since(start) - paused
	if _, left := os.Stat(prefix + ".1"); err == nil && left == nil {
		return &Difference{"has a share that was not taken over: " + prefix}
	}
	return err
}

// share compiles the second of a package's three shares. The third is not made: the
// compile does without. Packages without functions have no shares.
func share(helper *exec.Cmd) error {
	said, err := helper.CombinedOutput()
	if err != nil && strings.TrimSpace(string(said)) != noFunctions {
		return fmt.Errorf("a share: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
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

// moments are what to do when a pipelined compile says how far it is.
type moments struct {
	typed    func()
	waits    func() error // it goes on when this returns nil
	exported func()
}

// runSignalled runs a pipelined compile, which is to put its export data into exports
// and its types beside it.
func runSignalled(cmd *exec.Cmd, exports string, on moments) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs} // becomes descriptor 3
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], SignalEnv+"=3")
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	failed := listen(ours, exports, on)
	ours.Close() // who waits in vain ends
	if err := cmd.Wait(); err != nil && (failed == nil || errors.Is(failed, errSilent)) {
		return err
	}
	return failed
}

var errSilent = errors.New("no signal when the export data was in place")

// listen hears what a compile says until it says that the export data is there, or
// nothing more.
func listen(compile io.ReadWriter, exports string, on moments) error {
	for {
		var said [1]byte
		if n, _ := compile.Read(said[:]); n == 0 {
			return fmt.Errorf("%s: %w", exports, errSilent)
		}
		there := func(file string) error {
			_, err := os.Stat(file)
			return err
		}
		switch said[0] {
		case SaysTypes:
			if err := there(exports + ".types"); err != nil {
				return err
			}
			on.typed()
		case SaysWaits:
			if err := on.waits(); err != nil {
				return err
			}
			if _, err := compile.Write([]byte{GoOn}); err != nil {
				return err
			}
		case SaysExported:
			if err := there(exports); err != nil {
				return err
			}
			on.exported()
			return nil
		default:
			return fmt.Errorf("%s: the compiler says %d", exports, said[0])
		}
	}
}
