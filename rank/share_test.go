package rank

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// helpedBuild is a build of two packages, the second helped by all ranks but its owner, in a world of at least two.
func helpedBuild(t *testing.T, tools string, size int) *smallBuild {
	t.Helper()
	p := newPlan(t, tools, func(i int) bool { return i == 1 }, []plan.Rank{0, 1}, nil, []int{0})
	p.Pipelined, p.Helpers = true, make([][]plan.Rank, 3)
	for h := range plan.Rank(size) {
		if h != 1 {
			p.Helpers[1] = append(p.Helpers[1], h)
		}
	}
	if err := p.Validate(size); err != nil {
		t.Fatal(err)
	}
	b := &smallBuild{name: "helped", plan: p}
	for range size {
		b.slots = append(b.slots, 1)
	}
	return b
}

// tally is what a build's ranks told of shares.
type tally struct {
	mu       sync.Mutex
	compiled map[plan.Rank]shareRecord
	taken    []int // of action 1
}

func (c *tally) see(l *loop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range l.shares.compiled() {
		c.compiled[l.self] = s
	}
	if l.lead != nil {
		c.taken = l.lead.taken[1]
	}
}

func watch(b *smallBuild) *tally {
	c := &tally{compiled: map[plan.Rank]shareRecord{}}
	b.ended = c.see
	return c
}

