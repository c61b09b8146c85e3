package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// A part of a block is executed as one action.
type part struct {
	kind  ActionKind
	steps []transcript.Command
}

// cut divides the commands of a block into what can be executed at different
// times, perhaps on different ranks. Most packages are one part. A package
// that uses cgo is more, so that its C files are compiled side by side, and
// before the packages that it imports:
//
//	cgo and what precedes it | each C file | trial link and cgo -dynimport | the compile
//
// With -cover cgo reads what cover wrote, and names its place in what it
// writes itself: then the package stays whole, on one rank. A link is a part of
// its own, behind them all.
func cut(node string, commands []transcript.Command) []part {
	var parts []part
	var steps []transcript.Command
	flush := func(kind ActionKind) {
		if len(steps) > 0 {
			parts = append(parts, part{kind, steps})
			steps = nil
		}
	}
	kind := Prepare
	whole := slices.ContainsFunc(commands, readsGenerated)
	for i, c := range commands {
		if c.Op == transcript.Write && path.Base(c.Args[0]) == "importcfg.link" {
			flush(kind)
			steps = commands[i:]
			flush(Link)
			break
		}
		switch {
		case whole && !isTool(&c, "compile"):
			steps = append(steps, c)
		case isCCompile(&c):
			flush(Prepare)
			steps = append(steps, c)
			flush(Prepare)
		case isTool(&c, "cgo") && slices.Contains(c.Args, "-dynimport"):
			steps = append(steps, c)
			flush(Prepare)
		default:
			if isTool(&c, "compile") {
				kind = Compile
			}
			steps = append(steps, c)
		}
	}
	flush(kind)
	return exportHeader(node, joinArchive(node, parts))
}

// readsGenerated reports whether c runs cgo on a file in the scratch directory.
func readsGenerated(c transcript.Command) bool {
	last := c.Args[len(c.Args)-1]
	return isTool(&c, "cgo") && strings.HasPrefix(last, transcript.Work) && path.Ext(last) == ".go" && !slices.Contains(c.Args, "-dynout")
}

// isCCompile reports whether c compiles one C, C++ or assembly file with a C
// compiler. See ccompile in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
func isCCompile(c *transcript.Command) bool {
	n := len(c.Args)
	return c.Op == transcript.Run && n > 4 && c.Args[n-2] == "-c" && c.Args[n-4] == "-o"
}

// isTool reports whether c runs that tool of the toolchain.
func isTool(c *transcript.Command, name string) bool {
	return c.Op == transcript.Run && toolName(c.Args[0]) == name
}

// joinArchive handles `go build -o lib.a` of a package that is no program. The
// archive that is put in its place holds both halves of the compile; that is
// an action of its own, which like a link writes outside the scratch directory.
func joinArchive(node string, parts []part) []part {
	archive := transcript.Work + node + "/_pkg_.a"
	for p := range parts {
		steps := parts[p].steps
		if parts[p].kind != Compile {
			continue
		}
		for i := range steps {
			c := &steps[i]
			if (c.Op == transcript.Move || c.Op == transcript.Copy) && c.Args[0] == archive {
				c.Op = transcript.Join
				c.Args = []string{strings.TrimSuffix(archive, ".a") + ".x", archive, c.Args[1]}
				for i > 0 && steps[i-1].Op == transcript.Mkdir && !strings.HasPrefix(steps[i-1].Args[0], transcript.Work) {
					i-- // the directory it is put into
				}
				parts[p].steps = steps[:i]
				return slices.Insert(parts, p+1, part{Link, steps[i:]})
			}
		}
	}
	return parts
}

// exportHeader has the C header installed that belongs to a library for C, if
// cgo makes one: the transcript does not show it (package transcript). An
// empty file stands for none.
// See addInstallHeaderAction in GOROOT/src/cmd/go/internal/work/action.go, go1.26.
func exportHeader(node string, parts []part) []part {
	header := transcript.Work + node + "/_cgo_install.h"
	link := slices.IndexFunc(parts, func(p part) bool { return p.kind == Link })
	if link < 0 {
		return parts
	}
	for i := range parts[:link] {
		j := slices.IndexFunc(parts[i].steps, func(c transcript.Command) bool {
			return isTool(&c, "cgo") && slices.Contains(c.Args, "-exportheader="+header)
		})
		if j < 0 {
			continue
		}
		parts[i].steps = slices.Insert(slices.Clone(parts[i].steps), j, transcript.Command{Op: transcript.Write, Args: []string{header}})
		last := parts[link].steps[len(parts[link].steps)-1]
		if last.Op == transcript.Move || last.Op == transcript.Copy {
			target := last.Args[1]
			target = strings.TrimSuffix(target, path.Ext(target)) + ".h"
			parts[link].steps = append(slices.Clip(parts[link].steps), transcript.Command{
				Op: transcript.Copy, Dir: last.Dir, Args: []string{header, target}, MayFail: true,
			})
		}
	}
	return parts
}
