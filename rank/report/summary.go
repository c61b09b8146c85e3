package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/schedule"
)

// Summary says in a short paragraph where the time went.
func (r *Report) Summary() string {
	var b strings.Builder
	var link, exchange, waiting, busy, cpu int64
	for i := range r.Actions {
		if a := &r.Actions[i]; a.Kind == "link" {
			link = max(link, a.Took())
		}
	}
	slots := 0
	for i := range r.Ranks {
		k := &r.Ranks[i]
		exchange = max(exchange, k.Exchange)
		waiting += k.Waiting
		busy += k.Executed + k.Helped + k.Seconds
		cpu += k.CPU
		slots += k.Slots
	}
	fmt.Fprintf(&b, "distgo: %s in %s on %s: ", plural(r.Commands(), "command"), seconds(r.Wall), shape(len(r.Ranks), slots))
	origin := "go build -n " + seconds(r.Capture)
	if r.PlanStored {
		origin = "from the store"
	}
	if r.Making > 0 {
		origin += ", making the compiler " + seconds(r.Making) + ", once per toolchain"
	}
	fmt.Fprintf(&b, "plan %s (%s), execute %s, of it link %s", seconds(r.Plan), origin, seconds(r.Wall-r.Plan), seconds(link))
	if len(r.Ranks) > 1 {
		fmt.Fprintf(&b, "; exchange at most %s a rank, slots waiting for inputs %.0f%%", seconds(exchange), percent(waiting, waiting+busy))
		var exports, objects int64
		for i := range r.Ranks {
			for _, s := range r.Ranks[i].Sent {
				switch s.Kind {
				case "export":
					exports += s.Bytes
				case "object":
					objects += s.Bytes
				}
			}
		}
		fmt.Fprintf(&b, "; moved %s of export data, %s of objects, %s", megabytes(exports), megabytes(objects), plural(r.Moved, "action"))
	}
	if len(r.Shares) > 0 {
		fmt.Fprintf(&b, "; helpers compiled %s, %d in time", plural(len(r.Shares), "share"), r.taken())
	}
	if r.Relieved > 0 {
		fmt.Fprintf(&b, "; %s made elsewhere, sooner than where they were begun", plural(r.Relieved, "action"))
	}
	if u := r.Audit; u != nil {
		fmt.Fprintf(&b, "; audited %d of %s", u.Equal, plural(len(u.Chosen), "chosen action"))
	}
	if cached := r.cached(); cached > 0 {
		fmt.Fprintf(&b, "; %d of %s from the store", cached, plural(len(r.Actions), "action"))
	}
	if r.Commands() == 0 {
		b.WriteString(".")
		return b.String()
	}
	fmt.Fprintf(&b, ".\ndistgo: the tools took %s of CPU; no schedule of these actions on %s takes less than %s (critical path %s), this one took %.2f times that.",
		seconds(cpu), plural(slots, "slot"), seconds(r.Bound.Lower), seconds(r.Bound.Chain), r.Bound.Ratio)
	if len(r.Actions) > 0 && slots > 0 {
		per := max(1, slots/len(r.Ranks))
		fmt.Fprintf(&b, " The longest on the critical path: %s.", strings.Join(r.longest(3), ", "))
		if r.cached() > 0 {
			return b.String() // what that takes is not known
		}
		twice, err := r.Predict(2*len(r.Ranks), per, schedule.Gigabit)
		fourfold, err2 := r.Predict(4*len(r.Ranks), per, schedule.Gigabit)
		if err == nil && err2 == nil { // else this is no run's
			fmt.Fprintf(&b, " Of such ranks, %d would take about %s, %d about %s.", 2*len(r.Ranks), seconds(twice), 4*len(r.Ranks), seconds(fourfold))
		}
	}
	return b.String()
}

// cached counts the actions that came out of a store.
func (r *Report) cached() (n int) {
	for i := range r.Actions {
		if r.Actions[i].Cached {
			n++
		}
	}
	return n
}

// taken counts the shares that spared their actions something.
func (r *Report) taken() (n int) {
	for i := range r.Shares {
		if r.Shares[i].Taken {
			n++
		}
	}
	return n
}

// longest names the n actions that make up most of the critical path, with what
// they add to it.
func (r *Report) longest(n int) []string {
	names := map[int32]string{}
	for i := range r.Actions {
		a := &r.Actions[i]
		names[a.ID] = a.Package
		if a.Kind == "link" {
			names[a.ID] = "the link"
		}
	}
	order := make([]int, len(r.Bound.Path))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Bound.Adds[b], r.Bound.Adds[a]) })
	var longest []string
	for _, i := range order[:min(n, len(order))] {
		longest = append(longest, names[r.Bound.Path[i]]+" "+seconds(r.Bound.Adds[i]))
	}
	return longest
}

func shape(ranks, slots int) string {
	if ranks == 1 {
		return plural(slots, "slot")
	}
	return plural(ranks, "rank") + " with " + plural(slots, "slot")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seconds(us int64) string { return fmt.Sprintf("%.2fs", float64(us)/1e6) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func percent(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
