package execute

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// begin begins an action of a step before its compile, the compile, which is a script, and a step behind it.
func begin(t *testing.T, script string) (r *Runner, b *Begun, typed int, err error) {
	t.Helper()
	work := t.TempDir()
	for name, text := range map[string]string{"compile": script, "asm": "echo asm >>" + work + "/steps"} {
		if err := os.WriteFile(filepath.Join(work, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r = &Runner{Work: work, Tools: Tools{Dir: work}, Pipelined: &Pipelined{Path: filepath.Join(work, "compile"), Signal: "EARLY", Types: "TYPES"}}
	tool := func(name string) transcript.Command {
		return transcript.Command{Op: transcript.Run, Dir: work, Args: []string{filepath.Join(work, name)}}
	}
	a := &plan.Action{Package: "p", Steps: []transcript.Command{tool("asm"), tool("compile"), tool("asm")}}
	b, err = r.Begin(t.Context(), a, NewThreads(2), func() { typed++ })
	return r, b, typed, err
}

// What was begun pauses, and goes on with the threads that it is given then; no step is executed twice.
func TestContinue(t *testing.T) {
	r, b, typed, err := begin(t, `printf '\002\003' >&3; echo "$TYPES $GOMAXPROCS $(head -c2 <&3 | od -An -to1)"; printf '\001' >&3`)
	if err != nil || typed != 1 {
		t.Fatalf("%v, typed %d times", err, typed)
	}
	exported := 0
	result, err := r.Continue(t.Context(), b, NewThreads(5), Moments{Exported: func() { exported++ }})
	steps, _ := os.ReadFile(filepath.Join(r.Work, "steps"))
	if got := strings.Join(strings.Fields(result.Output), " "); err != nil || !(got == "# p wait 2 000 005" || got == "# p wait 2 005 000") || exported != 1 || result.Commands != 3 || string(steps) != "asm\nasm\n" {
		t.Errorf("%v: %+v, exported %d times, steps %q", err, result, exported, steps)
	}
}

// A compile that refuses its code, or dies, before it pauses says so when it is continued.
func TestContinueWhatHasEnded(t *testing.T) {
	for script, signal := range map[string]string{"echo wrong; exit 1": "", "kill -9 $$": "killed"} {
		r, b, _, err := begin(t, script)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Continue(t.Context(), b, NewThreads(1), Moments{})
		if f, ok := errors.AsType[*Failure](err); !ok || f.Signal != signal {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// What is quit, or continued in vain, is killed.
func TestQuit(t *testing.T) {
	const waits = `printf '\003' >&3; while :; do sleep 60; done`
	_, b, _, err := begin(t, waits)
	if err != nil {
		t.Fatal(err)
	}
	b.Quit()
	if b.compile.cmd.ProcessState == nil {
		t.Error("nobody waited for it")
	}
	r, b, _, err := begin(t, waits)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := r.Continue(ctx, b, NewThreads(1), Moments{}); !errors.Is(err, cause) {
		t.Error(err)
	}
}
