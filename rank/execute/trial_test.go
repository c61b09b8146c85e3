package execute

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A trial link that fails is an answer: cgo is not asked, the compile goes
// without _cgo_import.go, and dynimportfail is packed behind the C objects.
func TestTrialFails(t *testing.T) {
	for _, fails := range []bool{false, true} {
		work := t.TempDir()
		node := filepath.Join(work, "b001")
		if err := os.Mkdir(node, 0o700); err != nil {
			t.Fatal(err)
		}
		linker := filepath.Join(work, "cc")
		script := "#!/bin/sh\necho a warning\n"
		if fails {
			script += "exit 1\n"
		}
		if err := os.WriteFile(linker, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		cgo := filepath.Join(work, "cgo")
		if err := os.WriteFile(cgo, []byte("#!/bin/sh\necho package p >$4\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		r := Runner{Work: work, Tools: Tools{Dir: work, Compilers: []string{linker}}}
		result, err := r.Run(t.Context(), &plan.Action{Node: "b001", Steps: []transcript.Command{
			{Op: transcript.Run, Dir: work, Args: []string{linker, "-o", "$WORK/b001/_cgo_.o"}, MayFail: true},
			{Op: transcript.Run, Dir: work, Args: []string{cgo, "-dynimport", "$WORK/b001/_cgo_.o", "-dynout", "$WORK/b001/_cgo_import.go"}},
		}}, NewThreads(1), Moments{})
		if err != nil {
			t.Fatal(err)
		}
		if result.Output != "" {
			t.Errorf("the linker's words about a trial are told: %q", result.Output)
		}
		argv := withoutImports([]string{"compile", filepath.Join(node, "a.go"), filepath.Join(node, "_cgo_import.go")})
		members, err := r.members(filepath.Join(node, "_pkg_.a"), &transcript.Command{
			Args: []string{"$WORK/b001/_pkg_.a", "$WORK/b001/_x001.o", "/src/extra.syso"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range members {
			members[i] = filepath.Base(members[i])
		}
		wantArgs, wantMembers := 3, []string{"_x001.o", "extra.syso"}
		if fails {
			wantArgs, wantMembers = 2, []string{"_x001.o", "dynimportfail", "extra.syso"}
		}
		if len(argv) != wantArgs || !slices.Equal(members, wantMembers) {
			t.Errorf("trial fails %t: compile %v, members %v", fails, argv, members)
		}
	}
}

// The header of a library for C is installed if there is one.
func TestEmptyHeader(t *testing.T) {
	for text, want := range map[string]bool{"": false, "int f(void);\n": true} {
		work, place := t.TempDir(), t.TempDir()
		if err := os.Mkdir(filepath.Join(work, "b001"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, "b001", "_cgo_install.h"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		header := filepath.Join(place, "lib.h")
		r := Runner{Work: work}
		_, err := r.Run(t.Context(), &plan.Action{Kind: plan.Link, Steps: []transcript.Command{
			{Op: transcript.Copy, Args: []string{"$WORK/b001/_cgo_install.h", header}, MayFail: true},
		}}, NewThreads(1), Moments{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(header); (err == nil) != want {
			t.Errorf("header of %q: %v", text, err)
		}
	}
}
