package figures

import (
	"bytes"
	"errors"
	"image/png"
	"testing"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/bench/simulate"
)

func TestSimulated(t *testing.T) {
	r := &simulate.Result{Recorded: simulate.World{Ranks: 4, Cores: 1}, Measured: 13, Before: 1, Chain: 7}
	for _, c := range simulate.PowersOfTwo(simulate.MostCores) {
		for _, n := range simulate.PowersOfTwo(simulate.MostRanks) {
			r.Worlds = append(r.Worlds, simulate.Prediction{World: simulate.World{Ranks: n, Cores: c}, Seconds: 8.5 + 30/float64(n*c), Bound: 8 + 30/float64(n*c)})
		}
	}
	f := Simulated("p-beyond", "p: beyond what was measured", "go1.26", r)
	var svg, picture bytes.Buffer
	if err := errors.Join(f.SVG(&svg), f.PNG(&picture)); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, f.Stem, svg.Bytes())
	if !zero.Match(svg.Bytes()) || bytes.Contains(svg.Bytes(), []byte("NaN")) {
		t.Errorf("axes:\n%s", &svg)
	}
	for _, want := range []string{"1024", "64 cores per rank", "measured, 4×1", "planning and critical path"} {
		if !bytes.Contains(svg.Bytes(), []byte(want)) {
			t.Errorf("no %q in the picture", want)
		}
	}
	if c, err := png.DecodeConfig(&picture); err != nil || c.Width < 500 {
		t.Errorf("PNG %+v, %v", c, err)
	}
}

// TestBeyond simulates the campaign's largest world with its dilation, once.
func TestBeyond(t *testing.T) {
	s := sample.Sample{
		Cell:    sample.Cell{Program: "wego", Builder: sample.Distgo, Nodes: 4, Cores: 1, Barrier: "split", Cache: sample.Cold, Launcher: "emulate", Dilation: 2},
		Elapsed: 12.5e6, ReportFile: "../simulate/testdata/wego-4x1-f2.json",
	}
	c := Campaigns([]sample.Sample{s})[0]
	r, err := c.Beyond()
	if err != nil || r == nil || r.Recorded != (simulate.World{Ranks: 4, Cores: 1}) || r.Measured < 6.1 || r.Measured > 6.3 {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := c.Beyond(); again != r || err != nil {
		t.Errorf("once more: %v", err)
	}
	all, err := All([]*Campaign{c}, false)
	if err != nil || all[len(all)-1].Stem != "wego-emulate-beyond" {
		t.Errorf("%d pictures, %v", len(all), err)
	}
	s.ReportFile = "../simulate/testdata/nosuch.json"
	if r, err := Campaigns([]sample.Sample{s})[0].Beyond(); r != nil || err != nil {
		t.Errorf("without a report: %+v, %v", r, err)
	}
}
