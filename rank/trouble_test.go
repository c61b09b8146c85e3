package rank

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/transport"
)

// A node whose disk or memory is full makes no statement about the code, and neither does a tool that was killed.
func TestNodeTrouble(t *testing.T) {
	l := &loop{runner: &execute.Runner{Work: "/local/me/distgo"}}
	for _, c := range []struct {
		err     error
		says    string // "" for no trouble of the node's
		lasting bool
	}{
		{&execute.Failure{Output: "# net/http\ncompile: writing output: write $WORK/b045/_pkg_.x: no space left on device\n"}, "/local/me/distgo", true},
		{&execute.Failure{Output: "# internal/cpu\nasm: writing output: write $WORK/b003/cpu.o: no space left on device\n"}, "no space", true},
		{&execute.Failure{Output: "# m\nlink: mapping output file failed: disk quota exceeded\n"}, "quota", true},
		{&execute.Failure{Output: "# m\ngcc: fatal error: error writing to /tmp/ccJJExPu.s: No space left on device\n"}, "no space", true},
		{&execute.Failure{Output: "# m\n/tmp/x.s: Fatal error: can't fill 256 bytes in section .data of c.o: 'No space left on device'\n"}, "no space", true},
		{&execute.Failure{Output: "# m\nopen $WORK/b001/importcfg: input/output error"}, "input/output", true},
		{&execute.Failure{Output: "# m\nfatal error: runtime: out of memory\n\nruntime stack:\n"}, "not enough memory", true},
		{&execute.Failure{Output: "# m\ngcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n"}, "ended by a signal", true},
		{&execute.Failure{Signal: "killed"}, "killed", false},
		{fmt.Errorf("receiving x: %w", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), "no space", true},
		{fmt.Errorf("starting compile: %w", syscall.EAGAIN), "temporarily", true},

		{nil, "", false},
		{&execute.Failure{Output: "# m\n./x.go:4:2: \"no space left on device\" (untyped string constant) is not used\n"}, "", false},
		{&execute.Failure{Output: "# m\n./x.go:4:2: undefined: space\n"}, "", false},
		{&execute.Failure{}, "", false},
		{context.Canceled, "", false},
		{errors.New("response file refused"), "", false},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, "", false},
	} {
		trouble, lasting := l.nodeTrouble(&plan.Action{Package: "m"}, c.err)
		if (trouble == "") != (c.says == "") || !strings.Contains(trouble, c.says) || lasting != c.lasting {
			t.Errorf("%v: %q, lasting %v", c.err, trouble, lasting)
		}
	}
}

// An action that read a file that changed meanwhile is given back; where its export data is out already, the run ends.
func TestUnaltered(t *testing.T) {
	p := newPlan(t, "", func(int) bool { return false }, []plan.Rank{0, 0}, nil, []int{0})
	l, dir := &loop{plan: p}, t.TempDir()
	l.exchange = exchange.New(nil, dir, func(id int32) (exchange.File, bool) { return l.file(plan.ArtifactID(id)), true })
	a := &p.Actions[1]
	f := l.file(a.Inputs[0])
	path := filepath.Join(dir, f.Path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("export"), 0o600), l.exchange.Offer(f)); err != nil {
		t.Fatal(err)
	}
	if err := l.unaltered(a, &doneMessage{}); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	if err := os.WriteFile(path, []byte("damage!"), 0o600); err != nil {
		t.Fatal(err)
	}
	trouble, lasting := l.nodeTrouble(a, l.unaltered(a, &doneMessage{}))
	if !strings.Contains(trouble, "b001/_pkg_.x of p0 was changed while p1 was made from it") || lasting {
		t.Errorf("a changed input is %q, lasting %v", trouble, lasting)
	}
	m := doneMessage{Action: a.ID, Exported: 1}
	if m.Trouble, _ = l.nodeTrouble(a, l.unaltered(a, &m)); !m.Tainted {
		t.Error("export data that is out is taken for right")
	}
	l.lead = &leader{state: superstep.NewRoot(p, []int{1}, superstep.Split)}
	if err := l.givenBack(root, m); failure(err).Code != ExitWorld {
		t.Errorf("with export data given out: %v", err)
	}
}

// Whatever keeps ranks from meeting is the world's failure, not distgo's.
func TestExplainMeeting(t *testing.T) {
	r := &run{}
	for _, err := range []error{errors.New("rank 5 cannot connect to rank 4: no success within 10s"), &transport.LostError{Err: errors.New("silent")}} {
		if code := failure(r.explain(err)).Code; code != ExitWorld {
			t.Errorf("%v: exit code %d", err, code)
		}
	}
	if code := failure(r.explain(&Interrupted{syscall.SIGTERM})).Code; code != ExitTerminated {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// A tool that dies after its export data was out leaves half an object. Whoever makes the action again, be it the same
// rank, makes the whole of it.
func TestHalfAnObject(t *testing.T) {
	tools := toolDir(t)
	for _, size := range []int{1, 3} {
		b := &smallBuild{plan: newPlan(t, tools, func(int) bool { return true }, []plan.Rank{0, 0}, nil, []int{0}), slots: slices.Repeat([]int{1}, size)}
		want := b.run(t, tools).program
		b.setUp = marked(t, root, "halves")
		if o := b.run(t, tools); o.errs[root] != nil || o.program != want {
			t.Errorf("%d ranks: %v, program\n%s\nexpected\n%s", size, o.errs, o.program, want)
		}
	}
}
