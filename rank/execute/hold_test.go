package execute

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A holdable is a pipelined process that waits for a line, and prints what it is told then.
type holdable struct {
	*running
	dir   string
	line  *os.File
	there chan struct{} // closed when it says that it is there
	ended chan usage
}

const (
	waits = `read x <line; head -c1 <&3 | od -An -to1`
	// Another waits that it has started, as a tool that measures the compiler does, and says that it is there.
	haveWait = `sh -c 'echo $$ >inner; printf "\001" >&3; ` + waits + `'; :`
)

func startHoldable(t *testing.T, ctx context.Context, begun int, script string) *holdable {
	t.Helper()
	h := &holdable{dir: t.TempDir(), there: make(chan struct{}), ended: make(chan usage, 1)}
	line := filepath.Join(h.dir, "line")
	err := syscall.Mkfifo(line, 0o600)
	if err == nil {
		h.line, err = os.OpenFile(line, os.O_RDWR, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.line.Close() })
	p := &process{argv: []string{"sh", "-c", script}, dir: h.dir, env: os.Environ(), pipelined: true, begun: begun}
	if h.running, err = p.start(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

// follow has the process follow threads until it has ended.
func (h *holdable) follow(threads *Threads) {
	go func() {
		u, _ := h.finish(threads, Moments{Exported: func() { close(h.there) }})
		h.ended <- u
	}()
}

// goOn lets what waits go on.
func (h *holdable) goOn(t *testing.T) {
	t.Helper()
	if _, err := h.line.WriteString("go on\n"); err != nil {
		t.Fatal(err)
	}
}

// state is a process's as the kernel calls it, "T" where it is suspended and "" where there is none.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) == 0 {
		return ""
	}
	return string(fields[0])
}

// awaitHeld returns when a process is suspended.
func awaitHeld(t *testing.T, pid int) {
	t.Helper()
	for s := state(pid); s != "T"; s = state(pid) {
		if s == "" || s == "Z" {
			t.Fatal("it has ended")
		}
		runtime.Gosched()
	}
}

// said is what a process has printed.
func said(u usage) string { return strings.TrimSpace(string(u.output)) }

// What is held stays where it is, with all of its group, and goes on with the threads that it gets then.
func TestHold(t *testing.T) {
	h := startHoldable(t, t.Context(), 2, haveWait)
	threads := NewThreads(2)
	h.follow(threads)
	<-h.there
	text, err := os.ReadFile(filepath.Join(h.dir, "inner"))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	threads.Set(0)
	group := []int{h.cmd.Process.Pid, inner}
	for _, pid := range group {
		awaitHeld(t, pid)
	}
	h.goOn(t)
	for _, pid := range group {
		if s := state(pid); s != "T" {
			t.Errorf("its state is %q", s)
		}
	}
	threads.Set(3)
	if u := <-h.ended; said(u) != "003" || u.signal != "" {
		t.Errorf("it was told %q and ended by signal %q", said(u), u.signal)
	}
	threads.Set(0) // nobody is there any more
	h.tell(0)
	if h.held {
		t.Error("it is held after its end")
	}
	h.tell(1)
	if most := threads.Most(); most != 3 {
		t.Errorf("at most %d threads, want 3", most)
	}
}

// What has no threads when it begins, or goes on from where it paused, is held at once.
func TestHeldFromItsBeginning(t *testing.T) {
	for _, begun := range []int{1, unknown} {
		h := startHoldable(t, t.Context(), begun, waits)
		threads := NewThreads(4)
		threads.Set(0)
		if n, most := threads.get(), threads.Most(); n != 1 || most != 4 {
			t.Errorf("begins with %d threads, at most %d", n, most)
		}
		h.follow(threads)
		awaitHeld(t, h.cmd.Process.Pid)
		h.goOn(t)
		threads.Set(4)
		if u := <-h.ended; said(u) != "004" {
			t.Errorf("begun with %d: told %q", begun, said(u))
		}
	}
}

// What is held when its context is done is killed as anything else.
func TestHeldIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := startHoldable(t, ctx, 1, haveWait)
	threads := NewThreads(1)
	h.follow(threads)
	<-h.there
	threads.Set(0)
	awaitHeld(t, h.cmd.Process.Pid)
	cancel()
	if u := <-h.ended; u.signal != "killed" {
		t.Errorf("ended by signal %q", u.signal)
	}
}

// A tool that does not follow is not held.
func TestNotHeld(t *testing.T) {
	work := t.TempDir()
	asm := filepath.Join(work, "asm")
	if err := os.WriteFile(asm, []byte("#!/bin/sh\necho $GOMAXPROCS"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := Runner{Work: work, Tools: Tools{Dir: work}, Pipelined: &Pipelined{Signal: "EARLY"}}
	threads := NewThreads(2)
	threads.Set(0)
	result, err := r.Run(t.Context(), &plan.Action{Package: "p", Steps: []transcript.Command{{Op: transcript.Run, Dir: work, Args: []string{asm}}}}, threads, Moments{})
	if err != nil || result.Output != "# p\n1\n" {
		t.Errorf("%q, %v", result.Output, err)
	}
}
