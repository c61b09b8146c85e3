package rank

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
)

// concluding is root of a world of five, its build over: rank 1 has taken leave, rank 2 was lost then, rank 3 before.
func concluding() (*run, *loop, *bytes.Buffer) {
	words := new(bytes.Buffer)
	r := &run{cfg: Config{Place: launch.Place{Size: 5}, Stderr: words}}
	l := &loop{lead: &leader{
		state:     superstep.NewRoot(independent(1), []int{1, 1, 1, 1, 1}, superstep.Split),
		farewells: make(chan farewell, 10),
	}}
	l.lead.state.Lost(3)
	l.lead.farewells <- farewell{from: 1, farewellMessage: farewellMessage{OwnCPU: 7}}
	l.lead.farewells <- farewell{from: 2, lost: true}
	return r, l, words
}

// Root waits for the figures of those who are there, and for nobody who is lost.
func TestFarewells(t *testing.T) {
	r, l, words := concluding()
	l.lead.farewells <- farewell{from: 4}
	begun := time.Now()
	told := r.farewells(t.Context(), l)
	if took := time.Since(begun); took >= farewellTimeout {
		t.Errorf("it waited for %s", took)
	}
	if len(told) != 2 || told[0].from != 1 || told[0].OwnCPU != 7 || told[1].from != 4 || words.Len() > 0 {
		t.Errorf("told %+v, said %q", told, words)
	}
}

// An interrupt ends the wait; who is missing is named.
func TestFarewellsInterrupted(t *testing.T) {
	r, l, words := concluding()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for len(l.lead.farewells) > 0 {
			runtime.Gosched()
		}
		cancel(errors.New("interrupted")) // while it waits
	}()
	begun := time.Now()
	told := r.farewells(ctx, l)
	if took := time.Since(begun); took >= farewellTimeout {
		t.Errorf("it waited for %s", took)
	}
	if len(told) != 1 || !strings.Contains(words.String(), "no word from rank 4 ") {
		t.Errorf("told %+v, said %q", told, words)
	}
}

// A loss is told to who waits for farewells, whether or not a farewell came, and never keeps the network waiting.
func TestLossIsTold(t *testing.T) {
	_, l, _ := concluding()
	l.ctx, l.cancel = context.WithCancelCause(t.Context())
	l.cancel(nil) // the loop has ended
	b := newInbox(nil)
	b.open(l)
	for range 20 {
		b.Lost(4, errors.New("closed the connection"))
	}
	for range 2 { // what concluding put there
		<-l.lead.farewells
	}
	if f := <-l.lead.farewells; f.from != plan.Rank(4) || !f.lost {
		t.Errorf("told %+v", f)
	}
}

// A rank is busy while its actions have slots: in their head starts, and not while they are held.
func TestFill(t *testing.T) {
	p := independent(3)
	p.Actions[2].Kind = plan.Link
	r := &run{cfg: Config{Mode: superstep.Split, Place: launch.Place{Size: 2}}}
	r.report.Ranks = []report.Rank{{Slots: 1}, {Rank: 1, Slots: 1}}
	l := &loop{plan: p, built: true, lead: &leader{}}
	for _, m := range []doneMessage{
		{Action: 0, Start: 0, Exported: 10, End: 60, Held: []report.Hold{{From: 20, To: 50}}},
		{Action: 1, Begun: 20, Paused: 45, Start: 70, Exported: 80, End: 110},
		{Action: 2, Start: 100, End: 130},
	} {
		l.lead.record(p, root, m)
	}
	r.fill(l, nil)
	// Until the link: 30 of the first action, 25 and 30 of the second.
	if k := r.report.Ranks[0]; k.Executed != 30+25+40+30 || k.Waiting != 100-30-25-30 {
		t.Errorf("rank 0: executed %d, waiting %d", k.Executed, k.Waiting)
	}
	if k := r.report.Ranks[1]; k.Executed != 0 || k.Waiting != 100 {
		t.Errorf("rank 1: executed %d, waiting %d", k.Executed, k.Waiting)
	}
	if got := r.report.Supers[0].Execute[0]; got != 125 {
		t.Errorf("executed %d in its superstep", got)
	}
	if b := r.report.Bound; b.Work != 125 || b.Slots != 2 {
		t.Errorf("bound %+v", b)
	}
}
