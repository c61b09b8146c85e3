package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/rank/report"
)

// TestTable: ratios are of builds taken near each other, whatever the medians are.
func TestTable(t *testing.T) {
	set := &sample.Set{}
	morning := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	add := func(c sample.Cell, r *report.Report, seconds ...float64) {
		c.Program, c.Cache, c.Launcher, c.Dilation = "p", sample.Cold, "emulate", 2
		for i, v := range seconds {
			set.Samples = append(set.Samples, sample.Sample{Schema: sample.Schema, Cell: c, Repetition: i + 1, Start: morning.Add(time.Duration(10*i+c.Cores) * time.Minute), Elapsed: int64(v * 2e6), Report: r})
		}
	}
	add(sample.Cell{Builder: sample.GoBuild, Nodes: 1, Cores: 1}, nil, 40, 40, 40)
	add(sample.Cell{Builder: sample.GoBuild, Nodes: 1, Cores: 4}, nil, 10, 20, 40)
	r := &report.Report{Plan: 2e6, Bound: report.Bound{Lower: 14e6}, Ranks: []report.Rank{{CPU: 90e6, OwnCPU: 1e6}, {CPU: 10e6, OwnCPU: 1e6}}}
	add(sample.Cell{Builder: sample.Distgo, Nodes: 4, Cores: 1, Barrier: "split"}, r, 8, 12, 40)
	add(sample.Cell{Builder: sample.Distgo, Nodes: 2, Cores: 1, Barrier: "blocking"}, nil, 30)
	add(sample.Cell{Builder: sample.Distgo, Nodes: 4, Cores: 1, Barrier: "split", Slow: "2:3"}, nil, 20)
	add(sample.Cell{Builder: sample.Distgo, Nodes: 4, Cores: 1, Barrier: "split", Slow: "1:3"}, nil, 24)
	var out bytes.Buffer
	if err := Table(set, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 {
		t.Fatalf("a line a world:\n%s", &out)
	}
	for _, want := range []string{"4×1 emulate", "12.0 (8.0–40.0, 3)", "20.0 (10.0–40.0, 3)", "0.80 (0.60–1.00, 3)", "0.30 (0.20–1.00, 3)", "1.50 (1.00–5.00, 3)", "2.0 %"} {
		if !strings.Contains(lines[2], want) {
			t.Errorf("no %q in %s", want, lines[2])
		}
	}
	if !strings.Contains(lines[1], "30.0 ") || strings.Count(lines[1], " – ") != 4 {
		t.Errorf("one build without a baseline of two cores: %s", lines[1])
	}
	for i, want := range []string{"node 1 3 times slower", "node 2 3 times slower"} {
		if line := lines[3+i]; !strings.Contains(line, want) || !strings.Contains(line, []string{"2.40", "2.00"}[i]) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}
