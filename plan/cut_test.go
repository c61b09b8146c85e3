package plan

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan/transcript"
)

// captured are the transcripts that package transcript is tested with.
func captured(t *testing.T) map[string]*transcript.Script {
	t.Helper()
	files, err := filepath.Glob("transcript/testdata/go*/*.txt")
	if err != nil || len(files) < 16 {
		t.Fatalf("%d transcripts (%v)", len(files), err)
	}
	scripts := map[string]*transcript.Script{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel("transcript/testdata", strings.TrimSuffix(file, ".txt"))
		if scripts[name], err = transcript.Parse(text, transcript.Options{GoVersion: filepath.Dir(name)}); err != nil {
			t.Fatal(err)
		}
	}
	return scripts
}

// Every transcript makes a valid plan that runs each command once.
func TestPlansOfTranscripts(t *testing.T) {
	for name, script := range captured(t) {
		want := map[string]int{}
		for _, b := range script.Blocks {
			for _, c := range b.Commands {
				if c.Op == transcript.Run {
					want[b.Node+" "+c.Args[0]]++
				}
			}
		}
		p, err := New(script, "/ws/m", func(string) Source { return Source{Bytes: 1 << 10} })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := p.Validate(1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range p.Actions {
			a := &p.Actions[i]
			cCompiles := 0
			for j := range a.Steps {
				c := &a.Steps[j]
				if c.Op == transcript.Run {
					want[a.Node+" "+c.Args[0]]--
				}
				if isCCompile(c) {
					cCompiles++
				}
			}
			if whole := strings.HasSuffix(name, "instrumented"); cCompiles > 1 && !whole {
				t.Errorf("%s: %s compiles %d C files in one action", name, a.Package, cCompiles)
			}
		}
		for what, n := range want {
			if n != 0 {
				t.Errorf("%s: %s: %d times too few", name, what, n)
			}
		}
	}
}

// A package with cgo is cut so that C files wait for cgo alone, and the
// compile for them all.
func TestCut(t *testing.T) {
	p, err := New(captured(t)["go1.26.8/all"], "/ws/m", func(string) Source { return Source{Bytes: 1 << 10} })
	if err != nil {
		t.Fatal(err)
	}
	var parts []*Action
	for i := range p.Actions {
		if p.Actions[i].Package == "example.com/m/clib" {
			parts = append(parts, &p.Actions[i])
		}
	}
	// cgo, _cgo_export.c, clib.cgo2.c, sum.c, _cgo_main.c, the trial link, the compile
	if len(parts) != 7 {
		t.Fatalf("%d parts", len(parts))
	}
	cgo, trial, compile := parts[0], parts[5], parts[6]
	for _, c := range parts[1:5] {
		if c.Kind != Prepare || c.Group != cgo.Group+1 || len(c.Steps) != 1 {
			t.Errorf("%s is a %s of %d steps in group %d", c.Steps[0].Args, c.Kind, len(c.Steps), c.Group)
		}
		reads := func(path string) bool {
			return slices.ContainsFunc(c.Inputs, func(in ArtifactID) bool { return p.Artifacts[in].Path == path })
		}
		if !reads(c.Node + "/_cgo_export.h") {
			t.Errorf("%s does not read _cgo_export.h", c.Steps[0].Args)
		}
	}
	if len(trial.Inputs) != 4 || trial.Group != cgo.Group+2 || !trial.Steps[0].MayFail {
		t.Errorf("trial link reads %d, in group %d, may fail: %t", len(trial.Inputs), trial.Group, trial.Steps[0].MayFail)
	}
	if compile.Kind != Compile || compile.Group < cgo.Group+3 {
		t.Errorf("%s in group %d", compile.Kind, compile.Group)
	}
}

// Before go1.24 nothing in the text says which link may fail.
func TestTrialsMayFail(t *testing.T) {
	for name, script := range captured(t) {
		p, err := New(script, "/ws/m", func(string) Source { return Source{} })
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Actions {
			steps := p.Actions[i].Steps
			for j := range steps {
				if isTool(&steps[j], "cgo") && slices.Contains(steps[j].Args, "-dynimport") && !steps[j-1].MayFail {
					t.Errorf("%s: the trial link of %s must not fail", name, p.Actions[i].Package)
				}
			}
		}
	}
}

// What the transcript of a library for C does not show: its header.
func TestExportHeader(t *testing.T) {
	p, err := New(captured(t)["go1.26.8/shared"], "/ws/m", func(string) Source { return Source{} })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Targets(), []string{"/ws/m/plug.so", "/ws/m/plug.h"}; !slices.Equal(got, want) {
		t.Errorf("targets %v, expected %v", got, want)
	}
}

// cgo keeps the names of the files that it reads, whatever is in them.
func TestNamesOfFiles(t *testing.T) {
	b := &builder{plan: &Plan{}, made: map[string]ActionID{}, copy: map[string][]string{}}
	b.add(Compile, &transcript.Block{Node: "b002"}, []transcript.Command{{Op: transcript.Run, Args: []string{
		"/go/compile", "-o", "$WORK/b002/_pkg_.a", "-trimpath", "$WORK/b003/x=>y", "-flag=$WORK/b004/one,$WORK/b005/two", "$WORK/b006/", "$WORK/b007",
		"$WORK/b002/a,b=c;d e.cgo1.go",
	}}})
	want := []string{"b002/_pkg_.a", "b004/one", "b005/two", "b002/a,b=c;d e.cgo1.go"}
	if !slices.Equal(b.deps[0], want) {
		t.Errorf("it reads %q, want %q", b.deps[0], want)
	}
}
