package transcript

import (
	"errors"
	"fmt"
	"strings"
)

// keywords are the statements that cmd/go carries out itself.
var keywords = [...]struct {
	prefix string
	read   func(*parser) error
}{
	{"mkdir -p ", func(p *parser) error { return p.one(Mkdir, "mkdir -p ") }},
	{"cat >", (*parser).here},
	{"echo '", (*parser).echo},
	{"echo -n > ", (*parser).truncate},
	{"mv ", func(p *parser) error { return p.two(Move, "mv ") }},
	{"cp ", func(p *parser) error { return p.two(Copy, "cp ") }},
	{"rm -rf ", func(p *parser) error { return p.one(Remove, "rm -rf ") }},
	{"ln -s ", func(p *parser) error { return p.two(Symlink, "ln -s ") }},
	{"go tool pack r ", func(p *parser) error { return p.pack("go tool pack r") }},
	{"go tool buildid -w ", func(p *parser) error { return p.buildID("go tool buildid -w") }},
}

// A here-document in the transcript. Its text is not quoted, and not followed
// by a line break of its own.
const (
	hereMark = " << 'EOF' # internal"
	hereEnd  = "EOF"
)

// one reads a statement about one file, whose name is the rest of the line.
func (p *parser) one(op Op, prefix string) error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	p.ln.form = shown
	p.cmd.Op, p.cmd.Args = op, []string{line[len(prefix):]}
	if op == Remove && strings.Contains(line[len(prefix):], " ") {
		return fmt.Errorf("cannot tell one file from several in %s", excerpt(line))
	}
	return nil
}

// two reads a statement about two files. Their names are not quoted; where
// they hold spaces, it helps that cmd/go only moves things out of $WORK and
// copies things into it.
func (p *parser) two(op Op, prefix string) error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	p.ln.form = shown
	p.cmd.Op = op
	names := line[len(prefix):]
	from, to, ok := strings.Cut(names, " ")
	if ok && strings.Contains(to, " ") {
		switch {
		case op == Move && strings.HasPrefix(names, Work):
			// What is moved has a name of cmd/go's making, without spaces.
			ok = !strings.Contains(to, " "+Work)
		case op == Copy && strings.Count(names, " "+Work) == 1:
			i := strings.Index(names, " "+Work)
			from, to = names[:i], names[i+1:]
		default:
			ok = false
		}
	}
	if !ok || from == "" || to == "" {
		return fmt.Errorf("cannot tell the two files in %s", excerpt(line))
	}
	p.cmd.Args = []string{from, to}
	return nil
}

// truncate reads the making of an empty file.
func (p *parser) truncate() error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	file, ok := strings.CutSuffix(line[len("echo -n > "):], internalMark)
	if !ok || file == "" {
		return fmt.Errorf("unknown line %s", excerpt(line))
	}
	p.ln.form = shown
	p.cmd.Op, p.cmd.Args = Write, []string{file}
	return nil
}

// echo reads the writing of a file of one line. The line is not quoted, so
// the file's name is what follows the last redirection.
func (p *parser) echo() error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	text, ok := strings.CutSuffix(line[len("echo '"):], internalMark)
	i := strings.LastIndex(text, "' > ")
	if !ok || i < 0 || i+len("' > ") == len(text) {
		return fmt.Errorf("unknown line %s", excerpt(line))
	}
	p.ln.form = shown
	p.cmd.Op, p.cmd.Args = Write, []string{text[i+len("' > "):]}
	if text = text[:i]; text == "" {
		p.cmd.Body = "\n"
	} else {
		// The line break is there, only not right after the text.
		p.cmd.Body = text + "\n"
	}
	return nil
}

// here reads the writing of a file as a here-document. Two things end one: a
// line EOF, after a text that ends with a line break; and }EOF, after the only
// text without one that cmd/go writes, an embed configuration, which is JSON
// with each brace on a line of its own. Every other text that cmd/go writes
// this way is a list of file names or import paths, each of which has
// something before it on its line: so neither ending can stand in a text.
func (p *parser) here() error {
	start := p.line
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	file, ok := strings.CutSuffix(line[len("cat >"):], hereMark)
	if !ok || file == "" {
		return fmt.Errorf("unknown line %s", excerpt(line))
	}
	body := p.rest
	n := 0
	for {
		line, rest, ended := strings.Cut(p.rest, "\n")
		if !ended {
			p.line = start
			return fmt.Errorf("here-document for %s never ends", file)
		}
		p.rest = rest
		if line == hereEnd {
			break
		}
		if line == "}"+hereEnd {
			n += len("}")
			break
		}
		n += len(line) + 1
	}
	p.ln.form = shown
	p.cmd.Op, p.cmd.Args, p.cmd.Body = Write, []string{file}, body[:n]
	return nil
}

// isOneLine reports whether the text ends with its only line break.
func isOneLine(text string) bool {
	return strings.IndexByte(text, '\n') == len(text)-1
}

// pack reads the adding of objects to an archive.
func (p *parser) pack(tool string) error {
	p.ln = printed{form: internal, text: tool}
	p.cmd.Op, p.cmd.Dir = Pack, p.dir
	if err := p.internalArgs(tool); err != nil {
		return err
	}
	if len(p.cmd.Args) < 2 {
		return errors.New("pack without objects")
	}
	return nil
}

// buildID reads the rewriting of a build ID.
func (p *parser) buildID(tool string) error {
	p.ln = printed{form: shown, text: tool}
	p.cmd.Op = BuildID
	if err := p.internalArgs(tool); err != nil {
		return err
	}
	if len(p.cmd.Args) != 1 {
		return errors.New("buildid of other than one file")
	}
	return nil
}

func (p *parser) internalArgs(tool string) error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	args, ok := strings.CutSuffix(line[len(tool)+1:], internalMark)
	if !ok {
		return fmt.Errorf("unknown line %s", excerpt(line))
	}
	return p.words(args)
}
