// Package bench measures distgo against go build: it enumerates an experiment's cells, runs each through a launcher
// (this machine, an emulated cluster, prun, srun) beside its baselines, checks that what was built is go build's program,
// and appends samples to a file. main binds flags to it; bench/sample says what is kept, bench/figures and bench/page
// show it, bench/simulate takes a recorded run to worlds that nobody has at hand, bench/manifest knows the programs.
//
//   - Invariant 1: a sample counts only if its program equals go build's byte for byte and the commands run are the
//     commands planned ([Refuse]).
//   - Invariant 2: both sides are cold: empty caches, std compiled, flags and environment the same, page cache warm.
//   - Invariant 3: within a repetition every cell of a program is measured beside its baselines; every second repetition
//     goes through the cells backwards, so that a drift of the machine meets both sides.
//   - Invariant 4: what does not fit the machine is said, and never measured in a smaller form.
//
// An Experiment is used from one goroutine; everything that it starts has ended when Run returns.
//
// Errors: *Config when the experiment cannot be as asked for, in a sentence for its user; everything else is the
// machine's refusal. A build that fails is no error but a refused sample.
package bench

import "fmt"

// Config is an experiment that cannot be as asked for.
type Config struct{ Reason string }

func (e *Config) Error() string { return e.Reason }

func config(format string, args ...any) error { return &Config{fmt.Sprintf(format, args...)} }
