package execute

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A pipelined compiler is told what its threads are: what they became before it was there to listen, and what they become
// after. It may have as many back ends as it may come to have threads. Other tools keep what they began with.
func TestThreadsFollow(t *testing.T) {
	work := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(work, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Two bytes are read after the one is written; what they say, in octal, and what it began with, are its diagnostics.
	compile := script("compile", `printf '\001' >&3; echo "$GOMAXPROCS $1 $(head -c1 <&3 | od -An -to1) $(head -c1 <&3 | od -An -to1)"`)
	asm := script("asm", `echo "asm $GOMAXPROCS"`)
	r := Runner{Work: work, Tools: Tools{Dir: work}, Pipelined: &Pipelined{Path: compile, Signal: "EARLY"}, Slots: 8}
	threads := NewThreads(2)
	r.Trace = func(*plan.Action, string) { threads.Set(3) } // its environment is made, and it has not begun
	result, err := r.Run(t.Context(), &plan.Action{Steps: []transcript.Command{
		{Op: transcript.Run, Dir: work, Args: []string{compile, "-c=" + plan.Threads}},
		{Op: transcript.Run, Dir: work, Args: []string{asm}},
	}}, threads, Moments{Exported: func() { threads.Set(5); threads.Set(5); r.Trace = nil }})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(strings.Fields(result.Output), " "), "# 2 -c=8 003 005 # asm 5"; got != want {
		t.Errorf("the tools saw %q, want %q", got, want)
	}
	threads.Set(1) // nobody is there any more
	if got := threads.Most(); got != 5 {
		t.Errorf("at most %d threads, want 5", got)
	}
}
