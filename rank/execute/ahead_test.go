package execute

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// waiting is a compiler that notes what it is told before it goes on.
const waiting = `#!/bin/sh
threads=$(dd bs=1 count=1 2>/dev/null <&4 | od -An -tu1 | tr -d ' ')
if [ -z "$threads" ]; then
	touch let-go
	exit 1
fi
[ -e import ] || exit 2
echo $threads $GOMAXPROCS >told
printf x >&3
echo words
`

// aheadOf prepares a runner whose compiler is a script, and an action for it.
func aheadOf(t *testing.T, script string) (*Runner, *plan.Action) {
	t.Helper()
	work := t.TempDir()
	compiler := filepath.Join(work, "pipelined")
	if err := os.WriteFile(compiler, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Runner{Work: work, Tools: Tools{Dir: work}, Pipelined: &Pipelined{Path: compiler, Signal: "SIGNAL", Wait: "WAIT"}},
		&plan.Action{Kind: plan.Compile, Package: "p", Node: "b001", Steps: []transcript.Command{
			{Op: transcript.Write, Args: []string{"$WORK/b001/importcfg"}, Body: "packagefile q=$WORK/import\n"},
			{Op: transcript.Run, Dir: work, Args: []string{filepath.Join(work, "compile"), "-o", "$WORK/b001/_pkg_.x"}},
			{Op: transcript.Write, Args: []string{"$WORK/b001/behind"}},
		}}
}

func there(r *Runner, name string) bool {
	_, err := os.Stat(filepath.Join(r.Work, name))
	return err == nil
}

// running reports whether a process is there, dead or alive.
func running(h *Ahead) bool {
	return syscall.Kill(h.process.cmd.Process.Pid, 0) == nil
}

func TestAhead(t *testing.T) {
	r, a := aheadOf(t, waiting)
	if !r.CanStartAhead(a) {
		t.Fatal("it cannot be started ahead")
	}
	h, err := r.Ahead(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if !there(r, "b001/importcfg") || there(r, "b001/behind") {
		t.Error("what stands before the compile is done, and no more")
	}
	if err := os.WriteFile(filepath.Join(r.Work, "import"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	exported := false
	result, err := h.Run(7, func() { exported = true })
	if err != nil || !exported || !there(r, "b001/behind") || !strings.Contains(result.Output, "words\n") || result.Commands != 1 || result.CPU <= 0 {
		t.Errorf("%+v, %v, exported %v", result, err, exported)
	}
	if told, err := os.ReadFile(filepath.Join(r.Work, "told")); string(told) != "7 1\n" {
		t.Errorf("the compiler was told %q, of 7 threads where there was one (%v)", told, err)
	}
	h.LetGo()
}

// What is let go ends by itself, says nothing, and has ended then.
func TestAheadLetGo(t *testing.T) {
	r, a := aheadOf(t, waiting)
	h, err := r.Ahead(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	h.LetGo()
	if running(h) || !there(r, "let-go") {
		t.Errorf("let go: running %v, told %v", running(h), there(r, "let-go"))
	}
	h.LetGo()
}

func TestAheadKilled(t *testing.T) {
	r, a := aheadOf(t, waiting)
	ctx, cancel := context.WithCancelCause(t.Context())
	h, err := r.Ahead(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the run is over")
	cancel(cause)
	exited(t, h)
	if _, err := h.Run(1, func() {}); err != cause {
		t.Errorf("killed: %v", err)
	}
	if running(h) || there(r, "let-go") {
		t.Error("it was not killed")
	}
}

// A compiler that died before its turn is started anew.
func TestAheadDied(t *testing.T) {
	r, a := aheadOf(t, `#!/bin/sh
[ -e before ] && exit 0
touch before
exit 1
`)
	h, err := r.Ahead(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	exited(t, h)
	if result, err := h.Run(1, func() {}); err != nil || result.Commands != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if running(h) {
		t.Error("the first one is still there")
	}
}

// exited returns when the process has ended, and leaves it to be waited for.
func exited(t *testing.T, h *Ahead) {
	t.Helper()
	if err := unix.Waitid(unix.P_PID, h.process.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCanStartAhead(t *testing.T) {
	r, a := aheadOf(t, waiting)
	compile := a.Steps[1]
	run := func(args ...string) transcript.Command {
		return transcript.Command{Op: transcript.Run, Args: args}
	}
	for name, c := range map[string]struct {
		steps []transcript.Command
		can   bool
	}{
		"alone":         {[]transcript.Command{compile}, true},
		"symbol ABIs":   {[]transcript.Command{run("/tool/asm", "-p", "p", "-gensymabis", "-o", "$WORK/b001/symabis", "./p.s"), compile}, true},
		"assembly":      {[]transcript.Command{run("/tool/asm", "-p", "p", "-o", "$WORK/b001/p.o", "./p.s"), compile}, false},
		"cgo":           {[]transcript.Command{run("/tool/cgo", "-objdir", "$WORK/b001/"), compile}, false},
		"cover":         {[]transcript.Command{run("/tool/cover", "-pkgcfg", "$WORK/b001/pkgcfg.txt"), compile}, false},
		"a file copied": {[]transcript.Command{{Op: transcript.Copy, Args: []string{"$WORK/b002/x", "$WORK/b001/x"}}, compile}, false},
		"no compile":    {[]transcript.Command{a.Steps[0]}, false},
	} {
		if can := r.CanStartAhead(&plan.Action{Kind: plan.Compile, Steps: c.steps}); can != c.can {
			t.Errorf("%s: %v", name, can)
		}
	}
	r.Pipelined = nil
	if r.CanStartAhead(a) {
		t.Error("the stock compiler does not wait")
	}
}
