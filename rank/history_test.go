package rank

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/toolchain"
)

func TestHistoryFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	if h, err := readHistory(path); err != nil || len(h) != 0 {
		t.Errorf("before the first run: %v, %v", h, err)
	}
	wrote := history{"compile fmt": {Estimate: 5, CPU: 7, Lead: 2, Host: "node001"}, "link x": {CPU: 9}}
	for range 2 {
		if err := wrote.write(path); err != nil {
			t.Fatal(err)
		}
	}
	if read, err := readHistory(path); err != nil || !reflect.DeepEqual(read, wrote) {
		t.Errorf("wrote %v, read %v, %v", wrote, read, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, damage := range []string{"", "no zstd", "\x28\xb5\x2f\xfd\x84\xff\xff\xff\x7f"} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := readHistory(path); err == nil {
			t.Errorf("%q was read as %v", damage, h)
		}
	}
}

// What a run measured orders the next one, scaled by how the source has grown.
func TestLearnAndRemember(t *testing.T) {
	r := &run{cfg: Config{Store: t.TempDir()}, tools: &toolchain.Toolchain{Env: map[string]string{"GOOS": "linux", "GOARCH": "amd64"}}}
	p := independent(3)
	for i := range p.Actions {
		p.Actions[i].Cost, p.Actions[i].Lead = 100, 100
	}
	r.report.Ranks = []report.Rank{{Host: "node001"}, {Rank: 1, Host: "node002"}}
	r.report.Actions = []report.Action{
		{ID: 0, Kind: "compile", Package: "p0", Rank: 1, Begun: 2, Paused: 5, Start: 23, Exported: 30, End: 90, Held: []report.Hold{{From: 40, To: 70}}, CPU: 400, Cost: 100},
		{ID: 1, Kind: "compile", Package: "p1", Start: 10, End: 50, CPU: 0, Cost: 100},                         // nothing was measured
		{ID: 2, Kind: "compile", Package: "p2", Rank: 1, Start: 10, End: 50, CPU: 30, Cost: 100, Cached: true}, // no compile
	}
	if err := r.learn(&loop{plan: p}); err != nil {
		t.Fatal(err)
	}
	p = independent(3)
	p.Pipelined = false
	for i := range p.Actions {
		p.Actions[i].Cost, p.Actions[i].Lead = 200, 200 // twice the source
	}
	seen := r.remember(p)
	if a := p.Actions[0]; a.Cost != 800 || a.Lead != 800 || a.Estimate != 200 || p.Priority[0] != 800 {
		t.Errorf("p0 is remembered as %+v, priority %d", a, p.Priority[0])
	}
	for _, a := range p.Actions[1:] {
		if a.Cost != 200 || a.Estimate != 0 {
			t.Errorf("%s is remembered as %+v", a.Package, a)
		}
	}
	if m := seen["compile p0"]; m.Lead != 100 || m.Host != "node002" || len(seen) != 1 {
		t.Errorf("remembered %+v", seen)
	}
}

// What helpers did of a package is part of what it takes; their front ends are not, nor what was not taken.
func TestLearnWhatWasHelped(t *testing.T) {
	r := &run{cfg: Config{Store: t.TempDir()}, tools: &toolchain.Toolchain{Env: map[string]string{"GOOS": "linux", "GOARCH": "amd64"}}}
	p := independent(2)
	r.report.Ranks = []report.Rank{{Host: "node001"}}
	r.report.Actions = []report.Action{{ID: 0, Kind: "compile", Package: "p0", Start: 0, Exported: 100, End: 400, CPU: 400, Cost: 100}}
	r.report.Shares = []report.Share{{Action: 0, CPU: 340, Taken: true}, {Action: 0, CPU: 50, Taken: true}, {Action: 0, CPU: 1000}, {Action: 1, CPU: 1000, Taken: true}}
	if err := r.learn(&loop{plan: p}); err != nil {
		t.Fatal(err)
	}
	if m := r.remember(p)["compile p0"]; m.CPU != 400+240*2/3 || m.Lead != 100 {
		t.Errorf("learned %+v", m)
	}
}

// Actions go back to the nodes that have what they made. Where nobody could help out, no rank gets much more than its
// share, as after a run of one rank.
func TestGoHome(t *testing.T) {
	hosts := []string{"node001", "node002", "node002", "node003"}
	ranks := []schedule.Rank{{Slots: 1}, {Slots: 1}, {Slots: 1}, {Slots: 1}}
	p := independent(41)
	h := history{}
	for i := range p.Actions {
		p.Actions[i].Cost = 10
		p.Owner[i] = plan.Rank(i % 4)
		h[fmt.Sprintf("compile p%d", i)] = measured{Host: "node003"}
	}
	p.Actions[40].Kind, p.Actions[40].Package = plan.Link, "x"
	h["link x"] = measured{Host: "node002"}
	h["compile p0"] = measured{Host: "node009"} // not of this world
	before := slices.Clone(p.Owner)
	count := func() (n [4]int) {
		for _, o := range p.Owner {
			n[o]++
		}
		return n
	}

	h.goHome(p, hosts, ranks, true)
	if n := count(); n[3] < 11 || n[3] > 13 || p.Owner[40] != 0 {
		t.Errorf("limited: %v actions by rank, the link on %d", n, p.Owner[40])
	}
	copy(p.Owner, before)
	p.Helpers = make([][]plan.Rank, len(p.Actions))
	p.Helpers[1], p.Helpers[2] = []plan.Rank{0, 3, 2}, []plan.Rank{1}
	h.goHome(p, hosts, ranks, false)
	if !slices.Equal(p.Helpers[1], []plan.Rank{0, 2}) || !slices.Equal(p.Helpers[2], []plan.Rank{1}) {
		t.Errorf("helpers after actions went to rank 3: %v", p.Helpers[1:3])
	}
	if n := count(); n != [4]int{2, 0, 0, 39} || p.Owner[0] != 0 || p.Owner[40] != 0 {
		t.Errorf("%v actions by rank, p0 on %d, the link on %d", n, p.Owner[0], p.Owner[40])
	}
	for i := range p.Actions {
		h[fmt.Sprintf("compile p%d", i)] = measured{Host: "node002"}
	}
	h.goHome(p, hosts, ranks, false)
	if n := count(); n[1] < 15 || n[2] < 15 {
		t.Errorf("two ranks of a node share: %v actions by rank", n)
	}
	history(nil).goHome(p, hosts, ranks, true) // there is none
}
