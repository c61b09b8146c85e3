package rank

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/launch"
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
	stop := time.AfterFunc(time.Millisecond, func() { cancel(errors.New("interrupted")) }) // while it waits
	defer stop.Stop()
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
