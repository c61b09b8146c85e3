package bench

import (
	"context"
	"time"

	"github.com/badbubble/distgo/bench/sample"
)

// A Launcher starts builds on some machine.
type Launcher interface {
	// Name stands in samples.
	Name() string

	// Fit completes a cell with what the launcher decides (dilation, network), or says why the machine cannot measure it.
	Fit(c sample.Cell) (sample.Cell, error)

	// Launch builds. A build that fails is a Result with Failed; an error is the launcher's own.
	Launch(ctx context.Context, t *Task) (*Result, error)
}

// A Task is one build to launch.
type Task struct {
	Cell    sample.Cell
	Program *Program
	Exe     string   // distgo
	Flags   []string // for go build, on both sides
	Options []string // further ones of distgo
	Kept    string   // directory of the pipelined compilers
	Work    string   // an empty directory of the task's own, which all nodes see
	Limit   time.Duration
}

// Result is what a launcher can tell of a build, whatever built it.
type Result struct {
	Elapsed time.Duration // by the clock
	Clock   string        // sample.ClockCommand or sample.ClockRoot
	CPU     time.Duration
	Usage   []sample.Node
	Failed  string // the reason in a line, with what the build said last
	Notes   []string
}
