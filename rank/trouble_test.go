package rank

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
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
