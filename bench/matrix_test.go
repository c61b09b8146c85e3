package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/bench/sample"
)

func TestShapes(t *testing.T) {
	shapes, err := Shapes([]int{1, 2, 4}, []int{1, 2}, []Shape{{8, 1}, {2, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(shapes), "[1x1 1x2 2x1 2x2 4x1 4x2 8x1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := Shapes([]int{0}, []int{1}, nil); err == nil {
		t.Error("no nodes are a shape")
	}
	for _, bad := range []string{"", "4", "x2", "4x", "0x1", "4x2x1", "-1x2", "9999x1"} {
		if _, err := ParseShape(bad); err == nil {
			t.Errorf("%q is a shape", bad)
		}
	}
}

// small is a launcher whose machine has so many cores.
type small struct{ Local }

func matrix() Matrix {
	return Matrix{
		Programs: []Program{{Name: "a"}, {Name: "b"}}, Shapes: []Shape{{1, 1}, {2, 1}, {4, 1}, {2, 4}},
		Barriers: []string{"split", "blocking"}, Baselines: true,
	}
}

func TestCellsStandBesideTheirBaselines(t *testing.T) {
	cells, unfit := matrix().Cells(&small{Local{Cores: 4}})
	var got []string
	for _, c := range cells[:len(cells)/2] {
		got = append(got, strings.TrimPrefix(c.String(), "a: "))
	}
	want := []string{
		"go build on 1×1", "distgo on 1×1 split", "distgo on 1×1 blocking",
		"go build on 1×2", "distgo on 2×1 split", "distgo on 2×1 blocking",
		"go build on 1×4", "distgo on 4×1 split", "distgo on 4×1 blocking",
	}
	if !slices.Equal(got, want) {
		t.Errorf("cells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// 2×4 and go build on eight cores, for each program.
	if len(unfit) != 6 || !strings.Contains(unfit[0].Error(), "8 cores do not fit this machine's 4") {
		t.Errorf("left out: %v", unfit)
	}
	for _, c := range cells {
		if c.Launcher != "local" || c.Dilation != 1 || c.Cache != sample.Cold {
			t.Errorf("cell %+v", c)
		}
	}
}

func TestBaselineMatrix(t *testing.T) {
	m := Matrix{Programs: []Program{{Name: "a"}}, GoCores: []int{1, 2, 8}, Caches: []string{sample.Cold, sample.Warm}}
	cells, unfit := m.Cells(&Local{Cores: 2})
	if len(cells) != 4 || len(unfit) != 2 {
		t.Fatalf("%d cells, %d unfit", len(cells), len(unfit))
	}
	if cells[1].Cache != sample.Warm || cells[1].Builder != sample.GoBuild {
		t.Errorf("second cell %+v", cells[1])
	}
}

func TestTurnsAlternate(t *testing.T) {
	cells, _ := matrix().Cells(&Local{Cores: 8})
	turns := Turns(cells, 3)
	if len(turns) != 3*len(cells) {
		t.Fatalf("%d turns", len(turns))
	}
	n := len(cells)
	for i, c := range cells {
		if turns[i].Cell != c || turns[i].Repetition != 1 || turns[2*n-1-i].Cell != c || turns[2*n-1-i].Repetition != 2 || turns[2*n+i].Cell != c {
			t.Fatalf("turn %d", i)
		}
	}
}

func TestRemaining(t *testing.T) {
	cells, _ := matrix().Cells(&Local{Cores: 8})
	turns := Turns(cells, 2)
	held := []sample.Sample{
		{Cell: cells[0], Repetition: 1},
		{Cell: cells[1], Repetition: 2, Refused: "different"},
		{Cell: cells[0], Repetition: 7},
	}
	left := Remaining(turns, held)
	if len(left) != len(turns)-1 || left[0] != turns[1] {
		t.Errorf("%d of %d left, first %v", len(left), len(turns), left[0])
	}
	changed := cells[0]
	changed.Dilation = 2
	if len(Remaining(turns, []sample.Sample{{Cell: changed, Repetition: 1}})) != len(turns) {
		t.Error("a sample under another dilation counts")
	}
}

func TestEmulatedFits(t *testing.T) {
	l := &Emulated{Exe: "distgo", Cores: 2, Net: 1e9}
	c, err := l.Fit(sample.Cell{Nodes: 8, Cores: 1})
	if err != nil || c.Dilation != 4 || c.Net != "1gbit" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, _ = l.Fit(sample.Cell{Nodes: 1, Cores: 1}); c.Dilation != 1 {
		t.Errorf("one core under %g", c.Dilation)
	}
	if c, _ = l.Fit(sample.Cell{Nodes: 3, Cores: 1}); c.Dilation != 1.5 {
		t.Errorf("three cores under %g", c.Dilation)
	}
	if _, err = l.Fit(sample.Cell{Nodes: 1000, Cores: 1}); err == nil {
		t.Error("a thousand nodes fit")
	}
	l.Dilation = 2
	if _, err = l.Fit(sample.Cell{Nodes: 8, Cores: 1}); err == nil {
		t.Error("eight cores fit two at dilation 2")
	}
}

func TestUnknownPlaces(t *testing.T) {
	for _, p := range []Place{{Name: "ssh"}, {Name: "emulate", Net: "fast"}, {Name: "emulate"}} {
		_, err := NewLauncher(p)
		if _, ok := errors.AsType[*Config](err); !ok {
			t.Errorf("%+v: %v", p, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := NewLauncher(Place{Name: "prun"}); err == nil || !strings.Contains(err.Error(), "module load prun") {
		t.Errorf("no prun: %v", err)
	}
}
