package rank

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/transport/transporttest"
)

// worldWords is what the ranks of a world say, one after the other.
type worldWords struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer

	hear func(line string) // if set, is called with all of it
}

func (w *worldWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hear != nil {
		w.hear(string(p))
	}
	return w.text.Write(p)
}

func (w *worldWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// A wholeWorld is all ranks of a run in this process.
type wholeWorld struct {
	size    int
	project string
	scratch string
	words   worldWords
	change  func(*Config)
}

func newWholeWorld(t *testing.T, size int, source string) *wholeWorld {
	transporttest.CheckLeaks(t)
	w := &wholeWorld{size: size, project: t.TempDir(), scratch: t.TempDir(), change: func(*Config) {}}
	write(t, filepath.Join(w.project, "go.mod"), "module example.com/tiny\n\ngo 1.23\n")
	write(t, filepath.Join(w.project, "main.go"), source)
	return w
}

// run runs all ranks and returns what each of them returns.
func (w *wholeWorld) run(ctx context.Context, t *testing.T) []error {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	key, secret, shared := rand.Text(), []byte(rand.Text()), t.TempDir()
	errs := make([]error, w.size)
	var all sync.WaitGroup
	for r := range w.size {
		cfg := Config{
			Place:   launch.Place{Launcher: "test", Rank: r, Size: w.size, LocalRank: r, LocalSize: w.size, RunKey: key},
			Launch:  Launch{Env: func(string) (string, bool) { return "", false }, Shared: shared},
			Secret:  secret,
			Project: w.project, Cwd: w.project, Request: toolchain.Request{Main: []string{"."}},
			Slots: 1, Scratch: w.scratch, Mode: superstep.Split, Pipeline: PipelineOff, Store: filepath.Join(w.scratch, "store"),
			Version: "test", Executable: exe, Stderr: &w.words,
		}
		w.change(&cfg)
		all.Go(func() { errs[r] = Run(ctx, cfg) })
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(w.scratch, "distgo-*", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return errs
}

const tiny = "package main\n\nfunc main() { println(\"tiny\") }\n"

// What was asked for is looked at before a compiler is made for it.
func TestRefusedBeforeACompilerIsMade(t *testing.T) {
	const tooLate = "building the pipelined compiler"
	for _, size := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d ranks", size), func(t *testing.T) {
			w := newWholeWorld(t, size, tiny)
			w.change = func(cfg *Config) {
				cfg.Request.Main = []string{"./nowhere"}
				if cfg.Place.Rank == root {
					cfg.Pipeline = PipelineRequire
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.words.hear = func(line string) {
				if strings.Contains(line, tooLate) {
					cancel()
				}
			}
			errs := w.run(ctx, t)
			if err := errs[root]; err == nil || !strings.Contains(err.Error(), "nowhere") || strings.Contains(w.words.String(), tooLate) {
				t.Errorf("%v\n%s", err, &w.words)
			}
			for _, err := range errs[1:] { // they have come by the time, and are told
				if err == nil || !strings.Contains(err.Error(), "nowhere") {
					t.Errorf("another rank: %v", err)
				}
			}
		})
	}
}

// Whole worlds make the program that go build makes, in both modes, from nothing and from the store.
func TestWholeWorlds(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime twice")
	}
	store := filepath.Join(t.TempDir(), "store")
	for _, c := range []struct {
		size   int
		mode   superstep.Mode
		cached bool
	}{
		{5, superstep.Split, false},
		{8, superstep.Split, true},
		{8, superstep.Blocking, false},
		{5, superstep.Blocking, true},
	} {
		t.Run(fmt.Sprintf("%d ranks, %s, cached %v", c.size, c.mode, c.cached), func(t *testing.T) {
			w := newWholeWorld(t, c.size, tiny)
			flags := []string{"-trimpath", "-ldflags=-buildid="}
			output, reported := filepath.Join(w.project, "made"), filepath.Join(w.project, "report.json")
			w.change = func(cfg *Config) {
				cfg.Mode, cfg.All, cfg.Store = c.mode, !c.cached, store
				cfg.Request.Flags, cfg.Request.Output, cfg.Report = flags, output, reported
			}
			for r, err := range w.run(t.Context(), t) {
				if err != nil {
					t.Errorf("rank %d: %v", r, err)
				}
			}
			reference := filepath.Join(w.project, "reference")
			cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", reference, ".")...)
			cmd.Dir = w.project
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
			if verdict, err := Compare(reference, output); err != nil || verdict != Same {
				t.Errorf("the programs are %s (%v)\n%s", verdict, err, w.words.String())
			}
			r := readReport(t, reported)
			executed := map[int32]int{}
			fromStore := 0
			for i := range r.Actions {
				executed[r.Actions[i].ID]++
				if r.Actions[i].Cached {
					fromStore++
				}
			}
			for id, n := range executed {
				if n != 1 {
					t.Errorf("action %d was executed %d times", id, n)
				}
			}
			if len(r.Ranks) != c.size || r.Outcome != "built" || len(r.Supers) == 0 || len(executed) < 30 {
				t.Errorf("%d ranks, %d supersteps, %d actions, outcome %s", len(r.Ranks), len(r.Supers), len(executed), r.Outcome)
			}
			if !c.cached && (r.Commands() != r.Planned || fromStore > 0) || c.cached && fromStore < len(executed)/2 {
				t.Errorf("%d commands of %d planned, %d actions of %d from the store", r.Commands(), r.Planned, fromStore, len(executed))
			}
			for _, s := range r.Supers {
				for rank, at := range s.Committed {
					if at < s.Notified[rank] {
						t.Errorf("superstep %d was committed at %d µs on rank %d, which notified at %d", s.Superstep, at, rank, s.Notified[rank])
					}
				}
			}
		})
	}
}

// What cannot be built is said once, by root; all ranks have the same exit code, and nothing is left.
func TestWorldsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		change func(*Config)
		code   int
		says   string
	}{
		"no such import":    {"package main\n\nimport \"nowhere/to/be/found\"\n", nil, ExitNotBuilt, "is not in std"},
		"no main package":   {"package tiny\n", nil, ExitUsage, "is not a main package"},
		"output":            {tiny, func(cfg *Config) { cfg.Request.Output = cfg.Project }, ExitUsage, "is a directory"},
		"report":            {tiny, func(cfg *Config) { cfg.Report = cfg.Project + "/no/report.json" }, ExitUsage, "--report="},
		"no project":        {tiny, func(cfg *Config) { cfg.Project += "/missing" }, ExitUsage, "is not there"},
		"the code, late":    {"package main\n\nfunc main() { undefined() }\n", nil, ExitNotBuilt, "undefined: undefined"},
		"a flag go refuses": {tiny, func(cfg *Config) { cfg.Request.Flags = []string{"-nosuchflag"} }, ExitUsage, "not defined: -nosuchflag"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "the code, late" && testing.Short() {
				t.Skip("compiles package runtime")
			}
			w := newWholeWorld(t, 3, c.source)
			if c.change != nil {
				w.change = c.change
			}
			errs := w.run(t.Context(), t)
			spoken := w.words.String()
			for r, err := range errs {
				var e *Error
				if !errors.As(err, &e) || e.Code != c.code {
					t.Errorf("rank %d: %v, expected exit code %d", r, err, c.code)
				} else if !e.Silent {
					spoken += Sentence(e, e.Code) + "\n"
				}
			}
			if n := bytes.Count([]byte(spoken), []byte(c.says)); name != "no project" && n != 1 || n == 0 {
				t.Errorf("it is said %d times:\n%s", n, spoken)
			}
		})
	}
}

