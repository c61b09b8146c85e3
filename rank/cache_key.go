package rank

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/sync/store"
)

// keyed is the key of an action, as far as it is known before the action is
// executed.
type keyed struct {
	*store.KeyBuilder
	traced  bool // its C compilers read more, which completes the key
	roots   [][2]string
	sources map[string]store.Digest // the files it was made of, where they are read in their places
}

// key computes the key of an action whose inputs are all here. It is that of
// the action as root planned it, under root's paths, also where root's files are
// not: they need not have been sent.
func (c *cache) key(ctx context.Context, a *plan.Action) (keyed, bool, error) {
	k := store.NewKey(a.Kind.String()).Strings("compiler", c.compiler).Strings("environment", toolEnv(c.plan.Env)...)
	traced, kept := c.tells(a)
	if !kept {
		return keyed{}, false, nil
	}
	sources, err := c.contents(a)
	if err != nil {
		return keyed{}, false, err
	}
	if traced {
		k.Strings("environment of C compilers", cEnv(c.plan.Env)...)
		own, err := c.tracer.compilersOf(ctx, a)
		if err != nil {
			return keyed{}, false, nil // a compiler that does not answer is asked to compile, and will have words
		}
		for _, path := range own {
			f, err := c.store.Source(path)
			if err != nil {
				return keyed{}, false, err
			}
			k.Digest("C compiler "+path, f.Digest)
		}
	}
	inputs := map[string]string{}
	named := map[string]store.Digest{}
	for _, in := range a.Inputs {
		digest, ok := c.exchange.Digest(c.file(in))
		if !ok {
			return keyed{}, false, nil // made by an action that is not kept, and needed nowhere else
		}
		f := &c.plan.Artifacts[in]
		inputs[f.Path] = digest.String()
		named[c.plan.Actions[f.Producer].Package+" "+filepath.Base(f.Path)+" "+digest.String()] = store.Digest(digest)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		k.Digest("import "+name[:strings.LastIndex(name, " ")], named[name]) // which is in the commands, too; here it has a name
	}
	roots := trimmed(a)
	files := map[string]store.Digest{} // by what it is called wherever it lies
	for i := range a.Steps {
		s := &a.Steps[i]
		words := append([]string{fmt.Sprint(s.Op)}, s.Env...)
		if s.Op == transcript.Run && len(roots) == 0 && a.Kind != plan.Link && !namesFiles(s) {
			words = append(words, s.Dir) // recorded in the object
		}
		for _, arg := range append(slices.Clone(s.Args), s.Body) {
			if a.Kind == plan.Link && s.Op != transcript.Run && filepath.IsAbs(arg) {
				continue // where the program goes says nothing about what it is
			}
			if a.Kind == plan.Link && isBuildID(arg) {
				arg = buildID // which is made of this key
			}
			words = append(words, normal(arg, a.Node, inputs, roots))
		}
		k.Strings("command", words...)
	}
	for path, digest := range sources {
		files[normal(path, a.Node, inputs, roots)] = digest
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		k.Digest("file "+name, files[name])
	}
	made := keyed{KeyBuilder: k, traced: traced, roots: roots}
	if c.listed == nil {
		made.sources = sources
	}
	return made, true, nil
}

// namesFiles reports whether a command is a compile whose files are named in
// full. It makes the same wherever it is started: the go command starts those of
// the standard library wherever it was started itself.
func namesFiles(s *transcript.Command) bool {
	return filepath.Base(s.Args[0]) == "compile" && !slices.ContainsFunc(s.Args, func(arg string) bool {
		return filepath.Ext(arg) == ".go" && !filepath.IsAbs(arg) && !strings.HasPrefix(arg, transcript.Work)
	})
}

const buildID = "-buildid="

// isBuildID reports whether a linker's argument is the build ID that the go
// command gave to a program (buildID in GOROOT/src/cmd/go/internal/work/buildid.go:
// four hashes), and not one that the user chose.
func isBuildID(arg string) bool {
	return strings.HasPrefix(arg, buildID) && strings.Count(arg, "/") == 3
}

// identify gives a program the key of its link as build ID. The one in the plan
// was made when the plan was, perhaps of other sources; two programs must not
// pass for the same one. It is as long as go build's, so that everything else
// lies where it lies there.
func (k keyed) identify(a *plan.Action) *plan.Action {
	sum := k.Sum()
	hash := base64.RawURLEncoding.EncodeToString(sum[:15]) // as long as in cmd/go/internal/cache.HashToString
	identified := *a
	identified.Steps = slices.Clone(a.Steps)
	for i := range identified.Steps {
		s := &identified.Steps[i]
		s.Args = slices.Clone(s.Args)
		for j, arg := range s.Args {
			if isBuildID(arg) {
				s.Args[j] = buildID + strings.Join([]string{hash, hash, hash, hash}, "/")
			}
		}
	}
	return &identified
}

// complete adds to a key the files that C compilers read, as they are now.
func (k keyed) complete(s *store.Store, files []string) (*store.KeyBuilder, error) {
	done := k.Clone()
	for _, path := range files {
		f, err := s.Source(path)
		if err != nil {
			return nil, err
		}
		done.Digest("read "+k.portable(path), f.Digest)
	}
	return done, nil
}

// portable names a file by what its directory becomes, if that is trimmed: two
// checkouts have the same list, each of its own files.
func (k keyed) portable(path string) string {
	for i, r := range k.roots {
		if rest, ok := strings.CutPrefix(path, r[0]+"/"); ok {
			return fmt.Sprintf("%d/%s", i, rest)
		}
	}
	return path
}

// local undoes portable.
func (k keyed) local(name string) string {
	i, rest, ok := strings.Cut(name, "/")
	if n, err := strconv.Atoi(i); ok && err == nil && n >= 0 && n < len(k.roots) {
		return k.roots[n][0] + "/" + rest
	}
	return name
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

// trimmed lists the directories that a compile's -trimpath rewrites, or a C
// compiler's -ffile-prefix-map, with what they become. Without -trimpath there are none but the scratch directory's.
func trimmed(a *plan.Action) [][2]string {
	var roots [][2]string
	for i := range a.Steps {
		args := a.Steps[i].Args
		for j, arg := range args {
			if pair, ok := strings.CutPrefix(arg, "-ffile-prefix-map="); ok {
				// The last one wins, the others are of the same kind.
				from, to, ok := strings.Cut(pair, "=")
				if ok && filepath.IsAbs(from) && !slices.Contains(roots, [2]string{from, to}) {
					roots = append(roots, [2]string{from, to})
				}
			}
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
