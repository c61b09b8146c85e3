package rank

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
)

// Ranks that have no pipelined compiler are given root's, keep it, and are not given it again. The toolchain's own stands in
// for it, which writes export data, too, if late.
func TestCompilerIsGiven(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime")
	}
	w := newWholeWorld(t, 3, tiny)
	tools, err := toolchain.Find(t.Context(), w.project)
	if err != nil {
		t.Fatal(err)
	}
	goCmd := pipeline.Go{Root: tools.Root(), Version: tools.Version()}
	stock := pipeline.Compiler{Path: filepath.Join(tools.ToolDir(), "compile")}
	text, err := os.ReadFile(stock.Path)
	if err != nil {
		t.Fatal(err)
	}
	stock.Digest = fmt.Sprintf("%x", sha256.Sum256(text))
	stores := t.TempDir()
	dir := func(rank int) string { return filepath.Join(stores, string(rune('a'+rank))) }
	if err := pipeline.Keep(goCmd, filepath.Join(dir(root), "compilers"), stock); err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(w.project, "made")
	w.change = func(cfg *Config) {
		cfg.Pipeline, cfg.All, cfg.Verbose = PipelineRequire, true, true
		cfg.Store, cfg.Request.Output = dir(cfg.Place.Rank), output
	}
	for _, again := range []bool{false, true} {
		before := len(w.words.String())
		for r, err := range w.run(t.Context(), t) {
			if err != nil {
				t.Fatalf("rank %d: %v\n%s", r, err, &w.words)
			}
		}
		if got := strings.Count(w.words.String()[before:], "is given the pipelined compiler"); got != map[bool]int{false: 2, true: 0}[again] {
			t.Errorf("again %v: it was given %d times\n%s", again, got, &w.words)
		}
		for r := range w.size {
			if c, ok := pipeline.Find(goCmd, filepath.Join(dir(r), "compilers")); !ok || c.Digest != stock.Digest {
				t.Errorf("again %v: rank %d keeps %v, %+v", again, r, ok, c)
			}
		}
		if out, err := exec.Command(output).CombinedOutput(); err != nil || string(out) != "tiny\n" {
			t.Errorf("again %v: the program says %q, %v", again, out, err)
		}
	}
}
