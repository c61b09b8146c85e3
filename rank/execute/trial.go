package execute

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// A cgo package is linked once for trial. Where that fails, which is no error,
// cmd/go does not ask cgo which dynamic libraries the objects import: it
// compiles without _cgo_import.go and packs an empty file that tells the
// linker to leave the program to the C linker.
// See dynimport in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
//
// The answer travels as an empty _cgo_import.go, from the action that tried to
// the one that compiles.
const (
	importFile = "_cgo_import.go"
	failedFile = "dynimportfail"
)

// trialFailed records that the trial link of an action failed. Next is the
// command behind it, which is not run.
func (r *Runner) trialFailed(next *transcript.Command) error {
	i := slices.Index(next.Args, "-dynout")
	if i < 0 || i+1 == len(next.Args) {
		return fmt.Errorf("transcript line %d: cgo -dynimport is expected behind a trial link", next.Line)
	}
	path, err := r.inside(next.Args[i+1])
	if err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o666)
}

// withoutImports drops from the arguments of a compile what a failed trial
// link did not make.
func withoutImports(argv []string) []string {
	return slices.DeleteFunc(argv, func(arg string) bool {
		return filepath.Base(arg) == importFile && isEmpty(arg)
	})
}

// members lists what is packed into an archive, with the mark of a failed
// trial link behind the objects that the C compiler made.
func (r *Runner) members(archive string, c *transcript.Command) ([]string, error) {
	members := make([]string, 0, len(c.Args))
	behind := 0
	for i, m := range c.Args[1:] {
		members = append(members, r.source(c, m))
		if strings.HasPrefix(m, transcript.Work) {
			behind = i + 1
		}
	}
	dir := filepath.Dir(archive)
	if !isEmpty(filepath.Join(dir, importFile)) {
		return members, nil
	}
	mark := filepath.Join(dir, failedFile)
	return slices.Insert(members, behind, mark), os.WriteFile(mark, nil, 0o666)
}

func isEmpty(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Size() == 0
}
