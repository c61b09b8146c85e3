package rank

import (
	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/ship"
	"github.com/badbubble/distgo/transport"
)

// Kinds of message between the ranks of a build; PROTOCOL.md says who sends
// each and what the receiver must do. Append only.
const (
	kindPlan     transport.Kind = 32 // root to each: the plan, as a blob
	kindPut                     = exchange.KindPut
	kindWant     transport.Kind = 34 // put me this artifact
	kindExists   transport.Kind = 35 // to root: an artifact is there, its action not over
	kindDone     transport.Kind = 36 // to root: an action ended
	kindNotify   transport.Kind = 37 // to root: my part of a superstep is done
	kindCommit   transport.Kind = 38 // root to all: a barrier closed
	kindFail     transport.Kind = 39 // root to all: an action failed
	kindYield    transport.Kind = 40 // root: give this action up
	kindYielded  transport.Kind = 41 // to root: whether I did
	kindAssign   transport.Kind = 42 // root: this action is yours now
	kindOver     transport.Kind = 43 // root to all: nothing is left to do
	kindFarewell transport.Kind = 44 // to root: what I did in this run
	kindAbort    transport.Kind = 45 // either way: the run cannot go on
	kindSurvey   transport.Kind = 46 // root to all: what do you hold of what lost ranks made
	kindHeld     transport.Kind = 47 // to root: this
	kindRecover  transport.Kind = 48 // root to all: who does what from now on
	kindCutOff   transport.Kind = 49 // to root: I cannot reach a rank
	kindHolds    transport.Kind = 50 // to all with another store: the keys in mine
	kindAsk      transport.Kind = 51 // give me what is under this key
	kindGiven    transport.Kind = 52 // this, or nothing
	kindOffer    transport.Kind = 53 // an artifact that you read is in my store, perhaps in yours
)

// Kinds for files that a rank does not see, see ship.go.
const (
	kindReads  transport.Kind = 54 // to root: what do these actions read
	kindFiles  transport.Kind = 55 // root: these files
	kindFetch  transport.Kind = 56 // to root: send me these
	kindParcel transport.Kind = 57 // root: some of them
)

// Kinds for shares, see share.go.
const (
	kindHelp  transport.Kind = 58 // compile your share of an action that I execute; or do not, any more
	kindShare transport.Kind = 59 // here it is
)

// Kinds for second executions, see second.go.
const (
	kindRepeat   transport.Kind = 60 // root: execute this action a second time, when nothing else is to be done
	kindRepeated transport.Kind = 61 // to root: what came of it
	kindGiveUp   transport.Kind = 62 // root: give this action up, though it runs: another rank has made it
	kindDismiss  transport.Kind = 63 // root: this second execution, or what it made, is of no use
)

// kindTypes: see ahead.go.
const kindTypes transport.Kind = 64 // the types of an export artifact, before that

// kindCompiler: see compiler.go.
const kindCompiler transport.Kind = 65 // root: the pipelined compiler, before the plan

// byRootAlone are the kinds with which root directs the others.
var byRootAlone = []transport.Kind{kindPlan, kindCommit, kindFail, kindYield, kindAssign, kindOver, kindSurvey, kindRecover, kindFiles, kindParcel, kindRepeat, kindGiveUp, kindDismiss, kindCompiler}

// view is what a rank tells about itself when it joins: what must agree for
// files to be read in place.
type view struct {
	Place    toolchain.Place `msgpack:"p"`
	Toolless string          `msgpack:"w,omitempty"` // why there is no toolchain
	Compiler string          `msgpack:"c"`           // digest of the pipelined compiler, "" where there is none
	Slots    int             `msgpack:"s"`
	Store    string          `msgpack:"i,omitempty"` // the ID of its store, "" where there is none
	Aside    int             `msgpack:"m,omitempty"` // for how many compilers that wait it has memory, for each slot
}

// order is what comes with the plan: how it is to be executed.
type order struct {
	Idle     bool  `msgpack:"n,omitempty"` // there is no plan: the programs are in their places
	Mode     uint8 `msgpack:"m"`
	Skeleton int64 `msgpack:"s"`           // bytes of the part that all ranks get
	Away     *away `msgpack:"w,omitempty"` // for a rank that does not see root's files
}

