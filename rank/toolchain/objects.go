package toolchain

import (
	"context"
	"errors"
	"os/exec"
	"strings"
)

// Objects lists the archives that a real build of req made of each package, by
// import path; what is not in the go command's cache is built.
func (t *Toolchain) Objects(ctx context.Context, req Request) (map[string][]string, error) {
	args := append([]string{"list", "-export", "-deps", "-f={{.ImportPath}}\t{{.Export}}"}, req.Flags...)
	out, err := t.command(ctx, append(args, req.Main...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, &Refused{Output: string(exit.Stderr)}
		}
		return nil, err
	}
	archives := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if path, archive, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && archive != "" {
			archives[path] = append(archives[path], archive)
		}
	}
	return archives, nil
}
