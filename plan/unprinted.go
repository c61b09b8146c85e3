package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// Unprinted is what cmd/go tells cgo and the C compilers in a real build, and
// does not print with -n, because it would have to run something to know it.
// Root learns it from the same go command (package rank/toolchain).
type Unprinted struct {
	Compilers map[string]CFlags    // by the first word of the compiler's command
	Origins   map[string]Origin    // by directory of a package whose paths are trimmed
	PkgConfig map[string]PkgConfig // by question
}

// CFlags are flags that a C compiler was found to support. In them $OBJDIR,
// $FROM, $TO and $SEED stand for what differs from file to file.
type CFlags struct {
	Before []string `json:"before"` // before -fmessage-length=0
	After  []string `json:"after"`  // behind it
	Last   []string `json:"last"`   // before -o
}

// Marks in CFlags.
const (
	MarkObjdir = "$OBJDIR"
	MarkFrom   = "$FROM"
	MarkTo     = "$TO"
	MarkSeed   = "$SEED"
)

// An Origin says how the directory of a package is named in a program that
// does not show where it was compiled.
type Origin struct {
	From string // a directory
	To   string // what it is called, such as example.com/mod@v1.2.3
}

// PkgConfig is what pkg-config answered.
type PkgConfig struct {
	CFlags  []string
	LDFlags []string
}

// Questions is what has to be learned before a transcript can be completed.
type Questions struct {
	Compilers map[string]string // extension of a file that it compiles, by first word of a C compiler's command
	Origins   map[string]string // directories of packages, and their import paths
	PkgConfig map[string]Asked  // by question
}

// Asked is a question to pkg-config.
type Asked struct {
	Args    []string // behind --cflags or --libs
	Package string   // import path of the package that asks
}

// Ask lists what the transcript does not tell. Goroot is the toolchain's
// root, whose packages' origin is known.
func Ask(script *transcript.Script, goroot string) Questions {
	q := Questions{Compilers: map[string]string{}, Origins: map[string]string{}, PkgConfig: map[string]Asked{}}
	for i := range script.Blocks {
		b := &script.Blocks[i]
		dir := cgoDir(b)
		for j := range b.Commands {
			c := &b.Commands[j]
			if isCCompile(c) && q.Compilers[c.Args[0]] == "" {
				q.Compilers[c.Args[0]] = path.Ext(c.Args[len(c.Args)-1])
			}
			if question, ok := pkgConfigQuestion(c); ok && c.Args[1] == "--cflags" {
				q.PkgConfig[question] = Asked{c.Args[2:], b.Package}
			}
			if isTool(c, "compile") && dir != "" && trims(c, dir) && !below(dir, goroot) {
				q.Origins[dir] = b.Package
			}
		}
	}
	return q
}

// Complete puts into the script's commands what u knows, and drops the
// questions that it answers. The script is changed; it prints no longer what
// it was read from.
func Complete(script *transcript.Script, u Unprinted, goroot string) error {
	for i := range script.Blocks {
		b := &script.Blocks[i]
		dir := cgoDir(b)
		if dir == "" {
			continue
		}
		origin, trimmed := u.Origins[dir]
		if below(dir, goroot) {
			origin, trimmed = Origin{goroot, "GOROOT"}, true
		}
		var answer PkgConfig
		commands := b.Commands[:0]
		for _, c := range b.Commands {
			if question, ok := pkgConfigQuestion(&c); ok {
				if answer, ok = u.PkgConfig[question]; !ok {
					return fmt.Errorf("transcript line %d: no answer to %s", c.Line, question)
				}
				continue
			}
			answer.complete(&c, b.Node)
			if flags, ok := u.Compilers[firstWord(&c)]; ok && c.Op == transcript.Run {
				flags.complete(&c, b, origin, trimmed)
			}
			commands = append(commands, c)
		}
		b.Commands = commands
	}
	return nil
}

