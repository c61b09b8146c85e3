package transcript

import (
	"slices"
	"testing"
)

// What the go command says between the commands that it prints.
func TestRefusal(t *testing.T) {
	for text, want := range map[string]string{
		"go: no such package\n": "go: no such package\n",
		"go: downloading example.org/x v1.0.0\na.go:3:8: module lookup disabled\n":                                                              "go: downloading example.org/x v1.0.0\na.go:3:8: module lookup disabled\n",
		"mkdir -p $WORK/b001/\n\n#\n# example.com/m\n#\n\n# example.com/m\ninvalid flag in #cgo CFLAGS: -fplugin=x\ncd /m\ncp a $WORK/b001/a\n": "# example.com/m\ninvalid flag in #cgo CFLAGS: -fplugin=x\n",
		"cat >$WORK/b001/importcfg << 'EOF' # internal\n# import config\npackagefile a=b\nEOF\nno more space":                                   "no more space\n",
		"mkdir -p $WORK/b001/\n": "mkdir -p $WORK/b001/\n", // nothing else was said
	} {
		if got := Refusal([]byte(text), Options{}); got != want {
			t.Errorf("%q:\n%q, expected\n%q", text, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	env, args, err := Line(`TERM='dumb' CC="it's" gcc "-I/a b" -c x.c`)
	if err != nil || !slices.Equal(env, []string{"TERM=dumb", "CC=it's"}) || !slices.Equal(args, []string{"gcc", "-I/a b", "-c", "x.c"}) {
		t.Errorf("%q %q %v", env, args, err)
	}
	if _, _, err := Line(`gcc "-I/a b`); err == nil {
		t.Error("a quote that never ends was read")
	}
}
