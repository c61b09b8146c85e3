package sample

import (
	"fmt"
	"time"

	"github.com/badbubble/distgo/rank/report"
)

// Schema is the version of a sample's form. A field may be added under the same Schema; a changed meaning raises it.
const Schema = 1

// Builder is who built the program.
type Builder string

// The builders.
const (
	Distgo  Builder = "distgo"
	GoBuild Builder = "go build"
)

// Caches of go build.
const (
	Cold = "cold" // an empty GOCACHE: std is compiled too
	Warm = "warm" // the GOCACHE of a build just before
)

// A Cell is one point of the experiment: what is the same in all repetitions of a measurement. It is comparable, and two
// samples are of the same cell when their Cells are equal.
type Cell struct {
	Program  string  `json:"program"`
	Commit   string  `json:"commit,omitempty"` // "" for a directory of one's own that is no checkout
	Builder  Builder `json:"builder"`
	Nodes    int     `json:"nodes"`
	Cores    int     `json:"cores"`             // of each node
	Barrier  string  `json:"barrier,omitempty"` // distgo's: split or blocking
	Cache    string  `json:"cache"`
	Launcher string  `json:"launcher"`
	Dilation float64 `json:"dilation"`          // 1 on real cores
	Net      string  `json:"net,omitempty"`     // rate of a node's link where it is emulated
	Slow     string  `json:"slow,omitempty"`    // the node that is slower than others, and how many times
	Variant  string  `json:"variant,omitempty"` // what else is different, in the experimenter's word
}

// Total is the number of cores of the cell's world.
func (c Cell) Total() int { return c.Nodes * c.Cores }

// String names the cell in messages.
func (c Cell) String() string {
	s := fmt.Sprintf("%s: %s on %d×%d", c.Program, c.Builder, c.Nodes, c.Cores)
	switch {
	case c.Builder == Distgo:
		s += " " + c.Barrier
	case c.Cache == Warm:
		s += " warm"
	}
	if c.Variant != "" {
		s += " " + c.Variant
	}
	if c.Slow != "" {
		s += " slow " + c.Slow
	}
	if c.Dilation != 1 {
		s += fmt.Sprintf(" F=%.4g", c.Dilation)
	}
	return s
}

// A Sample is one measured build.
type Sample struct {
	Schema int `json:"schema"`
	Cell
	Repetition int       `json:"repetition"` // from 1
	Start      time.Time `json:"start"`
	Elapsed    int64     `json:"elapsed_us"` // by the clock: a dilated second is F real ones
	Clock      string    `json:"clock"`      // what it is the time of, see Clocks
	CPU        int64     `json:"cpu_us"`     // user and system time of the command with all its children

	Program256 string `json:"program_sha256,omitempty"`
	Planned    int    `json:"planned_commands,omitempty"` // tool invocations of the plan
	Ran        int    `json:"ran_commands,omitempty"`
	Refused    string `json:"refused,omitempty"` // why this is not a measurement

	Go      string  `json:"go"`
	Distgo  string  `json:"distgo"`
	Machine Machine `json:"machine"`

	// Report is distgo's own, without its actions, whose file is ReportFile, relative to the sample file's directory.
	Report     *report.Report `json:"report,omitempty"`
	ReportFile string         `json:"report_file,omitempty"`

	// Graph describes the program's actions, in samples of bench baseline.
	Graph *Graph `json:"graph,omitempty"`

	Usage []Node   `json:"node_usage,omitempty"` // by the kernel's counters, where the nodes are emulated
	Notes []string `json:"notes,omitempty"`      // what a reader of the sample should know
}

// The clocks of Elapsed.
const (
	// ClockCommand is the time from the start of the command to its end, as its user waits for it.
	ClockCommand = "command"
	// ClockRoot is the time from the start of rank 0 to the program in its place, by distgo's report: what a batch
	// system's queue takes to start the job is not in it.
	ClockRoot = "rank 0"
)

// Node is what the kernel counted on an emulated node.
type Node struct {
	CPU int64 `json:"cpu_us"` // of real cores
	In  int64 `json:"in_bytes"`
	Out int64 `json:"out_bytes"`
}

// A Graph is the shape of a program's graph of actions.
type Graph struct {
	Actions int `json:"actions"`
	Groups  int `json:"groups"`        // dependency depth
	Largest int `json:"largest_group"` // actions in the greatest of them
	Width   int `json:"width"`         // the greatest number of actions of which none depends on another
}

// A Machine is where a sample was measured.
type Machine struct {
	Host   string `json:"host"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu_model"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
}

// Seconds is the measured time on real cores.
func (s *Sample) Seconds() float64 { return s.scaled(s.Elapsed) }

// scaled is a time of the sample's clock in undilated seconds.
func (s *Sample) scaled(us int64) float64 { return float64(us) / 1e6 / s.Dilation }

// Good says that the sample counts.
func (s *Sample) Good() bool { return s.Refused == "" }
