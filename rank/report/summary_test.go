package report

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s (-update writes it anew):\n%s\nnow:\n%s", path, want, text)
	}
}

// sample is a run on two ranks: a, then b and c beside each other, then the link. While c is begun, a is held.
func sample() *Report {
	const ms = 1000
	r := &Report{
		Schema: Schema, Distgo: "distgo v1 go1.26.8", Go: "go1.26.8", Program: []string{"./cmd/x"}, Flags: []string{"-trimpath"},
		Barrier: "split", Compiler: "pipelined", HeadStarts: true, Aside: 24, Outcome: "built", Size: 2,
		Wall: 5600 * ms, Capture: 500 * ms, Plan: 600 * ms, Meet: 40 * ms, Send: 3 * ms, PlanBytes: 70_000, Planned: 5, RootRSS: 60 << 20,
		Ranks: []Rank{
			{Rank: 0, Host: "node001", Slots: 1, Executed: 3500 * ms, CPU: 3300 * ms, OwnCPU: 200 * ms, OwnRSS: 60 << 20, Exchange: 20 * ms, Waiting: 500 * ms, Commands: 3,
				Sent: []Bytes{{Kind: "export", Frames: 1, Bytes: 300_000}, {Kind: "plan", Frames: 1, Bytes: 70_000}}},
			{Rank: 1, Host: "node002", Slots: 1, Executed: 2000 * ms, CPU: 1900 * ms, OwnCPU: 50 * ms, OwnRSS: 30 << 20, Exchange: 30 * ms, Waiting: 2000 * ms, Commands: 1,
				Sent: []Bytes{{Kind: "object", Frames: 1, Bytes: 2_500_000}, {Kind: "messages", Frames: 9, Bytes: 900}}},
		},
		Actions: []Action{
			{ID: 0, Kind: "compile", Package: "a", Node: "b002", Rank: 0, Threads: 1, Start: 0, Exported: 1000 * ms, End: 2000 * ms, CPU: 1800 * ms, RSS: 40 << 20, Commands: 1, Cost: 1500 * ms, Held: []Hold{{From: 1500 * ms, To: 1700 * ms}}, Export: 300_000, Object: 900_000},
			{ID: 1, Kind: "compile", Package: "b", Node: "b003", Group: 1, Rank: 1, Threads: 1, Start: 1000 * ms, End: 3000 * ms, CPU: 1900 * ms, RSS: 50 << 20, Commands: 1, Cost: 1500 * ms, Deps: []int32{0}, Export: 100_000, Object: 2_500_000},
			{ID: 2, Kind: "compile", Package: "c", Node: "b004", Group: 1, Rank: 0, Threads: 1, Begun: 1500 * ms, Paused: 1700 * ms, Start: 2000 * ms, End: 2500 * ms, CPU: 500 * ms, RSS: 20 << 20, Commands: 1, Cost: 400 * ms, Deps: []int32{0}, Export: 50_000, Object: 400_000},
			{ID: 3, Kind: "link", Package: "x", Node: "b001", Group: 2, Rank: 0, Threads: 1, Start: 4000 * ms, End: 5000 * ms, CPU: 1000 * ms, RSS: 90 << 20, Commands: 1, Cost: 900 * ms, Deps: []int32{0, 1, 2}},
		},
		Supers: []Superstep{
			{Superstep: 0, Actions: 1, Execute: []int64{1800 * ms, 0}, Notified: []int64{2000 * ms, 0}, Committed: []int64{2010 * ms, 2010 * ms}},
			{Superstep: 1, Actions: 2, Execute: []int64{700 * ms, 2000 * ms}, Notified: []int64{2500 * ms, 3000 * ms}, Committed: []int64{3010 * ms, 3010 * ms}},
			{Superstep: 2, Actions: 1, Execute: []int64{1000 * ms, 0}, Notified: []int64{5000 * ms, 3000 * ms}, Committed: []int64{5010 * ms, 5010 * ms}},
		},
		Moved: 1,
	}
	r.Bound = NewBound(r.Actions, 2, r.HeadStarts)
	r.Bound.Ratio = 5000 * ms / float64(r.Bound.Lower)
	return r
}

// The summary in all its forms; testdata has the words.
func TestSummary(t *testing.T) {
	var all strings.Builder
	say := func(what string, change func(*Report)) {
		r := sample()
		change(r)
		all.WriteString("-- " + what + " --\n" + r.Summary() + "\n")
	}
	say("two ranks", func(*Report) {})
	say("one rank", func(r *Report) { r.Ranks, r.Size = r.Ranks[:1], 1 })
	say("helped", func(r *Report) {
		r.Ranks[0].Helped = 500_000
		r.Shares = []Share{{Action: 1, Start: 2_500_000, End: 3_000_000, CPU: 400_000, Bytes: 9000, Taken: true}, {Action: 1, Rank: 1, Failed: true}}
	})
	say("compiler made", func(r *Report) {
		const making = 52_000_000
		r.Wall, r.Plan, r.Making = r.Wall+making, r.Plan+making, making
	})
	say("half from the store", func(r *Report) { r.Actions[0].Cached, r.Actions[2].Cached = true, true })
	say("all from the store", func(r *Report) {
		for i := range r.Actions {
			r.Actions[i].Cached = true
		}
		for i := range r.Ranks {
			r.Ranks[i].Commands = 0
		}
	})
	say("nothing recorded", func(r *Report) { r.Actions, r.Ranks, r.Bound = nil, nil, Bound{} })
	golden(t, "testdata/summary.txt", all.String())
}
