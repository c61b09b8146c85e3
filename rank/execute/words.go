package execute

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// Words says how diagnostics are shown: as `go build` shows them to a user who
// stands in Cwd.
type Words struct {
	Cwd  string // absolute
	View string // what stands before root's paths here, see View; "" for nothing
	Raw  bool   // leave cgo's generated names as they are, as -x does
}

// Positions in and names of what cgo generated.
// See GOROOT/src/cmd/go/internal/work/exec.go, go1.26.
var (
	cgoPosition = regexp.MustCompile(`\[[^\[\]]+\.(cgo1|cover)\.go:[0-9]+(:[0-9]+)?\]`)
	cgoName     = regexp.MustCompile(`\b_C2?(type|func|var|macro)_\B`)
)

// shape turns what a tool printed into a block under its package's name.
// See reportCmd in GOROOT/src/cmd/go/internal/work/shell.go, go1.26.
func (w Words) shape(a *plan.Action, work string, c *transcript.Command, out string, err error) string {
	if out == "" {
		// The tool ended without a word. cmd/go prints just its state.
		return a.Package + ": " + filepath.Base(c.Args[0]) + ": " + err.Error() + "\n"
	}
	if !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	if w.View != "" {
		out = strings.ReplaceAll(out, w.View+"/", "/")
	}
	out = replacePrefix(out, work, "$WORK")
	for dir := strings.TrimPrefix(packageDir(a, c), w.View); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if short := w.short(dir); short != dir {
			out = replacePrefix(out, dir, short)
		}
	}
	if !w.Raw && cgoPosition.MatchString(out) {
		out = cgoPosition.ReplaceAllString(out, "")
		out = cgoName.ReplaceAllString(out, "C.")
	}
	return "# " + a.Package + "\n" + out
}

// packageDir is the directory of the package that a command works for.
func packageDir(a *plan.Action, c *transcript.Command) string {
	for _, arg := range c.Args {
		if strings.HasSuffix(arg, ".go") && filepath.IsAbs(arg) {
			return filepath.Dir(arg)
		}
	}
	if len(c.Args) > 2 && c.Args[1] == "-I" && filepath.IsAbs(c.Args[2]) {
		return c.Args[2] // a C compiler, perhaps for what cgo made
	}
	for i := range a.Steps {
		if s := &a.Steps[i]; s.Op == transcript.Pack && filepath.IsAbs(s.Dir) {
			return s.Dir // the compile of what cgo made runs elsewhere
		}
	}
	if filepath.IsAbs(c.Dir) {
		return c.Dir
	}
	return string(filepath.Separator)
}

// short is the path from where the user stands, when that is shorter.
func (w Words) short(path string) string {
	if rel, err := filepath.Rel(w.Cwd, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

// replacePrefix replaces old where it begins a line or a word.
func replacePrefix(s, old, new string) string {
	if !strings.Contains(s, old) {
		return s
	}
	s = strings.ReplaceAll(s, " "+old, " "+new)
	s = strings.ReplaceAll(s, "\n"+old, "\n"+new)
	s = strings.ReplaceAll(s, "\n\t"+old, "\n\t"+new)
	if rest, ok := strings.CutPrefix(s, old); ok {
		s = new + rest
	}
	return s
}
