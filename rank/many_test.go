package rank

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Runs in a row in one process leave nothing in it: descriptors, goroutines, memory. DISTGO_RUNS says how many.
func TestManyRuns(t *testing.T) {
	const settled = 10 // runs after which all that is made once has been made
	runs := 3 * settled
	if n, err := strconv.Atoi(os.Getenv("DISTGO_RUNS")); err == nil {
		runs = n
	} else if testing.Short() {
		t.Skip("compiles package runtime, and links dozens of programs")
	}
	w := newWholeWorld(t, 2, "")
	w.change = func(cfg *Config) { cfg.Request.Output, cfg.Quiet = filepath.Join(w.project, "made"), true }
	var before [3]int
	for i := range runs {
		write(t, filepath.Join(w.project, "main.go"), fmt.Sprintf("package main\n\nfunc main() { println(%d) }\n", i))
		for r, err := range w.run(t.Context(), t) {
			if err != nil {
				t.Fatalf("run %d, rank %d: %v\n%s", i, r, err, w.words.String())
			}
		}
		if i == settled {
			before = held(t)
		}
	}
	after := held(t)
	t.Logf("from run %d to run %d: descriptors %d → %d, goroutines %d → %d, heap %d → %d bytes",
		settled, runs, before[0], after[0], before[1], after[1], before[2], after[2])
	// A leak is one of something a run; the heap breathes by some hundred kilobytes.
	if many := (runs - settled) / 2; after[0]-before[0] >= many || after[1]-before[1] >= many || after[2]-before[2] > 1<<20+1<<10*(runs-settled) {
		t.Errorf("something stays of each run")
	}
}

// held counts what this process has: descriptors, goroutines, bytes on the heap.
func held(t *testing.T) [3]int {
	t.Helper()
	runtime.GC()
	runtime.GC() // the first one's finalizers close files
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return [3]int{len(fds), runtime.NumGoroutine(), int(m.HeapAlloc)}
}
