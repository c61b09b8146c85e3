package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// workDir is what cmd/go calls its temporary directory under -n.
const workDir = "$WORK"

// Options say how a transcript is to be read.
type Options struct {
	// GoVersion is the version of the go command that printed the text, as
	// in "go1.26.8".
	GoVersion string
	// Unverified accepts versions that this package has not been checked
	// against. Lines that read differently are still errors.
	Unverified bool
	// Exists reports whether there is a file or directory of that name. It is
	// asked about the rare name that reads in two ways: with `cd /ws/a`,
	// ".b/x.go" is /ws/ab/x.go where that exists. Nil means never.
	Exists func(path string) bool
}

// A SyntaxError is a place in the transcript that this package does not
// understand.
type SyntaxError struct {
	GoVersion string
	Line      int // 1-based
	Err       error
}

func (e *SyntaxError) Error() string {
	lang := langVersion(e.GoVersion)
	if lang == "" {
		lang = e.GoVersion
	}
	return fmt.Sprintf("%s transcript:%d: %v", lang, e.Line, e.Err)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// Parse reads what `go build -a -n` printed on its standard error. The text
// is copied once; the strings in the Script share that copy.
func Parse(text []byte, opt Options) (*Script, error) {
	if err := checkVersion(opt.GoVersion); err != nil && !opt.Unverified {
		return nil, err
	}
	p := &parser{
		rest:   string(text),
		line:   1,
		exists: opt.Exists,
		script: &Script{GoVersion: opt.GoVersion},
		nodes:  make(map[string]int32),
	}
	for p.rest != "" {
		start, line := p.rest, p.line
		if err := p.statement(); err != nil {
			return nil, &SyntaxError{GoVersion: opt.GoVersion, Line: p.line, Err: err}
		}
		text := start[:len(start)-len(p.rest)]
		if err := p.check(text); err != nil {
			return nil, &SyntaxError{GoVersion: opt.GoVersion, Line: line, Err: err}
		}
		p.line = line + strings.Count(text, "\n")
	}
	if len(p.pending) > 0 {
		return nil, &SyntaxError{GoVersion: opt.GoVersion, Line: p.line,
			Err: errors.New("the text ends before the action it speaks of")}
	}
	return p.script, nil
}

// parser is the state of one Parse.
type parser struct {
	rest   string // what has not been read
	line   int    // line that the statement being read is on
	dir    string // directory of the last cd
	exists func(string) bool

	script *Script
	nodes  map[string]int32 // index in script.Blocks
	last   int32            // block of the last command
	// Statements that do not tell which block they belong to wait for the
	// next one that does: headers, directories outside $WORK, probes.
	pending []pendingLine

	started bool // a statement other than a note was read
	fmt     formatter
	ln      printed // the statement just read
	cmd     Command // its command, if it has one
}

type pendingLine struct {
	line int // index in script.lines
	cmd  Command
}

// statement reads a statement, with the cd before it, into p.ln and p.cmd.
func (p *parser) statement() error {
	p.ln, p.cmd = printed{}, Command{}
	if strings.HasPrefix(p.rest, "cd ") {
		line, err := p.nextLine()
		if err != nil {
			return err
		}
		if len(line)-len("cd ") > maxDir {
			return fmt.Errorf("directory of %d bytes after cd", len(line)-len("cd "))
		}
		p.dir = line[len("cd "):]
		p.line++
	}
	p.cmd.Line = p.line
	switch {
	case p.rest == "":
		return errors.New("nothing after cd")
	case p.rest[0] == '\n':
		return p.header()
	case !p.started && strings.HasPrefix(p.rest, "go: "):
		return p.note()
	}
	if n := len(p.script.lines); n > 0 && p.script.lines[n-1].form == header {
		// With -v cmd/go names the package once more after its header.
		path := p.script.lines[n-1].text
		if strings.HasPrefix(p.rest, path) && strings.HasPrefix(p.rest[len(path):], "\n") {
			p.rest = p.rest[len(path)+1:]
			p.ln = printed{form: note, text: path}
			return nil
		}
	}
	p.started = true
	for _, k := range keywords {
		if strings.HasPrefix(p.rest, k.prefix) {
			return k.read(p)
		}
	}
	return p.tool()
}

// nextLine takes a line, without its end, off the text.
func (p *parser) nextLine() (string, error) {
	line, rest, ended := strings.Cut(p.rest, "\n")
	if !ended {
		return "", fmt.Errorf("the text ends within the line %s", excerpt(line))
	}
	p.rest = rest
	return line, nil
}

// header reads the banner that cmd/go prints between packages.
func (p *parser) header() error {
	path, ok := strings.CutPrefix(p.rest, "\n#\n# ")
	path, rest, ended := strings.Cut(path, "\n")
	rest, closed := strings.CutPrefix(rest, "#\n\n")
	if !ok || !ended || !closed || path == "" {
		return errors.New("empty line that begins no package's header")
	}
	p.started = true
	p.rest = rest
	p.ln = printed{form: header, text: path}
	return nil
}

// note reads what loading packages may print before the build begins.
func (p *parser) note() error {
	line, err := p.nextLine()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "go: downloading ") && !strings.HasPrefix(line, "go: finding ") {
		return fmt.Errorf("the go command says %s", excerpt(line))
	}
	p.ln = printed{form: note, text: line}
	return nil
}

// check compares the statement's text with what cmd/go would have printed for
// it (Invariant 1), and files it under its block.
func (p *parser) check(text string) error {
	if !p.prints(text) {
		// A tool whose directory stands in full was not run in it: cmd/go
		// prints no cd, and no dots, for the root directory.
		if p.ln.form != shownIn || strings.HasPrefix(text, "cd ") {
			return p.misread(text)
		}
		p.cmd.Dir = "/"
		if !p.prints(text) {
			return p.misread(text)
		}
	}
	return p.file()
}

func (p *parser) prints(text string) bool {
	return string(p.fmt.format(&p.ln, &p.cmd)) == text
}

func (p *parser) misread(text string) error {
	got := p.fmt.format(&p.ln, &p.cmd)
	n := 0
	for n < len(got) && n < len(text) && got[n] == text[n] {
		n++
	}
	n = max(n-20, 0)
	return fmt.Errorf("misread: %s would print as %s", excerpt(text[n:]), excerpt(string(bytes.TrimSuffix(got[min(n, len(got)):], []byte("\n")))))
}

// maxExcerpt bounds how much of a line an error quotes.
const maxExcerpt = 160

func excerpt(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > maxExcerpt {
		return fmt.Sprintf("%q…", s[:maxExcerpt])
	}
	return fmt.Sprintf("%q", s)
}
