package report

import (
	"fmt"
	"strings"
)

// Summary says in a short paragraph where the time went.
func (r *Report) Summary() string {
	var b strings.Builder
	var link, exchange, waiting, busy, cpu int64
	for i := range r.Actions {
		if a := &r.Actions[i]; a.Kind == "link" {
			link = max(link, a.End-a.Start)
		}
	}
	slots := 0
	for i := range r.Ranks {
		k := &r.Ranks[i]
		exchange = max(exchange, k.Exchange)
		waiting += k.Waiting
		busy += k.Executed
		cpu += k.CPU
		slots += k.Slots
	}
	fmt.Fprintf(&b, "distgo: %s in %s on %s: ", plural(r.Commands(), "command"), seconds(r.Wall), shape(len(r.Ranks), slots))
	fmt.Fprintf(&b, "plan %s (go build -n %s), execute %s, of it link %s", seconds(r.Plan), seconds(r.Capture), seconds(r.Wall-r.Plan), seconds(link))
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
	fmt.Fprintf(&b, ".\ndistgo: the tools took %s of CPU; no schedule of these actions on %s takes less than %s (critical path %s), this one took %.2f times that.",
		seconds(cpu), plural(slots, "slot"), seconds(r.Bound.Lower), seconds(r.Bound.Chain), r.Bound.Ratio)
	return b.String()
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
