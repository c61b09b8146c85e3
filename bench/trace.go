package bench

import (
	"io"

	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/trace"
	"github.com/badbubble/distgo/rank/report"
)

// Trace turns the report of a run into a trace, in the file to or, if that is "", on stdout.
func Trace(from, to string, stdout io.Writer) (err error) {
	r, err := report.Open(from)
	if err != nil {
		return config("%v", err)
	}
	if len(r.Actions) == 0 {
		return config("%s: the report has no actions", from)
	}
	if to == "" {
		return trace.Write(stdout, r)
	}
	return figures.WriteFile(to, func(w io.Writer) error { return trace.Write(w, r) })
}
