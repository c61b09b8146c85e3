package figures

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/badbubble/distgo/bench/manifest"
	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// measured makes samples of a program: go build takes 64 s of one core and scales to 8; distgo takes 80 s over all its
// cores in split mode, and half as long again in blocking mode.
func measured(program string, nodes, cores []int) []sample.Sample {
	var all []sample.Sample
	add := func(c sample.Cell, seconds float64, r *report.Report) {
		c.Program, c.Cache, c.Launcher = program, sample.Cold, "emulate"
		c.Dilation = 2
		for repetition, by := range []float64{1, 0.9, 1.2} {
			all = append(all, sample.Sample{
				Schema: sample.Schema, Cell: c, Repetition: repetition + 1, Start: time.Unix(int64(len(all)), 0),
				Elapsed: int64(2e6 * seconds * by), Report: r, Planned: 3,
			})
		}
	}
	done := map[int]bool{}
	goBuild := func(k int) {
		if !done[k] {
			done[k] = true
			add(sample.Cell{Builder: sample.GoBuild, Nodes: 1, Cores: k}, 64/math.Min(float64(k), 8), nil)
		}
	}
	for _, n := range nodes {
		for _, k := range cores {
			goBuild(k)
			goBuild(n * k)
			for barrier, by := range map[string]float64{"split": 1, "blocking": 1.5} {
				p := float64(n * k)
				r := &report.Report{Schema: report.Schema, Barrier: barrier, Size: n, Send: 2000, Bound: report.Bound{Lower: int64(2e6 * 70 / p)}}
				for rank := range n {
					r.Ranks = append(r.Ranks, report.Rank{Rank: rank, Slots: k, Exchange: int64(rank) * 100_000})
				}
				add(sample.Cell{Builder: sample.Distgo, Nodes: n, Cores: k, Barrier: barrier}, by*80/p, r)
			}
		}
	}
	return all
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*math.Max(1, math.Abs(b)) }

func TestSpeedups(t *testing.T) {
	c := Campaigns(measured("p", []int{1, 2, 4, 8}, []int{1, 2}))
	if len(c) != 1 {
		t.Fatalf("%d campaigns", len(c))
	}
	for _, want := range []struct {
		against      Against
		nodes, cores int
		barrier      string
		factor       float64
	}{
		{AllCores, 4, 1, "split", 16.0 / 20},
		{AllCores, 8, 2, "split", 8.0 / 5}, // go build does not scale to 16
		{OneNode, 8, 2, "split", 32.0 / 5},
		{OneNode, 1, 1, "blocking", 64.0 / 120},
		{Itself, 8, 1, "blocking", 8},
	} {
		s, ok := c[0].Speedup(want.against, want.nodes, want.cores, want.barrier)
		if !ok || !near(s.Median, want.factor) || s.N != 3 || !(s.Least < s.Median && s.Median < s.Greatest) {
			t.Errorf("%+v: %+v, %v", want, s, ok)
		}
	}
	if _, ok := c[0].Speedup(AllCores, 16, 1, "split"); ok {
		t.Error("a world that was not measured is fast")
	}
	for _, p := range c[0].efficiencies("split")[2] {
		if !near(p.Median, 0.8) {
			t.Errorf("efficiency on %d cores: %g", p.x, p.Median)
		}
	}
	if e := c[0].goEfficiency(); len(e) != 5 || !near(e[4].Median, 0.5) || e[4].x != 16 {
		t.Errorf("go build's efficiency %+v", e)
	}
}

func TestAxis(t *testing.T) {
	wide := Campaigns(measured("p", []int{1, 2}, []int{1, 2, 4}))[0]
	if a := wide.axis(); a != coresAlong {
		t.Errorf("axis %d", a)
	}
	curves := wide.measured("split", coresAlong, sample.Time)
	if !slices.Equal(keys(curves), []int{1, 2}) || len(curves[2]) != 3 || curves[2][2].x != 4 || !near(curves[2][2].Median, 10) {
		t.Errorf("curves %+v", curves)
	}
	if got := wide.goCurves(coresAlong); len(got[oneNodeKey]) != 3 || len(got[allCoresKey]) != 0 {
		t.Errorf("go build %+v", got)
	}
	deep := Campaigns(measured("p", []int{1, 2, 4}, []int{1}))[0]
	if a := deep.axis(); a != nodesAlong {
		t.Errorf("axis %d", a)
	}
	got := deep.goCurves(nodesAlong)
	if len(got[oneNodeKey]) != 3 || !near(got[oneNodeKey][2].Median, 64) || !near(got[allCoresKey][2].Median, 16) {
		t.Errorf("go build %+v", got)
	}
}

func TestCampaigns(t *testing.T) {
	all := measured("p", []int{1}, []int{1})
	all = append(all, measured("q", []int{1}, []int{1})...)
	for _, s := range measured("p", []int{1}, []int{1}) {
		if s.Builder == sample.Distgo {
			s.Dilation = 4 // the same cell once more
			all = append(all, s)
			s.Dilation, s.Variant = 2, "stock"
			all = append(all, s)
		}
	}
	c := Campaigns(all)
	if len(c) != 3 || c[0].Variant != "" || c[1].Variant != "stock" || c[2].Program != "q" {
		t.Fatalf("campaigns %+v", c)
	}
	if c[1].GoBuild(1, sample.Cold) == nil || c[1].Distgo(1, 1, "split") == nil {
		t.Error("the variant lacks its baseline or itself")
	}
	if len(c[0].Others) != 2 || c[0].Least(c[0].Others[0].Cell).Cell.Dilation != 2 {
		t.Errorf("others %+v", c[0].Others)
	}
	if c := Campaigns(nil); len(c) != 0 {
		t.Errorf("%d campaigns of nothing", len(c))
	}
}

func TestPaper(t *testing.T) {
	points, err := readPaper(paperText)
	if err != nil || len(points) != 599 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	programs, err := manifest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		for _, m := range measures {
			curves := paperCurves(points, p.Name+"@2024", m.paper, coresAlong)
			if len(curves) != 4 || len(curves[8]) < 4 {
				t.Errorf("%s, %s: %d curves", p.Name, m.paper, len(curves))
			}
		}
	}
	alist := paperCurves(points, "alist", "compile", nodesAlong)
	if p := alist[1][0]; p.x != 1 || p.y != 224.55 {
		t.Errorf("alist on one core: %+v", p)
	}
	if paperCurves(points, "wget", "compile", coresAlong)[1] != nil {
		t.Error("the paper has no wget")
	}
	for _, bad := range []string{"a\nb,c,x,1,2,0\n", "a,\"\n"} {
		if _, err := readPaper(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestRound(t *testing.T) {
	for top, want := range map[float64][]string{
		0:    {"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"},
		1.2:  {"0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "1.2"},
		6.9:  {"0", "2", "4", "6", "8"},
		100:  {"0", "20", "40", "60", "80", "100"},
		225:  {"0", "50", "100", "150", "200", "250"},
		0.01: {"0.000", "0.002", "0.004", "0.006", "0.008", "0.010"},
	} {
		var got []string
		for _, tick := range round(top) {
			got = append(got, tick.Label)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%g: %v, want %v", top, got, want)
		}
	}
	for top := 1e-6; top < 1e6; top *= 1.37 {
		ticks := round(top)
		if last := ticks[len(ticks)-1].Value; last < top*(1-1e-9) || last > 2*top || len(ticks) < 4 || len(ticks) > 8 {
			t.Fatalf("%g: %d ticks to %g", top, len(ticks), last)
		}
	}
}
