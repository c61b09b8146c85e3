package bench

import (
	"path/filepath"
	"strconv"

	"github.com/badbubble/distgo/bench/sample"
)

// The files of a task.
func (t *Task) program() string { return filepath.Join(t.Work, "program") }
func (t *Task) report() string  { return filepath.Join(t.Work, "report.json") }
func (t *Task) graph() string   { return filepath.Join(t.Work, "actions.json") }
func (t *Task) log() string     { return filepath.Join(t.Work, "log") }

// identical makes programs comparable byte for byte: what is left out is the build ID, and the directories.
var identical = []string{"-trimpath", "-ldflags=-buildid="}

// buildFlags are go build's, on both sides. The user's come last and win.
func (t *Task) buildFlags() []string { return append(append([]string{}, identical...), t.Flags...) }

// distgo is the command of one rank, or with ranks > 0 of so many on this machine. Its store must be fresh.
func (t *Task) distgo(ranks int, store string) []string {
	argv := []string{t.Exe}
	if ranks > 0 {
		argv = append(argv, "-n", strconv.Itoa(ranks))
	}
	argv = append(argv, "-q", "-a", "--slots", strconv.Itoa(t.Cell.Cores), "--barrier", t.Cell.Barrier, "--store", store)
	argv = append(argv, t.Options...)
	argv = append(argv,
		"-p", t.Program.Dir, "-m", t.Program.Main, "-o", t.program(), "--report", t.report(), "--")
	return append(argv, t.buildFlags()...)
}

// goBuild is the baseline's command, to be run in the program's directory. further are the launcher's flags.
func (t *Task) goBuild(further ...string) []string {
	argv := []string{"go", "build"}
	if t.Cell.Cache == sample.Cold {
		argv = append(argv, "-a")
	}
	argv = append(argv, further...)
	argv = append(argv, "-debug-actiongraph="+t.graph(), "-o", t.program())
	return append(append(argv, t.buildFlags()...), t.Program.Main)
}
