package execute

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// A View is a directory below which files of root lie under the paths that they
// have at root: for a rank that does not see root's own. Commands are moved
// there, and what they record is moved back by the tools' own -trimpath, so
// that they make the same bytes as at root.
type View struct {
	Dir    string // absolute
	Goroot string // root's
}

// Path is where a file of root lies.
func (v View) Path(path string) string { return filepath.Join(v.Dir, path) }

// movable are the tools whose every path stands in their arguments, and whose
// -trimpath rewrites every path that they record. Cgo and cover write paths
// into what others compile; C compilers read files that nobody can name.
var movable = []string{"compile", "asm", "preprofile"}

// CanMove reports whether an action can be executed where root's files lie
// below a view.
func CanMove(a *plan.Action) bool {
	if a.Kind == plan.Link {
		return false
	}
	for i := range a.Steps {
		c := &a.Steps[i]
		if c.Op != transcript.Run {
			continue
		}
		tool := filepath.Base(c.Args[0])
		if !slices.Contains(movable, tool) || tool != "preprofile" && !slices.Contains(c.Args, "-trimpath") {
			return false
		}
		for i, arg := range c.Args {
			if i > 0 && filepath.IsAbs(arg) && c.Args[i-1] != "-trimpath" && strings.ContainsAny(arg, ";=") {
				return false // -trimpath cannot say it
			}
		}
	}
	return true
}

// Move returns an action whose commands read root's files from the view. The
// action itself stays as it is.
func (v View) Move(a *plan.Action) *plan.Action {
	moved := *a
	moved.Steps = slices.Clone(a.Steps)
	for i := range moved.Steps {
		v.move(&moved.Steps[i])
	}
	return &moved
}

func (v View) move(c *transcript.Command) {
	var tops []string // of the paths that were moved
	path := func(p string) string {
		top := p
		if i := strings.IndexByte(p[1:], filepath.Separator); i >= 0 {
			top = p[:i+1]
		}
		if !slices.Contains(tops, top) {
			tops = append(tops, top)
		}
		return v.Path(p)
	}
	if filepath.IsAbs(c.Dir) {
		c.Dir = v.Path(c.Dir)
	}
	c.Env = v.Env(c.Env)
	c.Args = slices.Clone(c.Args)
	trim := -1
	for i, arg := range c.Args {
		flag, value, isFlag := strings.Cut(arg, "=")
		switch {
		case i > 0 && c.Args[i-1] == "-trimpath":
			trim = i
		case filepath.IsAbs(arg):
			c.Args[i] = path(arg)
		case isFlag && strings.HasPrefix(flag, "-") && filepath.IsAbs(value):
			c.Args[i] = flag + "=" + path(value)
		}
	}
	if trim >= 0 {
		c.Args[trim] = v.trim(c.Args[trim], tops)
	}
	if c.Op == transcript.Write && filepath.Base(c.Args[0]) == "embedcfg" {
		c.Body = v.embed(c.Body)
	}
}

// trim makes a -trimpath that rewrites what lies in the view as the given one
// rewrites root's files, and what that leaves alone to what it is at root: the
// tools write $GOROOT for the root they are told of.
// See GOROOT/src/cmd/internal/objabi/line.go, go1.26.
func (v View) trim(rewrites string, tops []string) string {
	var pairs []string
	for pair := range strings.SplitSeq(rewrites, ";") {
		if filepath.IsAbs(pair) {
			pairs = append(pairs, v.Dir+pair)
		}
		pairs = append(pairs, pair) // for what cgo, at root, wrote into //line directives
	}
	if v.Goroot != "" {
		pairs = append(pairs, v.Path(v.Goroot)+"=>$GOROOT", v.Goroot+"=>$GOROOT")
	}
	for _, top := range tops {
		pairs = append(pairs, v.Path(top)+"=>"+top)
	}
	return strings.Join(pairs, ";")
}

// embed moves the files of an embed configuration. What is none is left for
// the compiler to complain of.
func (v View) embed(body string) string {
	var c struct {
		Patterns map[string][]string
		Files    map[string]string
	}
	if json.Unmarshal([]byte(body), &c) != nil {
		return body
	}
	for name, file := range c.Files {
		if filepath.IsAbs(file) {
			c.Files[name] = v.Path(file)
		}
	}
	moved, err := json.Marshal(c)
	if err != nil {
		return body
	}
	return string(moved)
}

// Env is an environment in which the tools find the toolchain in the view.
func (v View) Env(env []string) []string {
	env = slices.Clone(env)
	for i, e := range env {
		if name, value, _ := strings.Cut(e, "="); (name == "GOROOT" || name == "GOTOOLDIR") && filepath.IsAbs(value) {
			env[i] = name + "=" + v.Path(value)
		}
	}
	return env
}
