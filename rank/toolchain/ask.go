package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// A Question is a program that the go command asks while it plans a build, of
// whose answer the plan depends and which no file tells.
type Question struct {
	Dir  string   `msgpack:"d"` // where it is asked
	Argv []string `msgpack:"a"`
	Bare bool     `msgpack:"b,omitempty"` // of the answer only counts whether it is empty
}

// VersionControl lists what the go command asks git about a repository, for
// what it stamps into programs (-buildvcs).
// See gitStatus in GOROOT/src/cmd/go/internal/vcs/vcs.go, go1.26.
func VersionControl(dir string) []Question {
	return []Question{
		{Dir: dir, Argv: []string{"git", "status", "--porcelain"}, Bare: true},
		{Dir: dir, Argv: []string{"git", "-c", "log.showsignature=false", "log", "-1", "--format=%H:%ct"}},
		{Dir: dir, Argv: []string{"git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"}}, // they make versions
	}
}

// PkgConfig lists the questions to pkg-config behind one of plan.Questions.
// See getPkgConfigFlags in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
func (t *Toolchain) PkgConfig(args []string) []Question {
	name := os.Getenv("PKG_CONFIG")
	if name == "" {
		name = "pkg-config"
	}
	return []Question{
		{Dir: t.Dir, Argv: append([]string{name, "--cflags"}, args...)},
		{Dir: t.Dir, Argv: append([]string{name, "--libs"}, args...)},
	}
}

// Answers asks all questions side by side and returns a digest of what was
// said to each, "" where nothing came of it: that tells nothing.
func (t *Toolchain) Answers(ctx context.Context, questions []Question) []string {
	answers := make([]string, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		wg.Go(func() {
			cmd := t.command(ctx, q.Argv[1:]...)
			cmd.Dir, cmd.Err = q.Dir, nil
			cmd.Env = append(slices.DeleteFunc(cmd.Env, func(e string) bool { return strings.HasPrefix(e, "PWD=") }), "PWD="+q.Dir)
			path, err := exec.LookPath(q.Argv[0])
			if err != nil {
				return
			}
			cmd.Path, cmd.Args[0] = path, q.Argv[0]
			if out, err := cmd.Output(); err == nil {
				if q.Bare {
					out = out[:min(1, len(out))]
					clear(out)
				}
				sum := sha256.Sum256(out)
				answers[i] = hex.EncodeToString(sum[:])
			}
		})
	}
	wg.Wait()
	return answers
}

// PlanEnv is the part of this process's environment that the go command's plan
// may depend on, sorted. What a launcher sets for each run is not in it.
func PlanEnv() []string {
	names := []string{"CC", "CXX", "FC", "AR", "GCCGO", "PKG_CONFIG"}
	prefixes := append([]string{"GO", "GIT_", "XDG_", "GCC_", "CCACHE_"}, passedPrefix...)
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !slices.Contains(names, name) && !slices.Contains(passed, name) &&
			!slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	slices.Sort(env)
	return env
}

// Command is the path of the go command in PATH.
func Command() (string, error) { return exec.LookPath("go") }

// CompilerPaths are the files of the C compilers of the environment.
func (t *Toolchain) CompilerPaths() []string {
	var paths []string
	for _, name := range t.Compilers() {
		if path, err := exec.LookPath(name); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}