// compilerMessage comes with a pipeline.Compiler.
type compilerMessage struct {
	Digest []byte `msgpack:"d"`
	Signal string `msgpack:"s"`
	Types  string `msgpack:"y,omitempty"`
}

type wantMessage struct {
	Artifact plan.ArtifactID `msgpack:"f"`
	Offered  bool            `msgpack:"o,omitempty"` // and not here: the bytes are wanted
}

// offerMessage is what is in an artifact that came out of a store.
type offerMessage struct {
	Artifact plan.ArtifactID `msgpack:"f"`
	Digest   []byte          `msgpack:"d"`
	Size     int64           `msgpack:"z"` // bytes
}

type existsMessage struct {
	Artifact plan.ArtifactID `msgpack:"f"`
	Took     int64           `msgpack:"t"`           // microseconds that its action has executed until then
	Relief   []byte          `msgpack:"d,omitempty"` // its digest, where it was made in relief of who has the action
}

// doneMessage is the record of an action that ended.
type doneMessage struct {
	Action   plan.ActionID `msgpack:"a"`
	OK       bool          `msgpack:"k"`
	Cached   bool          `msgpack:"h,omitempty"` // came out of a store
	Output   string        `msgpack:"o,omitempty"` // the tools' words
	Start    int64         `msgpack:"b"`           // microseconds since the plan was here
	Exported int64         `msgpack:"x,omitempty"`
	End      int64         `msgpack:"e"`
	CPU      int64         `msgpack:"u"`
	RSS      int64         `msgpack:"r"`
	Slot     int           `msgpack:"s"`
	Threads  int           `msgpack:"t"`
	Commands int           `msgpack:"c"`
	Sizes    []int64       `msgpack:"z,omitempty"` // of its outputs
	Traced   bool          `msgpack:"i,omitempty"` // it starts C compilers, and Reads is what they read
	Reads    []string      `msgpack:"d,omitempty"` // files outside the plan
	Trouble  string        `msgpack:"y,omitempty"` // the node's: the action is given back, neither made nor refused
	Lasting  bool          `msgpack:"l,omitempty"` // the trouble is the node's whatever it executes
	Tainted  bool          `msgpack:"n,omitempty"` // it gave out export data that may be wrong
	Taken    []int         `msgpack:"p,omitempty"` // the shares of helpers that its compile took
	Digests  [][]byte      `msgpack:"g,omitempty"` // of its outputs, empty where they are not known
	GivenUp  bool          `msgpack:"v,omitempty"` // root asked for that; Digests are of what was given out
	Begun    int64         `msgpack:"j,omitempty"` // its head start, if it went on from one: when that was begun
	Paused   int64         `msgpack:"q,omitempty"` // and paused, or when the action was started if that was earlier
	BegunIn  int           `msgpack:"w,omitempty"` // in which slot
	Held     []report.Hold `msgpack:"m,omitempty"` // when something more urgent had its slot
}

// typesMessage comes with the types.
type typesMessage struct {
	Artifact plan.ArtifactID `msgpack:"f"`
	Digest   []byte          `msgpack:"d"`
}

// repeatMessage asks for a second execution.
type repeatMessage struct {
	Action  plan.Action      `msgpack:"a"` // whole, with its commands
	Holders []plan.Rank      `msgpack:"h"`
	Why     superstep.Reason `msgpack:"l,omitempty"`
}

