package rank

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// notInjected are kinds that some builds send only after a fault, or not each time, or, as a compiler, before they begin.
// Types are damaged in TestDamagedTypes: while a compiler is paused, a build's time stands still, and most faults need time
// to be noticed.
var notInjected = []string{"abort", "cut off", "types", "compiler"}

// injections are all faults that the network of tests can do.
var injections = []struct {
	name    string
	offsets bool // strikes at a byte, not at a frame
	make    func(transporttest.Point) *transporttest.Fault
}{
	{"cut", true, transporttest.Cut},
	{"truncate", true, transporttest.Truncate},
	{"flip", true, func(at transporttest.Point) *transporttest.Fault { return transporttest.Flip(at, 0x20) }},
	{"duplicate", false, transporttest.Duplicate},
	{"delay", false, func(at transporttest.Point) *transporttest.Fault { return transporttest.Delay(at, 3*time.Second) }},
	{"stall", false, transporttest.Stall},
	{"half-open", true, transporttest.HalfOpen},
	{"slow reader", false, func(at transporttest.Point) *transporttest.Fault { return transporttest.SlowReader(at, 2000) }},
}

// smallBuilds are builds that between them send every kind of message between ranks. By each build, the kinds that are
// injected in it.
func smallBuilds(t *testing.T, tools string) map[*smallBuild][]transport.Kind {
	none, all := func(int) bool { return false }, func(int) bool { return true }
	fork := []plan.Rank{1, 2, 1, 0}
	forkImports := [][]int{nil, {0}, {0}, {1, 2}}
	firstOnly := func(i int) bool { return i == 0 }

	plain := &smallBuild{name: "plain", plan: newPlan(t, tools, firstOnly, fork, forkImports...), slots: []int{1, 1, 1}}
	// So many are ready on rank 1 at once that some are still there when root asks for them, whatever the machine does.
	moved := &smallBuild{name: "moved", plan: newPlan(t, tools, all, slices.Repeat([]plan.Rank{1}, 9), append([][]int{nil}, slices.Repeat([][]int{{0}}, 8)...)...), slots: []int{1, 1, 1}}
	lost := &smallBuild{name: "a rank lost", plan: newPlan(t, tools, none, []plan.Rank{3, 1, 2, 3}, []int(nil), []int{0}, []int{0}, []int{1, 2}), slots: []int{1, 1, 1, 1},
		faults: func() []*transporttest.Fault {
			var cuts []*transporttest.Fault
			for to := range transport.Rank(3) {
				cuts = append(cuts, transporttest.Cut(transporttest.Point{From: 3, To: to, Kind: kindDone}), transporttest.Cut(transporttest.Point{From: 3, To: to, Kind: kindPut, Nth: 1}))
			}
			return cuts
		}}
	failing := &smallBuild{name: "failing", plan: newPlan(t, tools, none, fork, forkImports...), slots: []int{1, 1, 1}, failed: true}
	failing.plan.Actions[2].Steps = []transcript.Command{{Op: transcript.Run, Args: []string{filepath.Join(tools, "compile"), "/nowhere/x", "/nowhere/o"}, Dir: "$WORK"}}
	back := &smallBuild{name: "given back", plan: newPlan(t, tools, none, fork, forkImports...), slots: []int{1, 1, 1},
		setUp: func(works []string) { // what rank 2 writes to p1's export data finds no space
			dir := filepath.Join(works[2], "b002")
			if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/dev/full", filepath.Join(dir, "_pkg_.x"))); err != nil {
				t.Fatal(err)
			}
		}}
	// Both of rank 2's begin at once: none of them is moved before it fails.
	broken := &smallBuild{name: "out of space", plan: newPlan(t, tools, none, []plan.Rank{1, 2, 2, 0}, forkImports...), slots: []int{1, 1, 2},
		setUp: func(works []string) {
			for _, node := range []string{"b002", "b003"} {
				dir := filepath.Join(works[2], node)
				if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink("/dev/full", filepath.Join(dir, "_pkg_.x"))); err != nil {
					t.Fatal(err)
				}
			}
		}}
	asking := &smallBuild{name: "asking", plan: newPlan(t, tools, firstOnly, []plan.Rank{2, 2, 1, 0}, forkImports...), slots: []int{1, 1, 1}}
	asking.stores = storeOf(t, tools, asking)
	shipping := &smallBuild{name: "shipping", plan: newPlan(t, tools, none, fork, forkImports...), slots: []int{1, 1, 1}, stores: t.TempDir(), away: []bool{false, true, true}}
	// A rank waits a while for what others' stores hold, and for their answers; while it holds a compiler, a build's time stands still.
	asking.plan.Aside, shipping.plan.Aside = 0, 0
	helped := helpedBuild(t, tools, 3)
	slow := slowBuild(t, tools, "60") // more than the rest takes
	audited := &smallBuild{name: "audited", plan: newPlan(t, tools, all, fork, forkImports...), slots: []int{1, 1, 1}, audit: 1}
	source := filepath.Join(tools, "source")
	if err := os.WriteFile(source, []byte("source\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // by ranks that do not see it
		a := &shipping.plan.Actions[i]
		a.Steps = append(a.Steps, transcript.Command{Op: transcript.Copy, Args: []string{source, transcript.Work + a.Node + "/_pkg_.a"}})
	}
	return map[*smallBuild][]transport.Kind{
		helped:   {kindHelp, kindShare},
		audited:  {kindRepeat, kindRepeated},
		slow:     {kindGiveUp, kindDismiss, kindRepeat, kindRepeated},
		asking:   {kindHolds, kindAsk, kindGiven, kindOffer},
		shipping: {kindReads, kindFiles, kindFetch, kindParcel},
		plain:    {kindPlan, kindPut, kindExists, kindDone, kindNotify, kindCommit, kindOver, kindFarewell},
		moved:    {kindYield, kindYielded, kindAssign, kindWant},
		lost:     {kindCutOff, kindSurvey, kindHeld, kindRecover},
		failing:  {kindFail, kindDone, kindOver},
		back:     {kindDone, kindRecover},
		broken:   {kindDone, kindSurvey, kindHeld, kindRecover, kindAbort},
	}
}

