package transcript

import (
	"fmt"
	"strings"
)

// maxDir bounds a `cd` directory: PATH_MAX of Linux. It is also what bounds
// Parse's memory, since a "." of one byte stands for a whole directory.
const maxDir = 4096

// appendDotted appends the line as ShowCmd prints it in dir: with " "+dir
// replaced by " ." wherever it occurs, be it in the middle of a name.
func appendDotted(b []byte, line, dir string) []byte {
	dot := " ."
	if dir[len(dir)-1] == '/' {
		dot = " ./"
	}
	if strings.HasPrefix(line, dir) {
		b = append(b, dot[1:]...)
		line = line[len(dir):]
	}
	for {
		i := indexInDir(line, dir)
		if i < 0 {
			return append(b, line...)
		}
		b = append(append(b, line[:i]...), dot...)
		line = line[i+1+len(dir):]
	}
}

// indexInDir returns the index of the first " "+dir in s, or -1.
func indexInDir(s, dir string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], dir)
		if i < 0 {
			return -1
		}
		if i += from; i > 0 && s[i-1] == ' ' {
			return i - 1
		}
		from = i + 1
	}
}

// undot gives a printed word back the directory that ShowCmd replaced with a
// dot. The text alone does not always tell:
//
//   - "./x" is taken for a file below dir: cmd/go calls its tools with
//     absolute paths, and makes the relative -I and -L of `#cgo` lines
//     absolute. Only a relative path that a user passes on as a word of its
//     own (CGO_CFLAGS="-I ./inc") is misread, as another name of that file.
//   - ".b/x" with dir /ws/a is /ws/ab/x if that exists.
//   - "./$WORK/x" is $WORK/x: for a covered cgo file cmd/go joins the
//     package's directory and a name below $WORK, which is not absolute as
//     long as -n keeps it a variable.
func (p *parser) undot(w word) (string, error) {
	dir := p.dir
	if dir == "" || dir == "." || dir == "/" {
		return w.text, nil
	}
	if w.quoted {
		return w.text, checkDots(w.text, dir)
	}
	if w.text[0] != '.' {
		return w.text, nil
	}
	rest := w.text[1:]
	if dir[len(dir)-1] == '/' {
		if strings.HasPrefix(rest, "/") {
			return dir + rest[1:], nil
		}
		return w.text, nil
	}
	inWork := strings.HasPrefix(dir, workDir)
	switch {
	case rest == "":
		return dir, nil
	case rest[0] == '/':
		if !inWork && strings.HasPrefix(rest[1:], Work) {
			return rest[1:], nil
		}
		return dir + rest, nil
	case inWork:
		// $WORK/b100 and $WORK/b1000 share a prefix.
		if i := strings.IndexByte(rest, '/'); NodeOf(dir) != "" && i > 0 && strings.Trim(rest[:i], "0123456789") == "" {
			return dir + rest, nil
		}
	case p.exists != nil && p.exists(dir+rest):
		return dir + rest, nil
	}
	return w.text, nil
}

// checkDots refuses quoted text in which a dot may stand for dir. Flags with
// spaces come from users, who can name any directory but those below $WORK.
func checkDots(s, dir string) error {
	if strings.HasPrefix(dir, workDir) {
		return nil
	}
	for rest := s; ; {
		_, after, found := strings.Cut(rest, " .")
		if !found {
			return nil
		}
		if after == "" || after[0] == '/' || after[0] == ' ' {
			return fmt.Errorf("%q may have named %s or not: put no lone dot after a space into a flag", s, dir)
		}
		rest = after
	}
}
