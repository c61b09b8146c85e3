package rank

import (
	"io"
	"time"

	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
)

// Config is what a rank is told by its command line and launcher. It must be
// equal on all ranks but for Place, Slots and Scratch.
type Config struct {
	Place   launch.Place
	Launch  Launch
	Secret  []byte // the run's; nil for loopback only
	Project string // directory of the project
	Request toolchain.Request
	Cwd     string // where the user stands, absolute

	Slots        int    // 0: what the node grants
	Scratch      string // parent of the scratch directory; "" for TMPDIR
	Mode         superstep.Mode
	Verify       bool       // build with go build as well and compare
	All          bool       // -a: execute every action, whatever the store holds
	AbortOnLoss  bool       // a lost rank ends the run
	Audit        AuditShare // how many of the executed actions are executed a second time, and compared
	TLS          bool       // encrypt the connections between ranks
	SendFiles    bool       // send the other ranks all that they read, whatever they see
	Pipeline     Pipeline
	Store        string // directory of what is kept between runs; "" for the user's cache directory
	NoPlanCache  bool   // ask the go command for the plan, whatever the store holds
	KeepWork     bool   // leave the scratch directory
	UnverifiedGo bool   // go on with a Go version whose transcript format was not verified
	Report       string // file for the JSON report, "" for none
	Wrap         []string

	Quiet   bool
	Verbose bool
	Trace   bool // print each command with the rank that ran it

	Version    string // distgo's
	Executable string // path of this executable
	Stderr     io.Writer
}

// Launch is what it takes for ranks to find each other, beside their places.
type Launch struct {
	Env         func(string) (string, bool) // the variables this process was started with
	Shared      string                      // a directory that all ranks see, if there is one; "" for none
	MeetTimeout time.Duration               // 0 for a minute
}

// root is the rank with the duties that only one has.
const root = 0
