package rank

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/transport"
)

// Pipeline says which compiler to use.
type Pipeline uint8

const (
	PipelineAuto    Pipeline = iota // the pipelined one where it can be had and is proved
	PipelineOff                     // the stock one
	PipelineRequire                 // the pipelined one or nothing
)

// lookForCompiler finds the pipelined compiler that this node keeps, if it does.
func (r *run) lookForCompiler() {
	if r.cfg.Pipeline == PipelineOff || r.tools == nil {
		return
	}
	if dir, err := r.compilersDir(); err == nil {
		if c, ok := pipeline.Find(r.goCommand(), dir); ok {
			r.compiler = &c
		}
	}
}

// makeCompiler has root make the pipelined compiler, if need be. The others are given it.
func (r *run) makeCompiler(ctx context.Context) error {
	if r.cfg.Pipeline == PipelineOff || r.compiler != nil {
		return nil
	}
	var c pipeline.Compiler
	dir, err := r.compilersDir()
	if err == nil {
		begun, there := time.Now(), true
		c, err = pipeline.Ensure(ctx, r.goCommand(), dir, func(text string) {
			there = false
			r.progress.Say("distgo: %s", text)
		})
		if !there && err == nil {
			r.report.Making = time.Since(begun).Microseconds()
		}
	} else {
		err = fmt.Errorf("pipelined compiler: %w; using the stock compiler", err)
	}
	switch {
	case err == nil:
		r.compiler = &c
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.cfg.Pipeline == PipelineRequire:
		return usage("%s", strings.ReplaceAll(err.Error(), "; using the stock compiler", "; --pipeline=require allows no other"))
	default:
		r.progress.Say("distgo: %v", err)
	}
	return nil
}

// compilersDir is where this node keeps pipelined compilers.
func (r *run) compilersDir() (string, error) {
	dir, err := r.storeDir()
	return filepath.Join(dir, "compilers"), err
}

// goCommand is the toolchain as the pipelined compiler is made from it.
func (r *run) goCommand() pipeline.Go {
	return pipeline.Go{Root: r.tools.Root(), Version: r.tools.Version()}
}

// equip decides at root what the plan is executed with: which compiler, and how many of
// its processes may wait in memory, which is for the rank with the least of that to say.
func (r *run) equip(p *plan.Plan) error {
	if err := r.chooseCompiler(p); err != nil {
		return err
	}
	views, err := r.views()
	if err != nil {
		return err
	}
	p.Aside = r.ownWaiting()
	for _, v := range views {
		p.Aside = min(p.Aside, v.Aside)
	}
	return nil
}

// chooseCompiler decides at root whether the build is pipelined: when there is a
// compiler, and the plan is of a mode it is proved for.
func (r *run) chooseCompiler(p *plan.Plan) error {
	if r.compiler == nil {
		return nil
	}
	switch reason := unproved(p); {
	case reason == "":
		p.Pipeline()
	case r.cfg.Pipeline == PipelineRequire:
		return usage("pipelined compiler: %s; --pipeline=require allows no other", reason)
	default:
		r.progress.Say("distgo: pipelined compiler: %s; using the stock compiler", reason)
	}
	return nil
}

// giveCompiler sends root's compiler to the ranks that have another or none, before
// the plan. One that is away gets it with the rest of what its actions read.
func (r *run) giveCompiler(p *plan.Plan) error {
	if !p.Pipelined {
		return nil
	}
	views, err := r.views()
	if err != nil {
		return err
	}
	for i, v := range views {
		to := i + 1
		if r.away[to] || v.Compiler == r.compiler.Digest {
			continue
		}
		if r.cfg.Verbose {
			r.progress.Say("distgo: rank %d (%s) is given the pipelined compiler", to, r.world.Peer(transport.Rank(to)).Host)
		}
		if err := sendCompiler(r.world, transport.Rank(to), *r.compiler); err != nil {
			return err
		}
	}
	return nil
}

func sendCompiler(w *transport.World, to transport.Rank, c pipeline.Compiler) error {
	digest, err := hex.DecodeString(c.Digest)
	if err != nil {
		return err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return err
	}
	err = w.Send(to, transport.Express, transport.Message{
		Kind: kindCompiler,
		Body: compilerMessage{Digest: digest, Signal: c.Signal, Types: c.Types},
		Blob: &transport.Blob{Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(c.Path) }},
	})
	if isLost(err) { // root will go on without it
		return nil
	}
	return err
}

// takeCompiler takes what root gives: for this run in the scratch directory, for
// later ones into the store. It is called before the plan is here.
func (r *run) takeCompiler(f transport.Frame) error {
	m, err := decode[compilerMessage](f)
	if err != nil {
		return err
	}
	if len(m.Digest) != len(exchange.Digest{}) {
		return fmt.Errorf("root sends a compiler with a digest of %d bytes", len(m.Digest))
	}
	if err := r.makeScratch(); err != nil {
		return err
	}
	c := pipeline.Compiler{Path: filepath.Join(r.scratch.Dir(), "compile"), Digest: hex.EncodeToString(m.Digest), Signal: m.Signal, Types: m.Types}
	if err := exchange.Store(c.Path, f, exchange.Digest(m.Digest)); err != nil {
		return fmt.Errorf("receiving the compiler: %w", err)
	}
	if err := os.Chmod(c.Path, 0o700); err != nil {
		return err
	}
	r.compiler = &c
	if dir, err := r.compilersDir(); err == nil && r.tools != nil {
		if err := pipeline.Keep(r.goCommand(), dir, c); err != nil && !r.cfg.Quiet {
			fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: the pipelined compiler is not kept, and sent again the next time: %v\n", r.cfg.Place.Rank, err)
		}
	}
	return nil
}

// unproved says what about the plan the pipelined compiler is not proved for.
func unproved(p *plan.Plan) string {
	if i := slices.IndexFunc(p.Env, func(e string) bool { return strings.HasPrefix(e, "GOEXPERIMENT=") && e != "GOEXPERIMENT=" }); i >= 0 {
		return "it is not proved with " + p.Env[i]
	}
	for i := range p.Actions {
		for j := range p.Actions[i].Steps {
			c := &p.Actions[i].Steps[j]
			if c.Op != transcript.Run {
				continue
			}
			for _, arg := range c.Args {
				switch {
				case arg == "-race", arg == "-msan", arg == "-asan", arg == "-dynlink", arg == "-linkshared":
					return "it is not proved with " + arg
				case strings.HasPrefix(arg, "-buildmode=") && arg != "-buildmode=exe" && arg != "-buildmode=pie":
					return "it is not proved for " + arg
				}
			}
		}
	}
	return ""
}

// pipelined is the compiler as the runner of a plan needs it.
func (r *run) pipelined(p *plan.Plan) (*execute.Pipelined, error) {
	if !p.Pipelined {
		return nil, nil
	}
	if r.compiler == nil {
		return nil, fmt.Errorf("the plan is for a pipelined compiler, which this rank does not have")
	}
	return &execute.Pipelined{Path: r.compiler.Path, Signal: r.compiler.Signal, Types: r.compiler.Types}, nil
}

// compilerDigest identifies the pipelined compiler to the other ranks.
func (r *run) compilerDigest() string {
	if r.compiler == nil {
		return ""
	}
	return r.compiler.Digest
}
