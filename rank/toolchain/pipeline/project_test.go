//go:build slow

package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan/transcript"
)

// TestProject builds the program in DISTGO_PROJECT both ways, in the
// environment as it is (CGO_ENABLED and the like), and logs what a pipelined
// chain is worth. DISTGO_SLOTS=1 gives undisturbed times.
func TestProject(t *testing.T) {
	project := os.Getenv("DISTGO_PROJECT")
	if project == "" {
		t.Skip("DISTGO_PROJECT names no program to build")
	}
	goCmd := installed(t, "")
	c := proved(t, goCmd)
	dir := t.TempDir()
	work, stock, pipelined := filepath.Join(dir, "work"), filepath.Join(dir, "stock"), filepath.Join(dir, "pipelined")

	goBuild := func(args ...string) []byte {
		args = append([]string{"build", "-trimpath", "-ldflags=-buildid="}, args...)
		cmd := goCmd.command(t.Context(), dir, project, args...)
		cmd.Env = append(os.Environ(), "GOROOT="+goCmd.Root)
		said, err := run(t.Context(), cmd)
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	goBuild("-o", stock)
	script, err := transcript.Parse(goBuild("-a", "-n", "-o", pipelined), transcript.Options{GoVersion: goCmd.Version})
	if err != nil {
		t.Fatal(err)
	}
	slots := 2
	if n, err := strconv.Atoi(os.Getenv("DISTGO_SLOTS")); err == nil {
		slots = n
	}
	r := newReplay(script, c, work, project, append(os.Environ(), "GOROOT="+goCmd.Root), slots)
	start := time.Now()
	if err := r.run(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	want, err := os.ReadFile(stock)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(pipelined)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the programs differ: %d and %d bytes", len(got), len(want))
	}

	var front, whole, chainStock, chainPipelined time.Duration
	stockEnd, ready := map[string]time.Duration{}, map[string]time.Duration{}
	for _, b := range script.Blocks { // dependencies come first
		n := r.nodes[b.Node]
		front, whole = front+n.ready, whole+n.took
		var after, afterReady time.Duration
		for _, name := range n.imports {
			after, afterReady = max(after, stockEnd[name]), max(afterReady, ready[name])
		}
		stockEnd[b.Node], ready[b.Node] = after+n.took, afterReady+n.ready
		chainStock, chainPipelined = max(chainStock, stockEnd[b.Node]), max(chainPipelined, afterReady+n.took)
	}
	t.Logf("%s: %d blocks, %d bytes, %.1fs with %d slots; compiles %.1fs, front ends %.0f%%; chain %.1fs, pipelined %.1fs",
		filepath.Base(project), len(script.Blocks), len(got), took.Seconds(), slots, whole.Seconds(),
		100*front.Seconds()/whole.Seconds(), chainStock.Seconds(), chainPipelined.Seconds())
}