// cgoDir is the directory of the package that b makes, if that uses cgo.
func cgoDir(b *transcript.Block) string {
	for i := range b.Commands {
		if c := &b.Commands[i]; isTool(c, "cgo") && !slices.Contains(c.Args, "-dynimport") {
			return c.Dir
		}
	}
	return ""
}

// trims reports whether a compile of the package in dir trims its paths: cmd/go
// puts the rewriting of the directory first
// (trimpath in GOROOT/src/cmd/go/internal/work/gc.go, go1.26).
func trims(c *transcript.Command, dir string) bool {
	i := slices.Index(c.Args, "-trimpath")
	return i >= 0 && i+1 < len(c.Args) && strings.HasPrefix(c.Args[i+1], dir+"=>")
}

func below(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

func firstWord(c *transcript.Command) string {
	if len(c.Args) == 0 {
		return ""
	}
	return c.Args[0]
}

// pkgConfigQuestion is what c asks pkg-config, the same for compile flags and
// link flags. Cmd/go puts options before --, packages behind it.
func pkgConfigQuestion(c *transcript.Command) (string, bool) {
	if c.Op != transcript.Run || len(c.Args) < 3 || c.Args[1] != "--cflags" && c.Args[1] != "--libs" || !slices.Contains(c.Args, "--") {
		return "", false
	}
	return strings.Join(c.Args[2:], " "), true
}

// complete puts the answer where cmd/go puts it: compile flags before the
// directory that cgo writes to, link flags behind all others.
// See runCgo in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
func (p *PkgConfig) complete(c *transcript.Command, node string) {
	if len(p.CFlags) > 0 && (isCCompile(c) || isTool(c, "cgo")) {
		objdir := transcript.Work + node + "/"
		for i := len(c.Args) - 1; i > 0; i-- {
			if c.Args[i] == objdir && c.Args[i-1] == "-I" {
				c.Args = slices.Insert(slices.Clone(c.Args), i-1, p.CFlags...)
				break
			}
		}
	}
	if len(p.LDFlags) == 0 {
		return
	}
	if c.MayFail {
		c.Args = append(slices.Clip(c.Args), p.LDFlags...)
	}
	if isTool(c, "cgo") && !slices.Contains(c.Args, "-dynimport") {
		c.Args = slices.Clone(c.Args)
		i := slices.IndexFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, "-ldflags=") })
		if i < 0 {
			i = slices.Index(c.Args, "--")
			c.Args = slices.Insert(c.Args, i, "-ldflags=")
			c.Env = append(slices.Clip(c.Env), "CGO_LDFLAGS=")
		}
		for _, flag := range p.LDFlags {
			c.Args[i] += fmt.Sprintf(" %q", flag)
		}
	}
}

// complete adds the flags to a C compiler's command.
// See compilerCmd and ccompile in GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
func (f *CFlags) complete(c *transcript.Command, b *transcript.Block, origin Origin, trimmed bool) {
	anchor := slices.Index(c.Args, "-fmessage-length=0")
	if anchor < 0 {
		return
	}
	fill := strings.NewReplacer(MarkObjdir, transcript.Work+b.Node, MarkFrom, origin.From, MarkTo, origin.To,
		MarkSeed, b.Package+"/"+path.Base(c.Args[len(c.Args)-1])).Replace
	var args []string
	add := func(flags []string) {
		for _, flag := range flags {
			if trimmed || !strings.Contains(flag, MarkFrom) {
				args = append(args, fill(flag))
			}
		}
	}
	args = append(args, c.Args[:anchor]...)
	add(f.Before)
	args = append(args, c.Args[anchor])
	add(f.After)
	rest := c.Args[anchor+1:]
	if !isCCompile(c) {
		c.Args = append(args, rest...)
		return
	}
	args = append(args, rest[:len(rest)-4]...) // all but -o OBJECT -c FILE
	add(f.Last)
	c.Args = append(args, rest[len(rest)-4:]...)
}
