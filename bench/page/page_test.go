package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/sample"
)

func set() *sample.Set {
	s := &sample.Set{Torn: []*sample.Torn{{Path: "cut.jsonl", Line: 7}}}
	add := func(c sample.Cell, refused string, seconds ...float64) {
		c.Program, c.Cache, c.Launcher = "<p>", sample.Cold, "emulate"
		if c.Dilation == 0 {
			c.Dilation = 1
		}
		for i, v := range seconds {
			s.Samples = append(s.Samples, sample.Sample{
				Schema: sample.Schema, Cell: c, Repetition: i + 1, Elapsed: int64(v * c.Dilation * 1e6), Refused: refused, Planned: 7, Go: "go1.26",
				Graph: &sample.Graph{Actions: 7, Groups: 3, Largest: 2, Width: 4},
			})
		}
	}
	goBuild := func(cores int, seconds ...float64) {
		add(sample.Cell{Builder: sample.GoBuild, Nodes: 1, Cores: cores}, "", seconds...)
	}
	distgo := func(nodes int, dilation float64, seconds ...float64) {
		add(sample.Cell{Builder: sample.Distgo, Nodes: nodes, Cores: 1, Barrier: "split", Dilation: dilation}, "", seconds...)
	}
	goBuild(1, 10, 11, 12)
	goBuild(2, 6, 7, 8)
	goBuild(4, 4, 4.1, 4.2)
	distgo(1, 1, 13, 14, 15) // lost
	distgo(2, 1, 5, 6.5, 9)  // even
	distgo(4, 1, 2, 2, 3)    // won
	distgo(4, 2, 2.2, 2.2)
	add(sample.Cell{Builder: sample.Distgo, Nodes: 8, Cores: 1, Barrier: "split"}, "the program is not go build's", 1, 1)
	return s
}

func contents(t *testing.T) *Contents {
	t.Helper()
	s := set()
	campaigns := figures.Campaigns(s.Good())
	pictures, err := figures.All(campaigns, false)
	if err != nil {
		t.Fatal(err)
	}
	return NewContents(s, campaigns, pictures)
}

func TestContents(t *testing.T) {
	c := contents(t)
	if len(c.Losses()) != 1 || c.Losses()[0].Nodes != 1 || len(c.Wins()) != 1 || c.Wins()[0].Nodes != 4 || len(c.Draws()) != 1 {
		t.Errorf("losses %+v\nwins %+v\ndraws %+v", c.Losses(), c.Wins(), c.Draws())
	}
	if v := c.Verdict(); !strings.Contains(v, "slower in 1 of 3 worlds, faster in 1, and within the spread in 1; at worst 0.79") || !strings.Contains(v, "at best 2.05") {
		t.Error(v)
	}
	if len(c.Refused) != 1 || c.Refused[0].N != 2 {
		t.Errorf("refused %+v", c.Refused)
	}
	if len(c.Dilations) != 1 || c.Dilations[0].Other != 2 || c.Dilations[0].Percent() < 9.9 || c.Dilations[0].Percent() > 10.1 {
		t.Errorf("dilations %+v", c.Dilations)
	}
	if empty := NewContents(&sample.Set{}, nil, nil); !strings.Contains(empty.Verdict(), "nothing is said") {
		t.Error(empty.Verdict())
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "report")
	if err := Write(dir, set(), false); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(html)
	for _, outside := range []string{"http://", "https://", "src=\"figures", "<p>:"} {
		if strings.Contains(page, outside) {
			t.Errorf("the page holds %q", outside)
		}
	}
	for _, want := range []string{"data:image/svg&#43;xml;base64,", `class="slower"`, `class="faster"`, "&lt;p&gt;", "the program is not go build", "cut.jsonl: line 7", "7 actions in 3 groups"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Losses come before wins.
	if strings.Index(page, "Slower than go build") > strings.Index(page, "<h3>Faster") {
		t.Error("losses come last")
	}
	markdown, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(markdown)) {
		_, rest, ok := strings.Cut(line, "](")
		if !ok {
			continue
		}
		picture, _, _ := strings.Cut(rest, ")")
		if _, err := os.Stat(filepath.Join(dir, picture)); err != nil {
			t.Errorf("the Markdown names %s: %v", picture, err)
		}
	}
	if !strings.Contains(string(markdown), "**0.79×**") {
		t.Errorf("no loss stands out in\n%s", markdown)
	}
}

// TestBeyond: a report that was kept is simulated, and the page says that it is no measurement.
func TestBeyond(t *testing.T) {
	s := set()
	s.Samples = append(s.Samples, sample.Sample{
		Schema: sample.Schema, Elapsed: 26e6, ReportFile: "../simulate/testdata/wego-4x1-f2.json",
		Cell: sample.Cell{Program: "wego", Builder: sample.Distgo, Nodes: 4, Cores: 1, Barrier: "split", Cache: sample.Cold, Launcher: "emulate", Dilation: 2},
	})
	dir := t.TempDir()
	if err := Write(dir, s, false); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"report.html", "report.md"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Beyond DAS-5", "Simulated, not measured", "1024", "critical path", "4×1"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q", file, want)
			}
		}
		if n := strings.Count(string(text), "Beyond DAS-5"); n != 1 {
			t.Errorf("%s: %d programs are simulated, expected wego alone", file, n)
		}
	}
}
