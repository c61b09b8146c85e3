package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan/transcript"
)

// The commands of one package as -n prints them, and what a real build runs.
func TestComplete(t *testing.T) {
	const node = "b002"
	gcc := CFlags{
		Before: []string{"-Wl,--no-gc-sections"},
		After:  []string{"-ffile-prefix-map=" + MarkObjdir + "=/tmp/go-build", "-gno-record-gcc-switches"},
		Last:   []string{"-ffile-prefix-map=" + MarkFrom + "=/_/" + MarkTo, "-frandom-seed=" + MarkSeed},
	}
	for _, tt := range []struct{ name, printed, real string }{
		{
			"cgo",
			"/go/cgo -objdir $WORK/b002/ -importpath example.com/m/lib -ldflags=-lm -- -I $WORK/b002/ -O2 lib.go",
			"/go/cgo -objdir $WORK/b002/ -importpath example.com/m/lib -ldflags=-lm_\"-lz\" -- -I/usr/z -I $WORK/b002/ -O2 lib.go",
		},
		{
			"C file",
			"gcc -I . -fPIC -pthread -fmessage-length=0 -I $WORK/b002/ -O2 -o $WORK/b002/_x003.o -c a.c",
			"gcc -I . -fPIC -pthread -Wl,--no-gc-sections -fmessage-length=0 -ffile-prefix-map=$WORK/b002=/tmp/go-build -gno-record-gcc-switches" +
				" -I/usr/z -I $WORK/b002/ -O2 -ffile-prefix-map=/home/m=/_/example.com/m -frandom-seed=example.com/m/lib/a.c -o $WORK/b002/_x003.o -c a.c",
		},
		{
			"C file of a compiler about which nothing was learned",
			"cc -I . -fmessage-length=0 -I $WORK/b002/ -o $WORK/b002/_x004.o -c a.f",
			"cc -I . -fmessage-length=0 -I/usr/z -I $WORK/b002/ -o $WORK/b002/_x004.o -c a.f",
		},
		{
			"trial link",
			"gcc -I . -fPIC -pthread -fmessage-length=0 -o $WORK/b002/_cgo_.o $WORK/b002/_x003.o -O2",
			"gcc -I . -fPIC -pthread -Wl,--no-gc-sections -fmessage-length=0 -ffile-prefix-map=$WORK/b002=/tmp/go-build -gno-record-gcc-switches" +
				" -o $WORK/b002/_cgo_.o $WORK/b002/_x003.o -O2 -lz",
		},
		{
			"compile",
			"/go/compile -o $WORK/b002/_pkg_.a -trimpath /home/m/lib=>example.com/m/lib $WORK/b002/_cgo_gotypes.go",
			"/go/compile -o $WORK/b002/_pkg_.a -trimpath /home/m/lib=>example.com/m/lib $WORK/b002/_cgo_gotypes.go",
		},
	} {
		run := func(line string) transcript.Command {
			return transcript.Command{Op: transcript.Run, Dir: "/home/m/lib", Args: strings.Fields(line), MayFail: tt.name == "trial link"}
		}
		script := &transcript.Script{Blocks: []transcript.Block{{Node: node, Package: "example.com/m/lib", Commands: []transcript.Command{
			run("pkg-config --cflags --static -- z"),
			run("pkg-config --libs --static -- z"),
			run("/go/cgo -objdir $WORK/b002/ -- lib.go"), // tells where the package is
			run("/go/compile -trimpath /home/m/lib=>example.com/m/lib"),
			run("gcc -fmessage-length=0 -o $WORK/b002/_x001.o -c _cgo_export.c"),
			run(tt.printed),
		}}}}
		q := Ask(script, "/usr/local/go")
		if q.Compilers["gcc"] != ".c" || q.Origins["/home/m/lib"] != "example.com/m/lib" || !slices.Equal(q.PkgConfig["--static -- z"].Args, []string{"--static", "--", "z"}) {
			t.Fatalf("questions %+v", q)
		}
		err := Complete(script, Unprinted{
			Compilers: map[string]CFlags{"gcc": gcc},
			Origins:   map[string]Origin{"/home/m/lib": {From: "/home/m", To: "example.com/m"}},
			PkgConfig: map[string]PkgConfig{"--static -- z": {CFlags: []string{"-I/usr/z"}, LDFlags: []string{"-lz"}}},
		}, "/usr/local/go")
		if err != nil {
			t.Fatal(err)
		}
		commands := script.Blocks[0].Commands
		if len(commands) != 4 {
			t.Errorf("%s: questions are still there: %d commands", tt.name, len(commands))
		}
		got := strings.ReplaceAll(strings.Join(commands[len(commands)-1].Args, "\x00"), " ", "_")
		if got != strings.Join(strings.Fields(tt.real), "\x00") {
			t.Errorf("%s:\n%s\nexpected\n%s", tt.name, strings.ReplaceAll(got, "\x00", " "), tt.real)
		}
	}
}

// A question that was not answered is no package without flags.
func TestCompleteWithoutAnswer(t *testing.T) {
	script := &transcript.Script{Blocks: []transcript.Block{{Node: "b002", Commands: []transcript.Command{
		{Op: transcript.Run, Args: []string{"pkg-config", "--cflags", "--", "z"}},
		{Op: transcript.Run, Dir: "/m", Args: []string{"/go/cgo", "--", "x.go"}},
	}}}}
	if err := Complete(script, Unprinted{}, "/go"); err == nil || !strings.Contains(err.Error(), "no answer to -- z") {
		t.Errorf("%v", err)
	}
}

func TestHidden(t *testing.T) {
	// a is imported by b, whose cgo and C files are executed without it; c is alone.
	p := &Plan{
		GoVersion: "go1.26.8",
		Actions: []Action{
			{ID: 0, Node: "b001", Kind: Compile, Outputs: []ArtifactID{0}},
			{ID: 1, Node: "b002", Kind: Prepare, Outputs: []ArtifactID{1}},
			{ID: 2, Node: "b002", Kind: Prepare, Outputs: []ArtifactID{2}, Inputs: []ArtifactID{1}, Group: 1},
			{ID: 3, Node: "b002", Kind: Compile, Inputs: []ArtifactID{0, 2}, Group: 2},
			{ID: 4, Node: "b003", Kind: Prepare, Outputs: []ArtifactID{3}},
			{ID: 5, Node: "b003", Kind: Prepare, Outputs: []ArtifactID{4}},
			{ID: 6, Node: "b003", Kind: Compile, Inputs: []ArtifactID{3, 4}, Group: 1},
		},
		Artifacts: []Artifact{{Producer: 0}, {Producer: 1}, {Producer: 2}, {Producer: 4}, {Producer: 5}},
	}
	for _, tt := range []struct {
		version string
		failed  []ActionID
		hidden  []ActionID
	}{
		{"go1.26.8", []ActionID{0}, nil},
		{"go1.26.8", []ActionID{2}, nil},
		{"go1.26.8", []ActionID{2, 0}, []ActionID{2}},
		{"go1.26.8", []ActionID{5, 4}, nil},
		{"go1.25.5", []ActionID{5, 4}, []ActionID{5}},
	} {
		p.GoVersion = tt.version
		var got []ActionID
		for id, hidden := range p.Hidden(tt.failed) {
			if hidden {
				got = append(got, ActionID(id))
			}
		}
		if !slices.Equal(got, tt.hidden) {
			t.Errorf("%s, failed %v: hidden %v, expected %v", tt.version, tt.failed, got, tt.hidden)
		}
	}
}
