package sample

import (
	"testing"

	"github.com/badbubble/distgo/rank/report"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{1, 3, 3, 3, 3, 3}},
		{[]float64{4, 1}, Summary{2, 2.5, 1.75, 3.25, 1, 4}},
		{[]float64{5, 1, 3}, Summary{3, 3, 2, 4, 1, 5}},
		{[]float64{1, 2, 3, 100}, Summary{4, 2.5, 1.75, 27.25, 1, 100}},
	} {
		if got := Summarize(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

func TestSummarizeLeavesValues(t *testing.T) {
	values := []float64{3, 1, 2}
	Summarize(values)
	if values[0] != 3 || values[2] != 2 {
		t.Errorf("values became %v", values)
	}
}

func TestDilatedTimesAreDivided(t *testing.T) {
	s := one(1)
	s.Dilation, s.Elapsed = 4, 8_000_000
	s.Report = &report.Report{Send: 400_000, Ranks: []report.Rank{{Exchange: 1_000_000}, {Exchange: 2_000_000}}, Bound: report.Bound{Lower: 6_000_000}}
	for name, c := range map[string]struct {
		of   func(*Sample) (float64, bool)
		want float64
	}{"time": {Time, 2}, "exchange": {Exchange, 0.5}, "distribute": {Distribute, 0.1}, "bound": {Bound, 1.5}} {
		if got, ok := c.of(s); !ok || got != c.want {
			t.Errorf("%s: %g, %v, want %g", name, got, ok, c.want)
		}
	}
	s.Report = nil
	if _, ok := Exchange(s); ok {
		t.Error("go build exchanges")
	}
}

func TestGroups(t *testing.T) {
	var samples []Sample
	for i, elapsed := range []int64{30, 10, 20} {
		s := one(i + 1)
		s.Elapsed = elapsed * 1e6
		samples = append(samples, *s)
	}
	other := *one(1)
	other.Builder, other.Barrier = Distgo, "split"
	groups := ByCell(append([]Sample{other}, samples...))
	if len(groups) != 2 || groups[0].Cell.Builder != GoBuild || len(groups[0].Samples) != 3 {
		t.Fatalf("groups %+v", groups)
	}
	if m := groups[0].Middle(); m.Repetition != 3 {
		t.Errorf("the middle one of 30, 10, 20 s is repetition %d", m.Repetition)
	}
}
