package toolchain

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A line of a trace, and what it shows that -n would not have.
func TestReadCFlags(t *testing.T) {
	const line = `TERM='dumb' g++ -I . -fPIC -m64 -pthread -Wl,--no-gc-sections -fmessage-length=0 -ffile-prefix-map=$WORK/b001=/tmp/go-build ` +
		`-gno-record-gcc-switches -I $WORK/b001/ -DDISTGO -ffile-prefix-map=/tmp/keep/probe-1=/_/distgo-probe -frandom-seed=V9LTEoA-iLXenrno56O6 -o $WORK/b001/_x005.o -c p.cc`
	_, args, err := transcript.Line(line)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := readCFlags(args, "/tmp/keep/probe-1")
	want := plan.CFlags{
		Before: []string{"-Wl,--no-gc-sections"},
		After:  []string{"-ffile-prefix-map=$OBJDIR=/tmp/go-build", "-gno-record-gcc-switches"},
		Last:   []string{"-ffile-prefix-map=$FROM=/_/$TO", "-frandom-seed=$SEED"},
	}
	if !ok || !slices.Equal(got.Before, want.Before) || !slices.Equal(got.After, want.After) || !slices.Equal(got.Last, want.Last) {
		t.Errorf("%t %+v", ok, got)
	}
	for _, other := range []string{
		"g++ -DDISTGO -c -x c - -o /dev/null || true",
		"g++ -I . -fPIC -pthread -fmessage-length=0 -o $WORK/b001/_cgo_.o $WORK/b001/_x001.o -DDISTGO",
		"g++ -c x.cc",
	} {
		if f, ok := readCFlags(strings.Fields(other), "/tmp"); ok {
			t.Errorf("%s: %+v", other, f)
		}
	}
}

func TestReadPkgConfig(t *testing.T) {
	_, args, err := transcript.Line(`TERM='dumb' CGO_LDFLAGS='' /go/tool/cgo -objdir $WORK/b045/ -importpath distgo-probe/q1 "-ldflags=\"-DDISTGO\" \"-L/a b\" \"-lz\"" -- -I/usr/z -I $WORK/b045/ -DDISTGO ./q.go`)
	if err != nil {
		t.Fatal(err)
	}
	question, got, ok := readPkgConfig(args, []string{"-- a", "-- z"})
	if !ok || question != "-- z" || !slices.Equal(got.CFlags, []string{"-I/usr/z"}) || !slices.Equal(got.LDFlags, []string{"-L/a b", "-lz"}) {
		t.Errorf("%t %q %+v", ok, question, got)
	}
	if _, _, ok := readPkgConfig(args, []string{"-- a"}); ok {
		t.Error("an answer to a question that was not asked")
	}
}

// What the go command says of a probe is told of the package that asks.
func TestProbeRefused(t *testing.T) {
	trace := "WORK=/tmp/go-build1\nmkdir -p $WORK/b003/\ncd $WORK/b003\nTERM='dumb' gcc -o $WORK/b003/_x001.o -c a.c\n" +
		"# distgo-probe/q0\n# [pkg-config --cflags  -- gone]\nPackage gone was not found\nTERM='dumb' gcc -o $WORK/b003/_x002.o -c b.c\ndistgo-probe/q0\n"
	err := probeRefused(trace, map[string]plan.Asked{"-- gone": {Package: "example.com/m/a"}}, []string{"-- gone"})
	want := "# example.com/m/a\n# [pkg-config --cflags  -- gone]\nPackage gone was not found\n"
	if refused, ok := errors.AsType[*Refused](err); !ok || refused.Output != want {
		t.Errorf("%q", err)
	}
}

// What is learned of the C compiler at hand is kept.
func TestLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles C")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	t.Setenv("CC", "gcc")
	dir, keep := t.TempDir(), t.TempDir()
	writeFile(t, dir+"/go.mod", "module example.com/m\n\ngo 1.23\n")
	tools, err := Find(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	q := plan.Questions{Compilers: map[string]string{"gcc": ".c", "nosuchcompiler": ".cc"}}
	u, err := tools.Learn(t.Context(), Request{Main: []string{"."}}, q, keep)
	if err != nil {
		t.Fatal(err)
	}
	learned := u.Compilers["gcc"]
	if !slices.Contains(learned.Last, "-frandom-seed=$SEED") || len(u.Compilers) != 1 {
		t.Errorf("learned %+v", u.Compilers)
	}
	again, ok := tools.recall(keep, "gcc")
	if !ok || !slices.Equal(again.Last, learned.Last) || !slices.Equal(again.After, learned.After) || !slices.Equal(again.Before, learned.Before) {
		t.Errorf("kept %t %+v", ok, again)
	}
	other := *tools
	other.Env = map[string]string{"CC": "gcc -flto", "GOTOOLDIR": tools.ToolDir()}
	if flags, ok := other.recall(keep, "gcc"); ok {
		t.Errorf("%+v is taken for another compiler", flags)
	}
}
