package execute

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// Commands read from the view and record root's paths.
func TestMove(t *testing.T) {
	v := View{Dir: "/scratch/root", Goroot: "/go"}
	run := func(args ...string) *plan.Action {
		return &plan.Action{Kind: plan.Compile, Steps: []transcript.Command{{Op: transcript.Run, Dir: "/p/a", Args: args}}}
	}
	for _, c := range []struct{ given, moved []string }{
		{[]string{"/go/tool/compile", "-trimpath", "$WORK/b001=>", "-p", "a", "/p/a/a.go", "$WORK/b001/c.go"},
			[]string{"/scratch/root/go/tool/compile", "-trimpath", "$WORK/b001=>;/scratch/root/go=>$GOROOT;/go=>$GOROOT;/scratch/root/go=>/go;/scratch/root/p=>/p",
				"-p", "a", "/scratch/root/p/a/a.go", "$WORK/b001/c.go"}},
		{[]string{"/go/tool/asm", "-trimpath", "/p/a=>m/a;$WORK/b001=>", "-I", "/go/include", "-pgo=/p/x", "./a.s"},
			[]string{"/scratch/root/go/tool/asm", "-trimpath",
				"/scratch/root/p/a=>m/a;/p/a=>m/a;$WORK/b001=>;/scratch/root/go=>$GOROOT;/go=>$GOROOT;/scratch/root/go=>/go;/scratch/root/p=>/p",
				"-I", "/scratch/root/go/include", "-pgo=/scratch/root/p/x", "./a.s"}},
	} {
		a := run(slices.Clone(c.given)...)
		if !CanMove(a) {
			t.Errorf("%q cannot be moved", c.given)
		}
		moved := v.Move(a)
		if got := moved.Steps[0]; !slices.Equal(got.Args, c.moved) || got.Dir != "/scratch/root/p/a" {
			t.Errorf("moved to %q in %s, expected %q", got.Args, got.Dir, c.moved)
		}
		if !slices.Equal(a.Steps[0].Args, c.given) || a.Steps[0].Dir != "/p/a" {
			t.Errorf("the action itself was changed to %q", a.Steps[0].Args)
		}
	}
	for _, stays := range [][]string{
		{"/go/tool/cgo", "-trimpath", "/p=>m", "/p/a.go"},
		{"gcc", "-c", "/p/a.c"},
		{"/go/tool/compile", "/p/a.go"}, // nothing could be moved back
		{"/go/tool/compile", "-trimpath", "$WORK/b001=>", "/p;q/a.go"},
		{"/go/tool/compile", "-trimpath", "$WORK/b001=>", "/p=>q/a.go"},
	} {
		if CanMove(run(stays...)) {
			t.Errorf("%q can be moved", stays)
		}
	}
	embed := transcript.Command{Op: transcript.Write, Args: []string{"$WORK/b001/embedcfg"}, Body: `{"Patterns":{"x":["x"]},"Files":{"x":"/p/x"}}`}
	if got := v.Move(&plan.Action{Steps: []transcript.Command{embed}}).Steps[0].Body; got != `{"Patterns":{"x":["x"]},"Files":{"x":"/scratch/root/p/x"}}` {
		t.Errorf("the embed configuration became %s", got)
	}
	if got := v.Env([]string{"GOROOT=/go", "GOROOT=", "PATH=/bin"}); !slices.Equal(got, []string{"GOROOT=/scratch/root/go", "GOROOT=", "PATH=/bin"}) {
		t.Errorf("the environment became %q", got)
	}
}
