package rank

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/sync/store"
)

// key computes the key of an action whose inputs are all here.
func (c *cache) key(a *plan.Action) (store.Key, bool, error) {
	k := store.NewKey(a.Kind.String()).Strings("compiler", c.compiler).Strings("environment", toolEnv(c.plan.Env)...)
	sources, kept, err := c.sources(a)
	if !kept || err != nil {
		return store.Key{}, false, err
	}
	inputs := map[string]string{}
	for _, in := range a.Inputs {
		digest, ok := c.exchange.Digest(c.file(in))
		if !ok {
			return store.Key{}, false, nil // made by an action that is not kept, and needed nowhere else
		}
		inputs[c.plan.Artifacts[in].Path] = digest.String()
	}
	roots := trimmed(a)
	for i := range a.Steps {
		s := &a.Steps[i]
		words := append([]string{fmt.Sprint(s.Op)}, s.Env...)
		if s.Op == transcript.Run && len(roots) == 0 {
			words = append(words, s.Dir) // recorded in the object
		}
		for _, arg := range append(slices.Clone(s.Args), s.Body) {
			if a.Kind == plan.Link && s.Op != transcript.Run && filepath.IsAbs(arg) {
				continue // where the program goes says nothing about what it is
			}
			words = append(words, normal(arg, a.Node, inputs, roots))
		}
		k.Strings("command", words...)
	}
	files := map[string]store.Digest{} // by what it is called wherever it lies
	for path := range sources {
		f, err := c.store.Source(path)
		if err != nil {
			return store.Key{}, false, err
		}
		files[normal(path, a.Node, inputs, roots)] = f.Digest
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k.Digest("file "+name, files[name])
	}
	return k.Sum(), true, nil
}

// normal makes a word of a command independent of the numbers that the go
// command gave to nodes, and of directories that -trimpath removes: other
// nodes' files are named by content, trimmed directories by what they become.
func normal(s, node string, inputs map[string]string, roots [][2]string) string {
	if strings.Contains(s, transcript.Work) {
		var b strings.Builder
		for {
			before, rest, ok := strings.Cut(s, transcript.Work)
			b.WriteString(before)
			if !ok {
				break
			}
			end := strings.IndexAny(rest, "=>;:,\"' \t\n")
			if end < 0 {
				end = len(rest)
			}
			path := rest[:end]
			s = rest[end:]
			own := path == node || strings.HasPrefix(path, node+"/")
			switch digest, foreign := inputs[path]; {
			case foreign:
				b.WriteString("sha256:" + digest)
			case own:
				b.WriteString(transcript.Work + "node" + strings.TrimPrefix(path, node))
			default:
				b.WriteString(transcript.Work + path)
			}
		}
		s = b.String()
	}
	for _, r := range roots {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}

// trimmed lists the directories that a compile's -trimpath rewrites, with what
// they become. Without -trimpath there are none but the scratch directory's.
func trimmed(a *plan.Action) [][2]string {
	var roots [][2]string
	for i := range a.Steps {
		args := a.Steps[i].Args
		for j, arg := range args {
			if arg != "-trimpath" || j+1 == len(args) {
				continue
			}
			for pair := range strings.SplitSeq(args[j+1], ";") {
				from, to, ok := strings.Cut(pair, "=>")
				if ok && filepath.IsAbs(from) && !slices.Contains(roots, [2]string{from, to}) {
					roots = append(roots, [2]string{from, to})
				}
			}
		}
	}
	return roots
}

// toolEnv is the part of the environment that the Go tools read.
func toolEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !strings.HasPrefix(name, "GO") || name == "GOROOT" || name == "GOTOOLDIR" || name == "GOMAXPROCS" || name == "GOGC" || name == "GOMEMLIMIT"
	})
}
