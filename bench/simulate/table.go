package simulate

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the result as a table.
func (r *Result) Print(w io.Writer) error {
	fmt.Fprintf(w, "recorded on %s: %.2f s, of them %.2f s before execution; work %.2f s, critical path %.2f s", r.Recorded, r.Measured, r.Before, r.Work, r.Chain)
	if percent, ok := r.Error(); ok {
		p, _ := r.At(r.Recorded)
		fmt.Fprintf(w, "; simulated %.2f s (%+.1f %%)", p.Seconds, percent)
	}
	fmt.Fprintf(w, "\nthe critical path: %s\n\n", path(r.Path))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ranks\tcores\tpredicted, s\tbound, s\ttimes the bound\tbinds\t")
	for _, p := range r.Worlds {
		fmt.Fprintf(t, "%d\t%d\t%.2f\t%.2f\t%.2f\t%s\t\n", p.Ranks, p.Cores, p.Seconds, p.Bound, p.Seconds/p.Bound, p.Binds)
	}
	return t.Flush()
}

// String is "4×2".
func (w World) String() string { return fmt.Sprintf("%d×%d", w.Ranks, w.Cores) }

// path shortens a chain of packages to what can be read: its last ones, where the program's own are.
func path(packages []string) string {
	const most = 12
	if len(packages) > most {
		return fmt.Sprintf("… %d packages, %s", len(packages)-most, strings.Join(packages[len(packages)-most:], ", "))
	}
	return strings.Join(packages, ", ")
}