// storeOf is a directory with the store of rank 1 after it has made all of a build.
func storeOf(t *testing.T, tools string, b *smallBuild) string {
	filled := t.TempDir()
	before := smallBuild{plan: clonePlan(b.plan), slots: b.slots, stores: t.TempDir(), kept: func(stores string) {
		if err := os.CopyFS(filepath.Join(filled, "1"), os.DirFS(filepath.Join(stores, "1"))); err != nil {
			t.Fatal(err)
		}
	}}
	for i := range len(before.plan.Owner) - 1 {
		before.plan.Owner[i] = 1
	}
	if o := before.run(t, tools); errors.Join(o.errs...) != nil {
		t.Fatalf("filling a store: %v", o.errs)
	}
	return filled
}

// points finds the frames of the given kinds that a build without further faults sends, whatever the order of its events:
// a fault at one that is seldom sent would seldom fire.
func points(t *testing.T, b *smallBuild, tools string, kinds []transport.Kind, most int) []transporttest.Point {
	const nth, runs = 12, 4
	var faults []*transporttest.Fault
	var at []transporttest.Point
	size := transport.Rank(len(b.slots))
	for from := range size {
		for to := range size {
			for _, kind := range kinds {
				for n := range min(nth, most) {
					if p := (transporttest.Point{From: from, To: to, Kind: kind, Nth: n}); from != to {
						at, faults = append(at, p), append(faults, transporttest.Delay(p, 0))
					}
				}
			}
		}
	}
	for range runs {
		if o := b.run(t, tools, faults...); o.errs[root] == nil && o.program != b.made || (o.errs[root] == nil) == b.failed {
			t.Fatalf("%s, without a fault: %q, %v", b.name, o.program, o.errs)
		}
		var sent []transporttest.Point
		var again []*transporttest.Fault
		for i, f := range faults {
			if f.Fired() > 0 {
				sent, again = append(sent, at[i]), append(again, transporttest.Delay(at[i], 0))
			}
		}
		at, faults = sent, again
	}
	return at
}

