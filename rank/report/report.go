package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/badbubble/distgo/plan"
)

// Schema is the version of the report's format.
const Schema = 1

// A Report is everything that is kept of one run.
type Report struct {
	Schema     int         `json:"schema"`
	Distgo     string      `json:"distgo"`  // version
	Go         string      `json:"go"`      // version of the toolchain
	Program    []string    `json:"program"` // what was built, as go build is told
	Flags      []string    `json:"flags,omitempty"`
	Barrier    string      `json:"barrier"`
	Compiler   string      `json:"compiler"`              // stock or pipelined
	HeadStarts bool        `json:"head_starts,omitempty"` // compiles could be begun on their imports' types
	Aside      int         `json:"aside"`                 // how many compilers could wait in memory begun, and how many held, for each slot
	Outcome    string      `json:"outcome"`               // built, failed
	Size       int         `json:"size"`
	Wall       int64       `json:"wall_us"`               // from start to the program in its place, at root
	Capture    int64       `json:"capture_us"`            // the go command's part of planning
	PlanStored bool        `json:"plan_stored,omitempty"` // the go command had not to be asked
	Plan       int64       `json:"plan_us"`               // from start to the plan sent, capture and meeting included
	Making     int64       `json:"making_us,omitempty"`   // of Plan: the pipelined compiler, where root's store had none
	Meet       int64       `json:"meet_us"`               // from start to the world's standing
	Send       int64       `json:"distribute_us"`         // encoding and queueing the plan
	PlanBytes  int64       `json:"plan_bytes"`
	Planned    int         `json:"planned_commands"` // tool invocations in the plan
	RootRSS    int64       `json:"root_rss_bytes"`   // root's own peak memory
	Ranks      []Rank      `json:"ranks"`
	Actions    []Action    `json:"actions"`
	Shares     []Share     `json:"shares,omitempty"`
	Audit      *Audit      `json:"audit,omitempty"` // nil without --audit
	Seconds    []Second    `json:"seconds,omitempty"`
	Reliefs    int         `json:"reliefs,omitempty"`  // actions of slow ranks that others were asked to execute as well
	Relieved   int         `json:"relieved,omitempty"` // of those, that were taken from them, since another had executed them sooner
	Supers     []Superstep `json:"supersteps"`
	Moved      int         `json:"moved"` // actions that another rank took over
	Bound      Bound       `json:"bound"`
}

// A Rank is one process's part of the run.
type Rank struct {
	Rank     int     `json:"rank"`
	Host     string  `json:"host"`
	Slots    int     `json:"slots"`
	Executed int64   `json:"execute_us"` // sum over its actions, of the times in which they had slots
	CPU      int64   `json:"tool_cpu_us"`
	OwnCPU   int64   `json:"own_cpu_us"` // distgo itself
	OwnRSS   int64   `json:"own_rss_bytes"`
	OtherCPU int64   `json:"other_cpu_us"` // programs that are no command of the plan: the go command, what was asked of C compilers
	Exchange int64   `json:"exchange_us"`  // time in which artifacts were being received
	Waiting  int64   `json:"waiting_us"`   // slot time without an action or a share, until the link started
	Commands int     `json:"commands"`
	Seconds  int64   `json:"second_us,omitempty"` // sum over its second executions, but for those that made room; their CPU is tools' CPU
	Helped   int64   `json:"help_us,omitempty"`   // sum over the shares that it compiled; their CPU is tools' CPU
	Sent     []Bytes `json:"sent,omitempty"`
	Read     int64   `json:"read_bytes,omitempty"`    // files of root that its actions read and that it does not see
	Fetched  int64   `json:"fetched_bytes,omitempty"` // of those, what was not in its store
}

// Bytes counts what a rank sent of one kind.
type Bytes struct {
	Kind   string `json:"kind"` // export, object, share, plan, files, messages
	Frames int64  `json:"frames"`
	Bytes  int64  `json:"bytes"`
}

// An Action is one vertex as it was executed.
type Action struct {
	ID       int32   `json:"id"`
	Kind     string  `json:"kind"`
	Package  string  `json:"package"`
	Node     string  `json:"node"`
	Group    int32   `json:"group"`
	Rank     int     `json:"rank"`
	Slot     int     `json:"slot"`
	Threads  int     `json:"threads"` // at most, at a time
	Start    int64   `json:"start_us"`
	Exported int64   `json:"exported_us,omitempty"` // when its export data was there, if before the end
	End      int64   `json:"end_us"`
	Begun    int64   `json:"begun_us,omitempty"`   // its head start, if it went on from one: when that was begun
	Paused   int64   `json:"paused_us,omitempty"`  // and paused, or when the action was started if that was earlier; CPU is of both
	BegunIn  int     `json:"begun_slot,omitempty"` // and in which slot
	Held     []Hold  `json:"held,omitempty"`       // when something more urgent had its slot
	CPU      int64   `json:"cpu_us"`
	RSS      int64   `json:"rss_bytes"`
	Commands int     `json:"commands"`
	Cached   bool    `json:"cached,omitempty"` // came out of a store
	Cost     int64   `json:"cost_us"`          // what the scheduler took it to be
	Deps     []int32 `json:"deps,omitempty"`   // actions whose outputs it reads
	Export   int64   `json:"export_bytes,omitempty"`
	Object   int64   `json:"object_bytes,omitempty"`
}

