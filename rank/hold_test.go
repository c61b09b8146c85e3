package rank

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
)

// What is held gives its slot away until it goes on, in whichever is free then, and that is recorded, of that alone.
func TestHold(t *testing.T) {
	for _, of := range []superstep.Execution{{Action: 3}, {Action: 3, Share: true}} {
		synctest.Test(t, func(t *testing.T) { testHold(t, of) })
	}
}

func testHold(t *testing.T, of superstep.Execution) {
	own, share := &ownRun{}, &shareRun{}
	l := &loop{begun: time.Now(), free: []int{1}, running: map[plan.ActionID]*ownRun{3: own}}
	l.shares.running = map[plan.ActionID]*shareRun{3: share}
	run, other := &own.inSlot, &share.inSlot
	if of.Share {
		run, other = other, run
	}
	tell := func(at time.Duration, threads int) {
		time.Sleep(at*time.Microsecond - time.Since(l.begun)) // of the bubble
		l.hold(superstep.Threads{Execution: of, Threads: threads})
	}
	tell(10, 2) // no more than another number of threads
	tell(20, 0)
	if !slices.Equal(l.free, []int{1, 0}) {
		t.Errorf("held, the free slots are %v", l.free)
	}
	tell(35, 1)
	tell(50, 0)
	if !slices.Equal(l.free, []int{0, 1}) {
		t.Errorf("held again, the free slots are %v", l.free)
	}
	first, second := report.Hold{From: 20, To: 35, Slot: 1}, report.Hold{From: 50, To: 80}
	for _, c := range []struct {
		start, end int64
		want       []report.Hold
	}{
		{5, 80, []report.Hold{first, second}}, // it ended while it was held
		{5, 50, []report.Hold{first}},         // its end was on its way
		{5, 30, []report.Hold{{From: 20, To: 30, Slot: 1}}},
		{1, 4, nil}, // it was made before, in relief
	} {
		if got := run.holds(c.start, c.end); !reflect.DeepEqual(got, c.want) {
			t.Errorf("from %d to %d held %v, want %v", c.start, c.end, got, c.want)
		}
	}
	if len(other.held) > 0 {
		t.Errorf("the other was held: %v", other.held)
	}
}
