package bench

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/badbubble/distgo/bench/sample"
)

// Compare prints the medians of the cells that two sets have in common, and how far they are apart per second of CPU: the same
// commands take another while on a machine that others share, and what is left then is distgo's. within is how far apart, in
// percent, the medians of the time may be: more is an error, after the whole table.
func Compare(a, b *sample.Set, within float64, out io.Writer) error {
	second := map[sample.Cell]sample.Group{}
	for _, g := range sample.ByCell(b.Good()) {
		second[g.Cell] = g
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "cell\tfirst, s\tsecond, s\tapart\tper CPU second\t")
	common, apart := 0, 0
	for _, g := range sample.ByCell(a.Good()) {
		other, ok := second[g.Cell]
		if !ok {
			continue
		}
		common++
		x, y := g.Of(sample.Time), other.Of(sample.Time)
		percent := 100 * (y.Median/x.Median - 1)
		each := "–"
		if x, y := g.Of(sample.TimePerCPU), other.Of(sample.TimePerCPU); x.N > 0 && y.N > 0 {
			each = fmt.Sprintf("%+.1f %%", 100*(y.Median/x.Median-1))
		}
		mark := ""
		if math.Abs(percent) > within {
			apart++
			mark = "!"
		}
		fmt.Fprintf(t, "%s\t%.2f (%d)\t%.2f (%d)\t%+.1f %%\t%s\t%s\n", g.Cell, x.Median, x.N, y.Median, y.N, percent, each, mark)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	switch {
	case common == 0:
		return config("the two have no cell in common")
	case apart > 0:
		return fmt.Errorf("%d of %d medians are more than %g %% apart", apart, common, within)
	}
	return nil
}
