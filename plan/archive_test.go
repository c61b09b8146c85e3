package plan

import (
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan/transcript"
)

// go build -o lib.a of a package that is no program: the archive, and the directory it goes to, are a link's to write.
func TestArchiveInItsPlace(t *testing.T) {
	for _, target := range []string{"out/lib.a", "/elsewhere/lib.a"} {
		dir := target[:len(target)-len("lib.a")]
		script := &transcript.Script{GoVersion: "go1.26.8", Blocks: []transcript.Block{{Node: "b001", Package: "example.com/lib", Commands: []transcript.Command{
			{Op: transcript.Mkdir, Args: []string{"$WORK/b001/"}},
			{Op: transcript.Write, Args: []string{"$WORK/b001/importcfg"}, Body: "# import config\n"},
			{Op: transcript.Run, Dir: "/home/me", Args: []string{"/go/compile", "-o", "$WORK/b001/_pkg_.a", "-p", "example.com/lib", "-buildid", "x/x", "-c=2", "/home/me/lib.go"}},
			{Op: transcript.BuildID, Args: []string{"$WORK/b001/_pkg_.a"}},
			{Op: transcript.Mkdir, Args: []string{dir}},
			{Op: transcript.Move, Args: []string{"$WORK/b001/_pkg_.a", target}},
			{Op: transcript.Remove, Args: []string{"$WORK/b001/"}},
		}}}}
		p, err := New(script, "/home/me", func(string) Source { return Source{} })
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(1); err != nil {
			t.Errorf("-o %s: %v", target, err)
		}
		want := target
		if want[0] != '/' {
			want = "/home/me/" + want
		}
		if got := p.Targets(); !slices.Equal(got, []string{want}) {
			t.Errorf("-o %s: targets %v", target, got)
		}
	}
}
