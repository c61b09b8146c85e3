package trace

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/badbubble/distgo/rank/report"
)

// An event is one of the format's. See "Trace Event Format", Google, 2016; times are microseconds.
type event struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	Time     int64          `json:"ts"`
	Duration *int64         `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	ID       int            `json:"id,omitempty"`
	Bind     string         `json:"bp,omitempty"`
	Scope    string         `json:"s,omitempty"`
	Args     map[string]any `json:"args,omitempty"`
}

// Write writes the trace of a run.
func Write(w io.Writer, r *report.Report) error {
	e := json.NewEncoder(w)
	if _, err := fmt.Fprintf(w, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"distgo\":%q,\"go\":%q,\"barrier\":%q},\"traceEvents\":[\n", r.Distgo, r.Go, r.Barrier); err != nil {
		return err
	}
	for i, event := range events(r) {
		if i > 0 {
			if _, err := io.WriteString(w, ","); err != nil {
				return err
			}
		}
		if err := e.Encode(event); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "]}\n")
	return err
}

func events(r *report.Report) (all []event) {
	for _, rank := range r.Ranks {
		all = append(all, naming("process_name", rank.Rank, 0, fmt.Sprintf("rank %d (%s)", rank.Rank, rank.Host)))
		for slot := range rank.Slots {
			all = append(all, naming("thread_name", rank.Rank, slot, fmt.Sprintf("slot %d", slot)))
		}
	}
	byID := make(map[int32]*report.Action, len(r.Actions))
	for i := range r.Actions {
		byID[r.Actions[i].ID] = &r.Actions[i]
	}
	critical := map[int32]bool{}
	for _, id := range r.Bound.Path {
		critical[id] = true
	}
	arrow := 0
	for i := range r.Actions {
		a := &r.Actions[i]
		all = append(all, slices(a, critical[a.ID])...)
		for _, id := range a.Deps {
			from, ok := byID[id]
			if !ok {
				continue // from a store
			}
			arrow++
			all = append(all, arrows(from, a, arrow)...)
		}
	}
	for i := range r.Shares {
		s := &r.Shares[i]
		a, ok := byID[s.Action]
		if !ok {
			continue // its end was not heard of
		}
		slot := s.Slot
		for _, p := range s.Pieces() {
			all = append(all, share(s, p, a))
			slot = p.Slot
		}
		if s.Taken {
			arrow++
			all = append(all, between("share", s.Rank, slot, max(s.Start, s.End-1), a, min(max(a.Start, s.End), a.End), arrow)...)
		}
	}
	for i := range r.Seconds {
		if s := &r.Seconds[i]; byID[s.Action] != nil {
			for _, p := range s.Pieces() {
				all = append(all, second(s, p, byID[s.Action]))
			}
		}
	}
	return append(all, barriers(r)...)
}

func naming(what string, rank, thread int, name string) event {
	return event{Name: what, Phase: "M", Process: rank, Thread: thread, Args: map[string]any{"name": name}}
}

// slices are an action's: each time that it had a slot and, inside, its head start and its front end.
func slices(a *report.Action, critical bool) (all []event) {
	name := a.Package
	if name == "" || a.Kind != "compile" {
		name = a.Kind + " " + a.Package
	}
	category := a.Kind
	if critical {
		category += ",critical"
	}
	args := map[string]any{
		"superstep": a.Group, "took_us": a.Took(), "cpu_us": a.CPU, "rss_bytes": a.RSS, "threads": a.Threads, "expected_us": a.Cost,
		"export_bytes": a.Export, "object_bytes": a.Object, "critical": critical,
	}
	for _, p := range a.Pieces() {
		slice := func(name, category string, end int64, args map[string]any) {
			duration := end - p.Start
			all = append(all, event{Name: name, Category: category, Phase: "X", Time: p.Start, Duration: &duration, Process: a.Rank, Thread: p.Slot, Args: args})
		}
		slice(name, category, p.End, args)
		switch {
		case p.Start < a.Start:
			slice("head start", "headstart", p.End, nil)
		case p.Start < a.Exported && a.Exported < a.End:
			slice("front end", "frontend", min(p.End, a.Exported), nil)
		}
	}
	return all
}

// share is what a helper compiled of an action, in one of the times that it had a slot.
func share(s *report.Share, p report.Piece, of *report.Action) event {
	duration := p.End - p.Start
	return event{
		Name: "share of " + of.Package, Category: "share", Phase: "X", Time: p.Start, Duration: &duration, Process: s.Rank, Thread: p.Slot,
		Args: map[string]any{"cpu_us": s.CPU, "rss_bytes": s.RSS, "bytes": s.Bytes, "taken": s.Taken, "failed": s.Failed},
	}
}

// second is an action's second execution.
func second(s *report.Second, p report.Piece, of *report.Action) event {
	duration := p.End - p.Start
	what := "audit"
	if s.Relief {
		what = "relief"
	}
	return event{
		Name: what + " of " + of.Package, Category: what, Phase: "X", Time: p.Start, Duration: &duration, Process: s.Rank, Thread: p.Slot,
		Args: map[string]any{"cpu_us": s.CPU, "rss_bytes": s.RSS, "made by rank": of.Rank, "trouble": s.Trouble},
	}
}

// arrows are the two ends of an artifact's way.
func arrows(from, to *report.Action, id int) []event {
	there := from.End
	if from.Exported > 0 && to.Kind != "link" {
		there = from.Exported
	}
	// The end of a slice is no longer in it, and an arrow must begin in one.
	begin, slot := from.Start, from.Slot
	for _, p := range from.Pieces() {
		if p.Start >= from.Start && p.Start < there {
			begin, slot = max(p.Start, min(there, p.End-1)), p.Slot
		}
	}
	return between("artifact", from.Rank, slot, begin, to, max(to.Start, begin), id)
}

// between is an arrow from a time of a slot to one of an action, or to when that had a slot again.
func between(what string, rank, slot int, begin int64, to *report.Action, end int64, id int) []event {
	into := to.Slot
	for _, p := range to.Pieces() {
		if into = p.Slot; p.Start >= to.Start && end <= p.End {
			end = max(end, p.Start)
			break
		}
	}
	return []event{
		{Name: what, Category: what, Phase: "s", Time: begin, Process: rank, Thread: slot, ID: id},
		{Name: what, Category: what, Phase: "f", Bind: "e", Time: end, Process: to.Rank, Thread: into, ID: id},
	}
}

// barriers shows, for each rank, how long each superstep's barrier was open to it. With the split-phase barrier they
// overlap, so they are asynchronous slices.
func barriers(r *report.Report) (all []event) {
	for i, s := range r.Supers {
		for rank := range min(len(s.Notified), len(s.Committed)) {
			e := event{
				Name: fmt.Sprintf("barrier %d", s.Superstep), Category: "barrier", Phase: "b", Process: rank,
				Time: s.Notified[rank], ID: 1 + i*len(s.Notified) + rank, Args: map[string]any{"actions": s.Actions},
			}
			all = append(all, e)
			e.Phase, e.Time, e.Args = "e", max(s.Notified[rank], s.Committed[rank]), nil
			all = append(all, e)
		}
	}
	return all
}