// sure has the owner wait long for shares: a busy machine may not have made them soon.
func sure(t *testing.T, works []string, shares ...int) {
	dir := filepath.Join(works[1], "b002")
	err := os.MkdirAll(dir, 0o700)
	for _, share := range shares {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprintf("share.%d.sure", share)), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// helpless is the program that root alone makes of a helped build.
func helpless(t *testing.T, tools string) string {
	alone := helpedBuild(t, tools, 2)
	alone.plan.Helpers, alone.slots = nil, []int{1}
	clear(alone.plan.Owner)
	return alone.run(t, tools).program
}

// Helpers compile their shares, and the program is what root alone makes.
func TestShares(t *testing.T) {
	tools := toolDir(t)
	want := helpless(t, tools)
	for _, size := range []int{2, 3, 5, 8} {
		b := helpedBuild(t, tools, size)
		b.setUp = func(works []string) { sure(t, works, []int{1, 2, 3}[:min(size-1, 3)]...) }
		c := watch(b)
		o := b.run(t, tools)
		if err := errors.Join(o.errs...); err != nil || o.program != want || !strings.Contains(want, "function 3: export of 0") {
			t.Errorf("%d ranks: %v, program\n%s\nexpected\n%s", size, err, o.program, want)
		}
		// The stand-in's four functions are not enough for more than three helpers; shares without any come as well, or too late.
		if n := min(size-1, 3); len(c.taken) < n || len(c.compiled) < n {
			t.Errorf("%d ranks: shares %v were taken of %v", size, c.taken, c.compiled)
		}
		for r, s := range c.compiled {
			if s.Action != 1 || s.End < s.Start || s.Failed || r == 1 {
				t.Errorf("%d ranks: rank %d compiled %+v", size, r, s)
			}
		}
	}
}

// Whatever becomes of a share, the program is right: its helper cannot compile, is lost, sends what was damaged on its
// way, or what nobody waits for.
func TestSharesThatDoNotCome(t *testing.T) {
	tools := toolDir(t)
	want := helpless(t, tools)
	for name, c := range map[string]struct {
		setUp  func(works []string)
		fault  *transporttest.Fault
		taken  int // shares, share 1 first
		failed int
		orNone bool // it may be the owner that is left out, and root makes the package alone
	}{
		"none of them does anything wrong": {taken: 2},
		"a helper's node is out of space": {taken: 1, failed: 1, setUp: func(works []string) {
			dir := filepath.Join(works[2], "b002-share")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/dev/full", filepath.Join(dir, "share.part"))); err != nil {
				t.Fatal(err)
			}
		}},
		"the owner cannot write one": {taken: 1, setUp: func(works []string) {
			dir := filepath.Join(works[1], "b002", "share.2") // a directory in its place
			if err := os.MkdirAll(filepath.Join(dir, "full"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		"one is damaged":         {taken: 1, fault: transporttest.Flip(transporttest.Point{From: 2, To: 1, Kind: kindShare, Offset: transport.HeaderSize + 60}, 1)},
		"a helper is not called": {taken: 1, orNone: true, fault: transporttest.Cut(transporttest.Point{From: 1, To: 2, Kind: kindHelp})},
	} {
		t.Run(name, func(t *testing.T) {
			b := helpedBuild(t, tools, 3)
			b.setUp = func(works []string) {
				sure(t, works, []int{1, 2}[:c.taken]...)
				if c.setUp != nil {
					c.setUp(works)
				}
			}
			seen := watch(b)
			var faults []*transporttest.Fault
			if c.fault != nil {
				faults = append(faults, c.fault)
			}
			o := b.run(t, tools, faults...)
			if o.errs[root] != nil || o.program != want {
				t.Errorf("%v, program\n%s\nexpected\n%s", o.errs, o.program, want)
			}
			if c.fault != nil && c.fault.Fired() == 0 {
				t.Error("the fault did not strike")
			}
			failed := 0
			for _, s := range seen.compiled {
				if s.Failed {
					failed++
				}
			}
			if taken := len(seen.taken); (taken != c.taken && !(c.orNone && taken == 0)) || failed != c.failed {
				t.Errorf("shares %v were taken, %d failed; expected %d and %d", seen.taken, failed, c.taken, c.failed)
			}
		})
	}
}

// An action that comes out of a store is helped by nobody.
func TestStoredActionsAreNotHelped(t *testing.T) {
	tools := toolDir(t)
	b := helpedBuild(t, tools, 3)
	b.stores = storeOf(t, tools, b)
	c := watch(b)
	if o := b.run(t, tools); errors.Join(o.errs...) != nil || len(c.compiled) > 0 {
		t.Errorf("%v, shares %v", o.errs, c.compiled)
	}
}

// A share is a compile, what that reads from the scratch directory, and nothing that comes behind; it can clash with
// nothing that the rank does to the action itself.
func TestShareOf(t *testing.T) {
	a := &plan.Action{Kind: plan.Compile, Node: "b002", Steps: []transcript.Command{
		{Op: transcript.Mkdir, Args: []string{"$WORK/b002/"}},
		{Op: transcript.Write, Args: []string{"$WORK/b002/importcfg"}, Body: "packagefile p=$WORK/b003/_pkg_.x"},
		{Op: transcript.Run, Args: []string{"/go/asm", "-gensymabis", "-o", "$WORK/b002/symabis"}},
		{Op: transcript.Run, Args: []string{"/go/compile", "-o", "$WORK/b002/_pkg_.x", "-trimpath", "$WORK/b002=>"}, Env: []string{"A=b"}},
		{Op: transcript.Run, Args: []string{"/go/asm", "-o", "$WORK/b002/x.o"}},
		{Op: transcript.Pack, Args: []string{"$WORK/b002/_pkg_.a", "$WORK/b002/x.o"}},
	}}
	before := fmt.Sprint(a)
	b := shareOf(a, 2, 4)
	if fmt.Sprint(a) != before {
		t.Error("the action itself was changed")
	}
	if len(b.Steps) != 4 || fmt.Sprint(b.Steps[3].Env) != "[A=b DISTGO_SHARES=2/4:$WORK/b002-share/share]" || b.Node != "b002-share" {
		t.Errorf("a share is %+v", b)
	}
	if text := fmt.Sprint(b.Steps); strings.Contains(text, "b002/") || !strings.Contains(text, "b003/") {
		t.Errorf("a share works in the action's directory: %s", text)
	}
	if own := inShares(a, 0, 4); len(own.Steps) != 6 || fmt.Sprint(own.Steps[3].Env) != "[A=b DISTGO_SHARES=0/4:$WORK/b002/share]" || len(a.Steps[3].Env) != 1 {
		t.Errorf("the action's own compile is %+v", own)
	}
}
