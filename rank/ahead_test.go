package rank

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// aheadBuild is a build of two packages, the second begun on the types of the first, which does not go on without that
// where patient.
func aheadBuild(t *testing.T, tools string, size int, patient bool) (b *smallBuild, begun func() bool) {
	p := newPlan(t, tools, func(int) bool { return true }, []plan.Rank{0, plan.Rank(size - 1)}, nil, []int{0})
	p.Pipelined = true
	b = &smallBuild{name: "ahead", plan: p}
	for range size {
		b.slots = append(b.slots, 2)
	}
	if patient {
		b.setUp = func(works []string) {
			if err := os.WriteFile(filepath.Join(works[root], "patient"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var mu sync.Mutex
	var went bool
	b.ended = func(l *loop) {
		mu.Lock()
		defer mu.Unlock()
		if l.lead != nil {
			for _, r := range l.lead.records {
				went = went || r.ID == 1 && r.Begun > 0 && r.Begun <= r.Paused
			}
		}
	}
	return b, func() bool { mu.Lock(); defer mu.Unlock(); return went }
}

// A compile goes on from its head start, on the same rank as its import and on another, and makes what it makes from scratch.
func TestHeadStarts(t *testing.T) {
	tools := toolDir(t)
	plain, _ := aheadBuild(t, tools, 1, false)
	plain.plan.Pipelined = false
	want := plain.run(t, tools)
	for _, size := range []int{1, 2, 3} {
		b, begun := aheadBuild(t, tools, size, true)
		o := b.run(t, tools)
		if err := errors.Join(o.errs...); err != nil || o.program != want.program || want.program == "" {
			t.Errorf("%d ranks: %v, program\n%s\nexpected\n%s", size, err, o.program, want.program)
		}
		if !begun() {
			t.Errorf("%d ranks: the importer was not begun ahead", size)
		}
	}
}

// With a compiler that hands out no types nothing is begun ahead.
func TestWithoutTypes(t *testing.T) {
	tools := toolDir(t)
	plain, _ := aheadBuild(t, tools, 1, false)
	want := plain.run(t, tools)
	for _, size := range []int{1, 2} {
		b, begun := aheadBuild(t, tools, size, false)
		b.withoutTypes = true
		var mu sync.Mutex
		var typed int
		ended := b.ended
		b.ended = func(l *loop) {
			ended(l)
			mu.Lock()
			defer mu.Unlock()
			typed += len(l.aheads.types)
		}
		o := b.run(t, tools)
		if err := errors.Join(o.errs...); err != nil || o.program != want.program || begun() || typed != 0 {
			t.Errorf("%d ranks: %v, begun: %t, types: %d, program\n%s\nexpected\n%s", size, err, begun(), typed, o.program, want.program)
		}
	}
}

// An action that is started before its head start has paused takes over its slot, the only one here, and goes on from it.
func TestStartedBeforePause(t *testing.T) {
	tools := toolDir(t)
	plain, _ := aheadBuild(t, tools, 1, false)
	want := plain.run(t, tools)
	b, begun := aheadBuild(t, tools, 2, true)
	b.slots = []int{1, 1}
	patient := b.setUp
	b.setUp = func(works []string) {
		patient(works)
		if err := os.WriteFile(filepath.Join(works[1], "late"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := b.run(t, tools)
	if err := errors.Join(o.errs...); err != nil || o.program != want.program {
		t.Errorf("%v, program\n%s\nexpected\n%s", err, o.program, want.program)
	}
	if !begun() {
		t.Error("the importer did not go on from its head start")
	}
}

// Types that are damaged on their way are dropped: the compile is executed from scratch.
func TestDamagedTypes(t *testing.T) {
	tools := toolDir(t)
	plain, _ := aheadBuild(t, tools, 1, false)
	want := plain.run(t, tools)
	b, begun := aheadBuild(t, tools, 2, false)
	fault := transporttest.Flip(transporttest.Point{From: 0, To: 1, Kind: kindTypes, Offset: transport.HeaderSize + 45}, 1)
	o := b.run(t, tools, fault)
	if err := errors.Join(o.errs...); err != nil || o.program != want.program {
		t.Errorf("%v, program\n%s\nexpected\n%s", err, o.program, want.program)
	}
	if fault.Fired() == 0 || begun() {
		t.Errorf("the fault fired %d times; begun: %t", fault.Fired(), begun())
	}
}
