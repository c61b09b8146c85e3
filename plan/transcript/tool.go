package transcript

import (
	"errors"
	"fmt"
	"strings"
)

// tool reads the running of a program.
func (p *parser) tool() error {
	rest := p.rest
	for {
		env, after, ok, err := nextAssignment(rest)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		p.cmd.Env = append(p.cmd.Env, env)
		rest = after
	}
	p.rest = rest
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	p.cmd.Op, p.cmd.Dir, p.ln.form = Run, p.dir, shownIn
	if args, ok := strings.CutSuffix(line, trialMark); ok {
		p.cmd.Op, p.cmd.Dir, p.ln.form = Probe, "", trial
		return p.verbatim(args)
	}
	if args, ok := strings.CutSuffix(line, probeMark); ok {
		p.cmd.Op, p.ln.form = Probe, probe
		return p.words(args)
	}
	if len(p.cmd.Env) == 0 && strings.HasSuffix(line, internalMark) {
		// Before go1.25 these were named by their paths.
		program, args, _ := strings.Cut(line, " ")
		switch {
		case base(program) == "pack" && strings.HasPrefix(args, "r "):
			p.rest = rest
			return p.pack(line[:len(program)+len(" r")])
		case base(program) == "buildid" && strings.HasPrefix(args, "-w "):
			p.rest = rest
			return p.buildID(line[:len(program)+len(" -w")])
		}
	}
	if err := p.words(line); err != nil {
		return err
	}
	if !p.cmd.isRun() {
		return fmt.Errorf("unknown line %s", excerpt(line))
	}
	p.cmd.rejoin(&p.ln)
	return nil
}

// isRun reports whether c looks like a program that cmd/go runs. C compilers
// can have any name, but are never printed without an assignment before them.
func (c *Command) isRun() bool {
	if len(c.Env) > 0 {
		return true
	}
	switch name := base(c.Args[0]); {
	case len(name) == len(c.Args[0]) || len(c.Args) < 2:
		return len(c.Args) > 1 && isPkgConfig(c.Args)
	case name == "compile", name == "asm", name == "link", name == "cgo", name == "cover", name == "preprofile":
		return true
	}
	return isPkgConfig(c.Args)
}

// isPkgConfig knows the questions cmd/go asks of $PKG_CONFIG by their form:
// --cflags or --libs, flags, --, packages.
func isPkgConfig(args []string) bool {
	if args[1] != "--cflags" && args[1] != "--libs" {
		return false
	}
	for _, arg := range args[2:] {
		if arg == "--" {
			return true
		}
	}
	return false
}

// rejoin notes where c was printed with names below $WORK joined to its
// directory: the files at the end of cgo's line, if they are covered ones.
func (c *Command) rejoin(ln *printed) {
	if base(c.Args[0]) != "cgo" || strings.HasPrefix(c.Dir, workDir) {
		return
	}
	i := len(c.Args)
	for i > 1 && strings.HasPrefix(c.Args[i-1], Work) && strings.HasSuffix(c.Args[i-1], ".go") {
		i--
	}
	if i < len(c.Args) && c.Args[i-1] != "-dynout" {
		ln.joined = int32(i)
	}
}

// words reads the arguments of a program that ran in p.dir.
func (p *parser) words(s string) error {
	return p.args(s, p.undot)
}

// verbatim reads the arguments of a line in which no directory is replaced.
func (p *parser) verbatim(s string) error {
	return p.args(s, func(w word) (string, error) { return w.text, nil })
}

func (p *parser) args(s string, undot func(word) (string, error)) error {
	if s == "" {
		return errors.New("no program")
	}
	args := make([]string, 0, strings.Count(s, " ")+1)
	for rest := s; rest != ""; {
		w, after, err := nextWord(rest)
		if err != nil {
			return fmt.Errorf("%w in %s", err, excerpt(s))
		}
		arg, err := undot(w)
		if err != nil {
			return err
		}
		args = append(args, arg)
		rest = after
	}
	p.cmd.Args = args
	return nil
}

// base returns the last element of a path.
func base(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}
