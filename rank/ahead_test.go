package rank

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
)

// waitingCompiler notes in its directory what became of it. One that was not
// started ahead waits until another is.
const waitingCompiler = `#!/bin/sh
if [ -z "$WAIT" ]; then
	read line <beside
elif echo >beside; [ -z "$(dd bs=1 count=1 2>/dev/null <&4 | tr '\001' y)" ]; then
	echo let go >$1
	exit 1
fi
echo went on >$1
: >$2
printf x >&3
`

// importing is a plan of two actions of one rank: the second imports what the
// first makes, and is slow to come to it.
func importing(work string) *plan.Plan {
	compile := func(node string) []transcript.Command {
		return []transcript.Command{{Op: transcript.Run, Dir: work, Args: []string{filepath.Join(work, "compile"), node + "-fate", "$WORK/" + node + "/_pkg_.x"}}}
	}
	p := independent(2)
	for i := range p.Actions {
		p.Actions[i].Steps = compile(p.Actions[i].Node)
	}
	p.Artifacts = []plan.Artifact{{Kind: plan.Export, Path: "b001/_pkg_.x", Consumers: []plan.ActionID{1}}}
	p.Actions[0].Outputs, p.Actions[1].Inputs, p.Actions[1].Group = []plan.ArtifactID{0}, []plan.ArtifactID{0}, 1
	return p
}

// ahead is a loop of two slots and two such actions.
func ahead(t *testing.T) *loop {
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "waiting"), []byte(waitingCompiler), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(work, "beside"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := alone(t, importing(work), 2)
	l.runner.Work, l.runner.Tools = work, execute.Tools{Dir: work}
	l.runner.Pipelined = &execute.Pipelined{Path: filepath.Join(work, "waiting"), Signal: "SIGNAL", Wait: "WAIT"}
	l.exchange = exchange.New(nil, work, func(id int32) (exchange.File, bool) { return l.file(plan.ArtifactID(id)), true })
	return l
}

// looking is such a loop that runs action 0 and has looked ahead.
func looking(t *testing.T) *loop {
	l := ahead(t)
	fifo, err := os.OpenFile(filepath.Join(l.runner.Work, "beside"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fifo.Close() }) // what is written there is read by nobody
	l.early = map[plan.ActionID]*early{}
	l.missed.Store(true)
	l.rank, _ = superstep.NewRank(l.plan, 0, 2, superstep.Split)
	l.lookAhead()
	e := l.early[1]
	if len(l.early) != 1 || e == nil {
		t.Fatalf("%d compiles were started ahead", len(l.early))
	}
	<-e.ready
	if e.started == nil {
		t.Fatal("it could not be started")
	}
	l.quiet = time.Time{}
	if l.lookAhead(); l.early[1] != e {
		t.Error("it was started twice")
	}
	return l
}

func fate(l *loop, node string) string {
	text, err := os.ReadFile(filepath.Join(l.runner.Work, node+"-fate"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// A compile that was started ahead is let go when its action is not this rank's any more, and forgotten when it has ended.
func TestAheadIsLetGo(t *testing.T) {
	for name, leave := range map[string]func(*loop){
		"moved":  func(l *loop) { l.rank.Yield(1) },
		"failed": func(l *loop) { l.rank.Finished(0, false) },
	} {
		t.Run(name, func(t *testing.T) {
			l := looking(t)
			leave(l)
			l.lookAhead()
			if e := l.early[1]; e == nil || !e.gone || e.handOver() != nil {
				t.Fatalf("it is not being let go: %+v", e)
			}
			l.lookAhead() // once is enough
			if err := (<-l.events)(); err != nil {
				t.Fatal(err)
			}
			l.tools.Wait()
			if len(l.early) != 0 || fate(l, "b002") != "let go\n" {
				t.Errorf("%d are known, its fate: %s", len(l.early), fate(l, "b002"))
			}
		})
	}
}

// One slot that idles starts one compile at a time, and looks again after a while.
func TestAheadPace(t *testing.T) {
	l := ahead(t)
	for range 2 * aheadPerSlot { // more that import what action 0 makes
		a := l.plan.Actions[1]
		a.ID = plan.ActionID(len(l.plan.Actions))
		l.plan.Actions = append(l.plan.Actions, a)
		l.plan.Owner, l.plan.Priority = append(l.plan.Owner, 0), append(l.plan.Priority, 0)
	}
	l.slots = 1
	l.runner.Pipelined.Path = filepath.Join(l.runner.Work, "none") // nothing need be started to be counted
	l.early = map[plan.ActionID]*early{}
	l.missed.Store(true)
	l.rank, _ = superstep.NewRank(l.plan, 0, 2, superstep.Split)
	for i := range aheadPerSlot {
		l.quiet = time.Time{}
		if again := l.lookAhead(); again == nil || len(l.early) != i+1 {
			t.Fatalf("%d compiles were started ahead, want %d", len(l.early), i+1)
		}
		l.quiet = time.Now().Add(time.Hour)
		if again := l.lookAhead(); again == nil || len(l.early) != i+1 {
			t.Fatalf("%d compiles were started ahead, want %d and no more yet", len(l.early), i+1)
		}
	}
	l.quiet = time.Time{}
	if again := l.lookAhead(); again != nil || len(l.early) != aheadPerSlot {
		t.Errorf("%d compiles were started ahead, want %d", len(l.early), aheadPerSlot)
	}
	l.tools.Wait()
}

// While the store answers, nothing is started ahead; nor with the stock compiler.
func TestNothingAhead(t *testing.T) {
	for name, change := range map[string]func(*loop){
		"the store answers":  func(l *loop) { l.missed.Store(false) },
		"the stock compiler": func(l *loop) { l.runner.Pipelined = nil },
		"no slot idles":      func(l *loop) { l.rank, _ = superstep.NewRank(l.plan, 0, 1, superstep.Split) },
		"blocking":           func(l *loop) { l.rank, _ = superstep.NewRank(l.plan, 0, 2, superstep.Blocking) },
		"another's header":   func(l *loop) { l.plan.Artifacts[0].Kind = plan.Other },
	} {
		t.Run(name, func(t *testing.T) {
			l := looking(t)
			l.letAllGo()
			if err := (<-l.events)(); err != nil {
				t.Fatal(err)
			}
			change(l)
			l.quiet = time.Time{}
			if l.lookAhead() != nil || len(l.early) != 0 {
				t.Errorf("%d compiles were started ahead", len(l.early))
			}
			l.tools.Wait()
		})
	}
}

// A loop goes on with what it started ahead, and tells how long before that was.
func TestLoopAhead(t *testing.T) {
	l := ahead(t)
	if err := ended(t, l); err != nil {
		t.Fatal(err)
	}
	if fate(l, "b002") != "went on\n" || len(l.lead.records) != 2 {
		t.Fatalf("%d actions ended; the second: %s", len(l.lead.records), fate(l, "b002"))
	}
	for _, r := range l.lead.records {
		if (r.Ahead > 0) != (r.Package == "p1") || r.Ahead > r.Start {
			t.Errorf("%s was started %d µs ahead, at %d", r.Package, r.Ahead, r.Start)
		}
	}
}
