package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
)

// Learn answers what a transcript of req does not tell (plan.Questions). What
// C compilers support is kept in a file below the directory keep, by toolchain
// and compiler; pkg-config and the origin of packages are asked every time.
func (t *Toolchain) Learn(ctx context.Context, req Request, q plan.Questions, keep string) (plan.Unprinted, error) {
	u := plan.Unprinted{Compilers: map[string]plan.CFlags{}}
	var err error
	if u.Origins, err = t.origins(ctx, req, q.Origins); err != nil {
		return u, err
	}
	unknown := map[string]string{}
	for name, ext := range q.Compilers {
		if known, ok := t.recall(keep, name); ok {
			u.Compilers[name] = known
		} else if _, err := exec.LookPath(name); err == nil {
			unknown[name] = ext
		} // else the go command has words for it, and so will the build
	}
	if len(q.PkgConfig) > 0 {
		p, err := t.probe(ctx, keep, nil, q.PkgConfig)
		if err != nil {
			return u, err
		}
		u.PkgConfig = p.PkgConfig
	}
	if len(unknown) > 0 { // by itself: what pkg-config says would be taken for the compiler's
		p, err := t.probe(ctx, keep, unknown, nil)
		if err != nil {
			return u, err
		}
		for name, flags := range p.Compilers {
			u.Compilers[name] = flags
			if err := t.remember(keep, name, flags); err != nil {
				return u, err
			}
		}
	}
	return u, nil
}

// origins asks where packages with trimmed paths come from.
// See ccompile in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
func (t *Toolchain) origins(ctx context.Context, req Request, dirs map[string]string) (map[string]plan.Origin, error) {
	if len(dirs) == 0 {
		return nil, nil
	}
	var paths []string
	for _, path := range dirs {
		if path == commandLine {
			paths = req.Main // files; nothing else can be built beside them
			break
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	args := append([]string{"list", "-find", "-json=Dir,ImportPath,Root,Module"}, req.Flags...)
	out, err := t.command(ctx, append(append(args, "--"), paths...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, &Refused{Output: string(exit.Stderr)}
		}
		return nil, err
	}
	origins := map[string]plan.Origin{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			Dir, ImportPath, Root string
			Module                *struct{ Path, Version, Dir string }
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list of cgo packages: %w", err)
		}
		origin := plan.Origin{From: p.Root, To: "GOPATH"}
		switch m := p.Module; {
		case m == nil && p.Root == "":
			origin = plan.Origin{From: p.Dir, To: p.ImportPath}
		case m != nil && m.Dir == "":
			origin = plan.Origin{From: strings.TrimSuffix(p.Dir, "/"+p.ImportPath), To: "vendor"}
		case m != nil:
			origin = plan.Origin{From: m.Dir, To: m.Path}
			if m.Version != "" {
				origin.To += "@" + m.Version
			}
		}
		origins[p.Dir] = origin
	}
	return origins, nil
}

// commandLine is the import path of a package given as a list of files.
const commandLine = "command-line-arguments"
