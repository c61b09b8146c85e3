package rank

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/transport"
)

// Pipeline says which compiler to use.
type Pipeline uint8

const (
	PipelineAuto    Pipeline = iota // the pipelined one where it can be had and is proved
	PipelineOff                     // the stock one
	PipelineRequire                 // the pipelined one or nothing
)

// findCompiler gets this rank the pipelined compiler, making it if need be.
func (r *run) findCompiler(ctx context.Context) error {
	if r.cfg.Pipeline == PipelineOff || r.tools == nil {
		return nil
	}
	var c pipeline.Compiler
	dir, err := r.storeDir()
	if err == nil {
		begun, there := time.Now(), true
		c, err = pipeline.Ensure(ctx, pipeline.Go{Root: r.tools.Root(), Version: r.tools.Version()},
			filepath.Join(dir, "compilers"), func(text string) {
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

// chooseCompiler decides at root whether the build is pipelined: when every
// rank has the same compiler, and the plan is of a mode it is proved for.
func (r *run) chooseCompiler(p *plan.Plan) error {
	if r.compiler == nil {
		return nil
	}
	reason := unproved(p)
	for i := 1; reason == "" && i < r.cfg.Place.Size; i++ {
		var v view
		if err := (transport.Frame{Body: r.world.Peer(transport.Rank(i)).Info}).Decode(&v); err != nil {
			return err
		}
		if v.Compiler != r.compiler.Digest && !r.away[i] {
			reason = fmt.Sprintf("rank %d (%s) does not have it", i, r.world.Peer(transport.Rank(i)).Host)
		}
	}
	switch {
	case reason == "":
		p.Pipeline()
	case r.cfg.Pipeline == PipelineRequire:
		return usage("pipelined compiler: %s; --pipeline=require allows no other", reason)
	default:
		r.progress.Say("distgo: pipelined compiler: %s; using the stock compiler", reason)
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