// judge says what came of a run: the program, or a failure of which all ranks that root can reach know.
func (b *smallBuild) judge(o outcome) (what string, ok bool) {
	for r, err := range o.errs {
		var e *Error
		switch {
		case errors.Is(err, errHung):
			return "HUNG", false
		case err != nil && !errors.As(err, &e):
			return fmt.Sprintf("rank %d: an error of no family: %v", r, err), false
		case err != nil && e.Code == ExitInternal:
			return fmt.Sprintf("rank %d: distgo is wrong: %v", r, err), false
		}
	}
	switch err := o.errs[root]; {
	case err == nil && b.failed:
		return "BUILT, and the code does not build", false
	case err == nil && o.program != b.made:
		return fmt.Sprintf("WRONG: %q", o.program), false
	case err == nil:
		return "built", true
	case failure(err).Code == ExitNotBuilt && !b.failed:
		return fmt.Sprintf("the code is said not to build: %v", err), false
	case failure(err).Code == ExitNotBuilt:
		return "refused", true
	default:
		return "failed", true
	}
}

// Every fault on every kind of message, at each of its first frames between every two ranks: the program is right or the
// run fails cleanly, in time.
func TestFaultTable(t *testing.T) {
	tools := toolDir(t)
	names := map[transport.Kind]string{}
	for kind, name := range kindNames {
		names[kind] = name
	}
	type cell struct{ kind, injection string }
	type count struct {
		injected, fired int
		came            map[string]int
		longest         time.Duration
	}
	table := map[cell]*count{}
	most := 12
	if testing.Short() {
		most = 1
	}
	done := map[transport.Kind]bool{}
	for b, kinds := range smallBuilds(t, tools) {
		alone := smallBuild{plan: clonePlan(b.plan), slots: []int{1}}
		clear(alone.plan.Owner) // all is root's
		alone.plan.Helpers = nil
		b.made = alone.run(t, tools).program
		if (b.made == "") != b.failed {
			t.Fatalf("%s, by root alone: %q", b.name, b.made)
		}
		for _, at := range points(t, b, tools, kinds, most) {
			if testing.Short() && done[at.Kind] {
				continue // one of a kind
			}
			done[at.Kind] = true
			for _, inject := range injections {
				offsets := []int64{0}
				if inject.offsets && !testing.Short() {
					offsets = []int64{0, transport.HeaderSize - 1, transport.HeaderSize + 1}
				}
				if inject.offsets && slices.Contains([]transport.Kind{kindPut, kindGiven, kindParcel, kindShare}, at.Kind) {
					offsets = append(offsets, transport.HeaderSize+45) // in the artifact, the key, the list of files
				}
				if inject.offsets && at.Kind == kindGiven {
					offsets = append(offsets, transport.HeaderSize+100, transport.HeaderSize+150) // in the entry, and in its files
				}
				for _, at.Offset = range offsets {
					fault := inject.make(at)
					o := b.run(t, tools, fault)
					for range 5 { // the order of events differs from run to run
						if _, ok := b.judge(o); !ok || fault.Fired() > 0 {
							break
						}
						fault = inject.make(at)
						o = b.run(t, tools, fault)
					}
					key := cell{names[at.Kind], inject.name}
					if table[key] == nil {
						table[key] = &count{came: map[string]int{}}
					}
					c := table[key]
					c.injected++
					c.fired += min(fault.Fired(), 1)
					c.longest = max(c.longest, o.took)
					what, ok := b.judge(o)
					c.came[what]++
					if !ok {
						t.Errorf("%s, %s at byte %d of %s %d from rank %d to rank %d (it fired %d times): %s after %s: %v",
							b.name, inject.name, at.Offset, key.kind, at.Nth, at.From, at.To, fault.Fired(), what, o.took, o.errs)
					}
				}
			}
		}
	}
	var text strings.Builder
	total := 0
	for _, kind := range slices.Sorted(maps.Values(names)) {
		seen := false
		for _, inject := range injections {
			c := table[cell{kind, inject.name}]
			if c == nil {
				continue
			}
			seen = true
			total += c.fired
			fmt.Fprintf(&text, "%-10s %-12s %4d injected %4d fired  %5.1f s  %v\n", kind, inject.name, c.injected, c.fired, c.longest.Seconds(), c.came)
			if c.fired*2 < c.injected {
				t.Errorf("%s on %s fired %d times of %d", inject.name, kind, c.fired, c.injected)
			}
		}
		if !seen && !slices.Contains(notInjected, kind) {
			t.Errorf("no build sends %s", kind)
		}
	}
	t.Logf("%d faults fired; the time is the longest of a run, as its ranks see it\n%s", total, text.String())
}