// An interrupt ends all ranks with its exit code: at once, while they meet and root plans, while they compile.
func TestInterruptedWorld(t *testing.T) {
	interrupt := &Interrupted{syscall.SIGTERM}
	for name, when := range map[string]func(*wholeWorld, context.CancelCauseFunc){
		"at once": func(_ *wholeWorld, cancel context.CancelCauseFunc) { cancel(interrupt) },
		"while they meet": func(_ *wholeWorld, cancel context.CancelCauseFunc) {
			time.AfterFunc(30*time.Millisecond, func() { cancel(interrupt) })
		},
		"when all have joined": func(w *wholeWorld, cancel context.CancelCauseFunc) {
			w.words.hear = func(line string) {
				if strings.Contains(line, "3 of 3 ranks joined") {
					cancel(interrupt)
				}
			}
		},
		"while they compile": func(w *wholeWorld, cancel context.CancelCauseFunc) {
			w.words.hear = func(line string) {
				if strings.Contains(line, "/compile ") && strings.Contains(line, " -p runtime ") {
					cancel(interrupt)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWholeWorld(t, 3, tiny)
			w.change = func(cfg *Config) { cfg.All, cfg.Trace, cfg.Verbose = true, true, true }
			ctx, cancel := context.WithCancelCause(t.Context())
			when(w, cancel)
			errs := w.run(ctx, t)
			if ctx.Err() == nil {
				t.Fatalf("it was not interrupted:\n%s", w.words.String())
			}
			for r, err := range errs {
				var e *Error
				if !errors.As(err, &e) || e.Code != ExitTerminated {
					t.Errorf("rank %d: %v, expected exit code %d", r, err, ExitTerminated)
				}
			}
		})
	}
}

// readReport reads what a run wrote for --report.
func readReport(t *testing.T, path string) *report.Report {
	t.Helper()
	r, err := report.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