// repeatedMessage is the record of a second execution.
type repeatedMessage struct {
	Action   plan.ActionID `msgpack:"a"`
	Digests  [][]byte      `msgpack:"g,omitempty"` // of its outputs
	Refused  bool          `msgpack:"f,omitempty"` // it did not build: Output are the tools' words
	Output   string        `msgpack:"o,omitempty"`
	Trouble  string        `msgpack:"y,omitempty"` // the node's: it says nothing about the action
	Tainted  bool          `msgpack:"n,omitempty"` // it gave out export data that may be wrong
	Start    int64         `msgpack:"b"`           // microseconds since the plan was here
	Exported int64         `msgpack:"x,omitempty"`
	End      int64         `msgpack:"e"`
	CPU      int64         `msgpack:"u"` // with that of what was ended to make room
	RSS      int64         `msgpack:"r"`
	Slot     int           `msgpack:"s"`
	Held     []report.Hold `msgpack:"m,omitempty"` // when something more urgent had its slot
}

type helpMessage struct {
	Action plan.ActionID `msgpack:"a"`
	Over   bool          `msgpack:"o,omitempty"` // the action has ended: the share is of no use
}

// shareMessage comes with the share's bytes. Which share it is follows from who
// sends it.
type shareMessage struct {
	Action plan.ActionID `msgpack:"a"`
	Digest []byte        `msgpack:"d"`
}

// shareRecord is a share that was compiled here.
type shareRecord struct {
	Action plan.ActionID `msgpack:"a"`
	Start  int64         `msgpack:"b"` // microseconds since the plan was here
	End    int64         `msgpack:"e"`
	CPU    int64         `msgpack:"u"`
	RSS    int64         `msgpack:"r"`
	Slot   int           `msgpack:"s"`
	Bytes  int64         `msgpack:"z,omitempty"` // 0 where none came out
	Failed bool          `msgpack:"f,omitempty"` // by itself, not because it was dismissed
	Held   []report.Hold `msgpack:"m,omitempty"` // when something more urgent had its slot
}

type stepMessage struct {
	Superstep plan.Superstep `msgpack:"k"`
}

type actionMessage struct {
	Action plan.ActionID `msgpack:"a"`
}

type yieldedMessage struct {
	Action plan.ActionID `msgpack:"a"`
	OK     bool          `msgpack:"k"`
}

type assignMessage struct {
	Action  plan.Action `msgpack:"a"` // whole, with its commands
	Holders []plan.Rank `msgpack:"h"`
}

type overMessage struct {
	Built bool `msgpack:"k"`
}

type farewellMessage struct {
	OwnCPU    int64   `msgpack:"c"` // microseconds
	ChildCPU  int64   `msgpack:"p"` // of all programs that this rank started, microseconds
	OwnRSS    int64   `msgpack:"r"`
	Exchange  int64   `msgpack:"x"` // microseconds in which artifacts were being received
	Notified  []int64 `msgpack:"n"` // by superstep, microseconds since the plan was here
	Committed []int64 `msgpack:"m"`
	Sent      []sent  `msgpack:"s"`

	Shipped ship.Counts   `msgpack:"f"`
	Shares  []shareRecord `msgpack:"h,omitempty"`
}

type sent struct {
	Kind   string `msgpack:"k"`
	Frames int64  `msgpack:"f"`
	Bytes  int64  `msgpack:"b"`
}

type surveyMessage struct {
	Epoch     int               `msgpack:"e"`
	Artifacts []plan.ArtifactID `msgpack:"f"`
}

// recoverMessage is root's decision, with the commands of the actions that the
// receiver takes on.
type recoverMessage struct {
	Recovery superstep.Recovery `msgpack:"r"`
	Steps    []actionSteps      `msgpack:"c"`
}

type cutOffMessage struct {
	Rank  plan.Rank `msgpack:"r"`
	Cause string    `msgpack:"t"`
}

// holdsMessage comes with a store.Summary, if the store has anything.
type holdsMessage struct {
	Store string `msgpack:"s"` // its ID: ranks may share one
}

type askMessage struct {
	Key []byte `msgpack:"k"`
}

// givenMessage comes with the files of the entry.
type givenMessage struct {
	Key   []byte `msgpack:"k"`
	Entry []byte `msgpack:"e"` // empty: it is not here
}

// abortMessage ends the run. Code is the exit code, ExitBuilt for a rank that is
// left out of a run that goes on; text is for the user.
type abortMessage struct {
	Code uint8  `msgpack:"c"`
	Text string `msgpack:"t"`
}
