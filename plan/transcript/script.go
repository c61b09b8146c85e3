package transcript

import (
	"bufio"
	"io"
)

// A Script is a transcript that has been read.
type Script struct {
	GoVersion string
	Blocks    []Block // in the order in which their first lines stand in the text

	lines []printed // everything in the order of the text
}

// printed is a line, or several, that one call in cmd/go prints.
type printed struct {
	form form
	text string // note, header: the text; packs and buildIDs: how the tool is named
	// Where the command is, for the forms that have one.
	block, index int32
	joined       int32 // shownIn: Args from here on were printed joined to Dir (see undot); 0 for none
}

// form tells which of cmd/go's calls prints a line.
type form uint8

const (
	note     form = iota // a line that is no command: text
	header               // the banner of a package: text is its import path
	shown                // a command, without a directory
	shownIn              // a command in its directory, which is replaced by a dot
	trial                // the line that repeats a trial link: "# test for …"
	probe                // a command in its directory, with "|| true"
	internal             // a command in its directory, marked as done by cmd/go itself
)

// Marks that cmd/go puts after a command.
const (
	internalMark = " # internal"
	probeMark    = " || true"
	trialMark    = " # test for internal linking errors (succeeded)"
)

// Print writes the text that s was parsed from, byte for byte. It does not
// copy that text: it formats the commands again, so that they are known to
// say what the text said.
func (s *Script) Print(w io.Writer) error {
	bw := bufio.NewWriter(w)
	var f formatter
	for i := range s.lines {
		ln := &s.lines[i]
		var c *Command
		if ln.form > header {
			c = &s.Blocks[ln.block].Commands[ln.index]
		}
		if _, err := bw.Write(f.format(ln, c)); err != nil {
			return err
		}
	}
	return bw.Flush()
}

// A formatter prints commands as cmd/go's ShowCmd does. Its state is the
// directory of the last `cd`.
type formatter struct {
	dir  string
	buf  []byte
	line []byte
}

// format returns the text of ln, whose command is c (nil for notes and
// headers). The result is valid until the next call.
func (f *formatter) format(ln *printed, c *Command) []byte {
	f.buf = f.buf[:0]
	switch ln.form {
	case note:
		f.buf = append(append(f.buf, ln.text...), '\n')
		return f.buf
	case header:
		f.buf = append(append(append(f.buf, "\n#\n# "...), ln.text...), "\n#\n\n"...)
		return f.buf
	}
	f.line = appendCommand(f.line[:0], ln, c)
	switch ln.form {
	case shownIn, probe, internal:
		if c.Dir != "" && c.Dir != "/" {
			if c.Dir != f.dir {
				f.buf = append(append(append(f.buf, "cd "...), c.Dir...), '\n')
				f.dir = c.Dir
			}
			f.buf = appendDotted(f.buf, string(f.line), c.Dir)
			break
		}
		fallthrough
	default:
		f.buf = append(f.buf, f.line...)
	}
	f.buf = append(f.buf, '\n')
	return f.buf
}

// appendCommand appends c before its directory is replaced.
func appendCommand(b []byte, ln *printed, c *Command) []byte {
	switch c.Op {
	case Mkdir:
		return append(append(b, "mkdir -p "...), c.Args[0]...)
	case Remove:
		return append(append(b, "rm -rf "...), c.Args[0]...)
	case Copy:
		return appendPair(b, "cp ", c)
	case Move:
		return appendPair(b, "mv ", c)
	case Symlink:
		return appendPair(b, "ln -s ", c)
	case Write:
		return appendWrite(b, c)
	}
	for _, env := range c.Env {
		b = appendAssignment(b, env)
	}
	if c.Op == Pack || c.Op == BuildID {
		b = append(append(b, ln.text...), ' ')
	}
	for i, arg := range c.Args {
		if i > 0 {
			b = append(b, ' ')
		}
		if ln.joined > 0 && i >= int(ln.joined) {
			arg = c.Dir + "/" + arg
		}
		b = appendWord(b, arg)
	}
	switch ln.form {
	case internal:
		b = append(b, internalMark...)
	case probe:
		b = append(b, probeMark...)
	case trial:
		b = append(b, trialMark...)
	default:
		if c.Op == BuildID {
			b = append(b, internalMark...)
		}
	}
	return b
}

func appendPair(b []byte, name string, c *Command) []byte {
	b = append(append(b, name...), c.Args[0]...)
	return append(append(b, ' '), c.Args[1]...)
}

// appendWrite is writeFile in cmd/go/internal/work/shell.go.
func appendWrite(b []byte, c *Command) []byte {
	switch {
	case c.Body == "":
		b = append(append(b, "echo -n > "...), c.Args[0]...)
		return append(b, internalMark...)
	case isOneLine(c.Body):
		b = append(append(b, "echo '"...), c.Body[:len(c.Body)-1]...)
		b = append(append(b, "' > "...), c.Args[0]...)
		return append(b, internalMark...)
	}
	b = append(append(b, "cat >"...), c.Args[0]...)
	b = append(append(b, hereMark...), '\n')
	b = append(b, c.Body...)
	return append(b, hereEnd...)
}