// A Hold is a time of an action in which it was suspended and had no slot.
type Hold struct {
	From int64 `json:"from_us" msgpack:"b"`
	To   int64 `json:"to_us" msgpack:"e"`
	Slot int   `json:"slot" msgpack:"s"` // in which it went on
}

// A Share is a part of a package's functions that another rank than the
// package's own compiled. It is no command of the plan, and is counted apart.
type Share struct {
	Action int32  `json:"action"` // ID
	Rank   int    `json:"rank"`
	Slot   int    `json:"slot"`
	Start  int64  `json:"start_us"`
	End    int64  `json:"end_us"`
	CPU    int64  `json:"cpu_us"`
	RSS    int64  `json:"rss_bytes"`
	Bytes  int64  `json:"bytes,omitempty"`  // 0 where nothing came out: the action had ended, or it failed
	Taken  bool   `json:"taken,omitempty"`  // the action's own compile took it
	Failed bool   `json:"failed,omitempty"` // by itself
	Held   []Hold `json:"held,omitempty"`   // when something more urgent had its slot
}

// An Audit is what became of the actions that were to be executed a second time
// and compared.
type Audit struct {
	Share  float64 `json:"share"`  // that was asked for, of the executed actions
	Seed   string  `json:"seed"`   // the run's ID, which with an action's says whether it is chosen
	Chosen []int32 `json:"chosen"` // actions' IDs
	Equal  int     `json:"equal"`  // how many of them came out the same
}

// A Second is an action's second execution. It is no command of the plan, and is
// counted apart.
type Second struct {
	Action  int32  `json:"action"`           // ID
	Relief  bool   `json:"relief,omitempty"` // of a slow rank, in vain; else for the audit
	Rank    int    `json:"rank"`
	Slot    int    `json:"slot"`
	Start   int64  `json:"start_us"`
	End     int64  `json:"end_us"`
	CPU     int64  `json:"cpu_us"` // with that of executions that were ended to make room
	RSS     int64  `json:"rss_bytes"`
	Held    []Hold `json:"held,omitempty"`    // when something more urgent had its slot
	Trouble string `json:"trouble,omitempty"` // why there is nothing to compare
}

// A Superstep is one round, by rank.
type Superstep struct {
	Superstep int32   `json:"superstep"`
	Actions   int     `json:"actions"`
	Execute   []int64 `json:"execute_us"` // sum over the rank's actions
	Notified  []int64 `json:"notified_us"`
	Committed []int64 `json:"committed_us"`
}

// Write stores the report as JSON, whole or not at all.
func (r *Report) Write(path string) error {
	text, err := r.json()
	if err != nil {
		return err
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return writeInto(path, text) // a pipe or a device is written to, not replaced
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r *Report) json() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", " ")
	return append(text, '\n'), err
}

func writeInto(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// Open reads the report in a file, which errors name.
func Open(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Read reads a report and refuses one of another schema.
func Read(r io.Reader) (*Report, error) {
	var report Report
	if err := json.NewDecoder(r).Decode(&report); err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	if report.Schema != Schema {
		return nil, fmt.Errorf("the report has schema %d, this distgo reads %d", report.Schema, Schema)
	}
	if report.HeadStarts && report.Aside == 0 { // of a version that did not say so
		report.Aside = plan.MostAside
	}
	report.Aside = min(report.Aside, plan.MostAside) // one said for how many there was memory
	return &report, nil
}

// HelpersCPU sums what helpers spent on the shares that an action took, beyond
// the front end, which each of them repeats.
func (r *Report) HelpersCPU(action int32, front int64) (cpu int64) {
	for i := range r.Shares {
		if s := &r.Shares[i]; s.Action == action && s.Taken {
			cpu += max(0, s.CPU-front)
		}
	}
	return cpu
}

// Commands counts the tool invocations of the run.
func (r *Report) Commands() (n int) {
	for i := range r.Ranks {
		n += r.Ranks[i].Commands
	}
	return n
}
