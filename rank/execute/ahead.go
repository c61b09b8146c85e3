package execute

import (
	"context"

	"github.com/badbubble/distgo/plan"
)

// A Begun is an action that was begun before the export data of all its imports was
// there: its pipelined compile has done with their types what can be done, and waits.
// Who has it calls Continue, once, or Quit.
type Begun struct {
	action  *plan.Action
	compile *running
	quit    context.CancelFunc // kills the compile
	result  Result             // so far
}

// Begin executes the commands of a up to its only compile, starts that, and returns
// when it waits for export data or has ended. It calls typed when the action's types
// are in their place. When ctx is done the compile is killed, then or later.
func (r *Runner) Begin(ctx context.Context, a *plan.Action, threads *Threads, typed func()) (*Begun, error) {
	ctx, quit := context.WithCancel(ctx)
	b := &Begun{action: a, quit: quit}
	step := a.CompileStep()
	err := r.steps(ctx, a, 0, step, threads, Moments{}, &b.result)
	if err == nil {
		b.compile, err = r.start(ctx, a, &a.Steps[step], threads, handOutAndWait, &b.result)
	}
	if err != nil {
		quit()
		return nil, err
	}
	defer threads.follow(b.compile.process.begun, b.compile)()
	b.compile.process.begun = unknown // it may be told of others until it waits
	for {
		switch b.compile.hear(Moments{Typed: typed}) {
		case saysWaits, 0:
			return b, nil
		}
	}
}

// Continue has the compile of b go on, as all export data is there, and executes what
// comes behind it; it is to b what Run is to an action. Of a compile that has ended
// meanwhile it says what came of it. Output and result are of the whole action.
func (r *Runner) Continue(ctx context.Context, b *Begun, threads *Threads, moments Moments) (Result, error) {
	defer b.quit()
	defer context.AfterFunc(ctx, b.quit)()
	b.compile.say(goOn)
	step := b.action.CompileStep()
	err := r.finish(ctx, b.action, &b.action.Steps[step], b.compile, threads, moments, &b.result)
	if err == nil {
		err = r.steps(ctx, b.action, step+1, len(b.action.Steps), threads, Moments{}, &b.result)
	}
	return b.result, err
}

// Quit kills the compile of b and waits for its end.
func (b *Begun) Quit() {
	b.quit()
	_, _ = b.compile.finish(NewThreads(1), Moments{})
}
