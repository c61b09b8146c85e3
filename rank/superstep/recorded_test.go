package superstep

import (
	"container/heap"
	"os"
	"path/filepath"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/report"
)

// replay is a world in virtual time: actions take as long as they were recorded to take, messages the latency. Nobody
// is lost, and nobody helps.
type replay struct {
	t          *testing.T
	plan       *plan.Plan
	cost, lead []int64 // by action, as recorded; the plan has estimates
	latency    int64
	ranks      []*Rank
	root       *Root
	now, end   int64
	number     int64
	coming     happenings
}

type happening struct {
	at, number int64
	do         func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].number < h[j].number
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (w *replay) after(delay int64, do func()) {
	w.number++
	heap.Push(&w.coming, happening{w.now + delay, w.number, do})
}

func (w *replay) send(from, to plan.Rank, do func()) {
	delay := w.latency
	if from == to {
		delay = 0
	}
	w.after(delay, do)
}

func (w *replay) effects(r plan.Rank, e Effects, err error) {
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range e.Put {
		w.send(r, p.To, func() { w.effects(p.To, w.ranks[p.To].Arrived(p.Artifact), nil) })
	}
	for _, want := range e.Want {
		w.send(r, want.From, func() {
			w.send(want.From, r, func() { w.effects(r, w.ranks[r].Arrived(want.Artifact), nil) })
		})
	}
	for _, s := range e.Start {
		w.execute(r, s.Action)
	}
	for _, k := range e.Notify {
		w.send(r, 0, func() { w.orders(w.root.Notified(k, r)) })
	}
}

func (w *replay) execute(r plan.Rank, a plan.ActionID) {
	exists := func(f plan.ArtifactID) {
		w.send(r, 0, func() { w.orders(w.root.Exists(f, r), nil) })
	}
	outputs := w.plan.Actions[a].Outputs
	early := w.lead[a] < w.cost[a]
	if early {
		w.after(w.lead[a], func() {
			exists(outputs[0])
			e, err := w.ranks[r].Produced(outputs[0])
			w.effects(r, e, err)
		})
	}
	w.after(w.cost[a], func() {
		for i, f := range outputs {
			if i > 0 || !early {
				exists(f)
			}
		}
		w.send(r, 0, func() { w.orders(w.root.Done(a, r, true)) })
		e, err := w.ranks[r].Finished(a, true)
		w.effects(r, e, err)
		w.end = w.now
	})
}

func (w *replay) orders(o Orders, err error) {
	if err != nil {
		w.t.Fatal(err)
	}
	for _, y := range o.Yield {
		w.send(0, y.From, func() {
			e, ok := w.ranks[y.From].Yield(y.Action)
			w.effects(y.From, e, nil)
			w.send(y.From, 0, func() { w.orders(w.root.Yielded(y.Action, y.From, ok)) })
		})
	}
	for _, a := range o.Assign {
		w.send(0, a.To, func() {
			e, err := w.ranks[a.To].Assigned(a.Action, a.Holders)
			w.effects(a.To, e, err)
		})
	}
	for _, k := range o.Commit {
		for r := range w.ranks {
			to := plan.Rank(r)
			w.send(0, to, func() {
				e, err := w.ranks[to].Committed(k)
				w.effects(to, e, err)
			})
		}
	}
}

func (w *replay) run(slots []int) (makespan int64) {
	w.root = NewRoot(w.plan, slots, Split)
	for r := range slots {
		self := plan.Rank(r)
		rank, e := NewRank(w.plan, self, slots[r], Split)
		w.ranks = append(w.ranks, rank)
		w.after(0, func() { w.effects(self, e, nil) })
	}
	w.after(0, func() { w.orders(w.root.Begin(), nil) })
	for len(w.coming) > 0 {
		next := heap.Pop(&w.coming).(happening)
		w.now = next.at
		next.do()
	}
	if w.root.Left() > 0 {
		w.t.Fatalf("%d actions are left", w.root.Left())
	}
	return w.end
}

// What root does in time, with estimates instead of durations and messages that take two milliseconds, is compared with
// a list schedule that knows every duration and waits for nobody: runs of wego as they were recorded, on 2 to 16 ranks.
func TestRecordedRuns(t *testing.T) {
	sum, worst, runs := 0.0, 0.0, 0
	for file, dilation := range map[string]int64{"wego-1x1.json": 1, "wego-4x1-f2.json": 2} {
		f, err := os.Open(filepath.Join("..", "..", "bench", "simulate", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := report.Read(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{2, 4, 8, 16} {
			w := &replay{t: t, plan: recorded.Replan(), latency: 2000}
			ranks, slots := make([]schedule.Rank, n), make([]int, n)
			for i := range ranks {
				ranks[i].Slots, slots[i] = 1, 1
			}
			for i := range w.plan.Actions {
				a := &w.plan.Actions[i]
				a.Cost, a.Lead = a.Cost/dilation, a.Lead/dilation
				w.cost, w.lead = append(w.cost, a.Cost), append(w.lead, a.Lead)
			}
			best := schedule.Place(w.plan, ranks, schedule.Network{})
			for i := range w.plan.Actions {
				a := &w.plan.Actions[i]
				if a.Kind == plan.Compile { // a third of a compile, mostly, is its front end
					a.Cost, a.Lead = recorded.Actions[i].Cost, recorded.Actions[i].Cost/3
				}
			}
			w.plan.Priority = plan.BottomLevels(w.plan)
			schedule.Place(w.plan, ranks, schedule.Gigabit)
			ratio := float64(w.run(slots)) / float64(best)
			t.Logf("%s on %d ranks: %.3f of the list schedule", file, n, ratio)
			sum, worst, runs = sum+ratio, max(worst, ratio), runs+1
		}
	}
	if mean := sum / float64(runs); mean > 1.045 || worst > 1.08 {
		t.Errorf("%.3f of the list schedule in the mean, %.3f at worst", mean, worst)
	}
}
