package bench

import (
	"fmt"

	"github.com/badbubble/distgo/bench/sample"
)

// Refuse says why a sample does not count, "" if it does. reference is the digest of go build's program.
func Refuse(s *sample.Sample, reference string) string {
	if s.Program256 != reference {
		return fmt.Sprintf("the program is not go build's: sha256 %.12s…, go build's is %.12s…", s.Program256, reference)
	}
	if s.Builder == sample.Distgo {
		if reason := refuseReport(s); reason != "" {
			return reason
		}
	}
	switch {
	case s.Planned == 0:
		return "nobody said how many commands were planned"
	case s.Cache == sample.Cold && s.Ran != s.Planned:
		return fmt.Sprintf("%d commands were run, %d were planned", s.Ran, s.Planned)
	case s.Cache == sample.Warm && s.Ran >= s.Planned:
		return fmt.Sprintf("the cache was not warm: all %d commands were run", s.Ran)
	}
	return ""
}

// refuseReport compares distgo's own report with the cell.
func refuseReport(s *sample.Sample) string {
	r := s.Report
	switch {
	case r == nil:
		return "distgo wrote no report"
	case r.Outcome != "built":
		return "distgo reports: " + r.Outcome
	case r.Size != s.Nodes || len(r.Ranks) != s.Nodes:
		return fmt.Sprintf("%d ranks (%d of them reported) for %d nodes", r.Size, len(r.Ranks), s.Nodes)
	case r.Barrier != s.Barrier:
		return fmt.Sprintf("barrier %s where %s was asked for", r.Barrier, s.Barrier)
	}
	for _, rank := range r.Ranks {
		if rank.Slots != s.Cores {
			return fmt.Sprintf("rank %d had %d slots, not %d", rank.Rank, rank.Slots, s.Cores)
		}
	}
	return ""
}
