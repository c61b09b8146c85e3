package execute

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// An Ahead is a compile that was started before its imports were there: what
// stands before it is done, the compiler parses, and waits. It must be Run or
// LetGo, by one goroutine.
type Ahead struct {
	runner  *Runner
	ctx     context.Context
	action  *plan.Action
	compile int // which step it is
	process *process
	result  Result // of what stands before it
	over    bool
}

// CanStartAhead reports whether a compile can be started before its imports
// are there: it takes a pipelined compiler, and nothing before the compile may
// read what other actions make.
func (r *Runner) CanStartAhead(a *plan.Action) bool {
	return r.Pipelined != nil && r.Pipelined.Wait != "" && compileStep(a) >= 0
}

// compileStep finds the compile of an action, if all before it are files that
// are written and what the assembler says of its own sources; -1 if not.
func compileStep(a *plan.Action) int {
	for i := range a.Steps {
		switch c := &a.Steps[i]; {
		case c.Op == transcript.Mkdir, c.Op == transcript.Write:
		case c.Op == transcript.Run && filepath.Base(c.Args[0]) == "compile":
			return i
		case c.Op == transcript.Run && filepath.Base(c.Args[0]) == "asm" && slices.Contains(c.Args, "-gensymabis"):
		default:
			return -1
		}
	}
	return -1
}

// Ahead starts the compile of an action, which CanStartAhead, whose imports
// are not there. When ctx is done it is killed. An error says nothing about
// the code: Run will.
func (r *Runner) Ahead(ctx context.Context, a *plan.Action) (*Ahead, error) {
	h := &Ahead{runner: r, ctx: ctx, action: a, compile: compileStep(a)}
	if h.compile < 0 {
		return nil, fmt.Errorf("%s cannot be started ahead", a.Package)
	}
	if err := r.Prepare(a); err != nil {
		return nil, err
	}
	if err := r.steps(ctx, a, 0, h.compile, 1, nil, &h.result); err != nil {
		return nil, err
	}
	var err error
	if h.process, err = r.process(a, &a.Steps[h.compile], 1, func() {}); err != nil {
		return nil, err
	}
	h.process.held = true
	h.process.env = append(h.process.env, r.Pipelined.Wait+"=4")
	if err := h.process.start(ctx); err != nil {
		return nil, err
	}
	return h, nil
}

// Run goes on with the action, as Runner.Run would have executed it.
func (h *Ahead) Run(threads int, exported func()) (Result, error) {
	r, a := h.runner, h.action
	if err := h.process.goOn(threads); err != nil { // it is gone, for want of memory perhaps
		h.LetGo()
		return r.Run(h.ctx, a, threads, exported)
	}
	h.over = true
	h.process.signalled = exported
	r.trace(a, h.process)
	usage, err := h.process.wait()
	if err = r.ended(h.ctx, a, &a.Steps[h.compile], usage, err, &h.result); err == nil {
		err = r.steps(h.ctx, a, h.compile+1, len(a.Steps), threads, exported, &h.result)
	}
	return h.result, err
}

// LetGo ends a compile that is not needed here, and returns when it has ended.
// After Run it does nothing.
func (h *Ahead) LetGo() {
	if !h.over {
		h.over = true
		h.process.letGo()
	}
}
