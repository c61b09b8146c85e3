package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan/transcript"
)

// BuildID stands in every compile in place of cmd/go's action ID, so that
// export data of equal content is equal byte for byte. The linked program
// does not depend on it.
const BuildID = "distgo/distgo"

// Threads stands in a command's arguments where the number of threads of a
// tool is filled in by the rank that runs it.
const Threads = "$THREADS"

// New makes the plan of a transcript: an action for every package and program,
// with compiles split into export data and link object. Everything is owned by
// root until package schedule places it.
//
// Dir is the directory in which the go command ran, absolute: what "." and a
// relative output mean. Size tells the size in bytes of a source file, 0 where
// it is unknown; costs are estimated from it.
func New(script *transcript.Script, dir string, size func(path string) int64) (*Plan, error) {
	b := builder{
		dir:  dir,
		plan: &Plan{GoVersion: script.GoVersion},
		made: map[string]ActionID{},
		file: map[string]ArtifactID{},
	}
	for i := range script.Blocks {
		if err := b.block(&script.Blocks[i]); err != nil {
			return nil, err
		}
	}
	if err := b.connect(); err != nil {
		return nil, err
	}
	b.group()
	for i := range b.plan.Actions {
		a := &b.plan.Actions[i]
		a.Cost = estimate(a, size)
		a.Lead = a.Cost
	}
	b.plan.Owner = make([]Rank, len(b.plan.Actions))
	b.plan.Priority = BottomLevels(b.plan)
	return b.plan, nil
}

// builder collects what New has read so far.
type builder struct {
	dir  string
	plan *Plan
	made map[string]ActionID   // who writes a path below the scratch directory
	file map[string]ArtifactID // artifacts by the same paths
	deps [][]string            // by action: foreign paths it reads, in order of mention
}

// block turns one block of the transcript into actions. A block that compiles
// and links is two: they are executed at different times, perhaps on different
// ranks.
func (b *builder) block(block *transcript.Block) error {
	var compile, link []transcript.Command
	kind := Prepare
	for _, c := range block.Commands {
		switch c.Op {
		case transcript.Probe:
			continue // trial runs, answered by package toolchain
		case transcript.BuildID:
			continue // rewrites the content half of a build ID; the only thing a program may differ in
		case transcript.Remove:
			continue // the scratch directory is removed whole
		}
		if len(link) > 0 || c.Op == transcript.Write && path.Base(c.Args[0]) == "importcfg.link" {
			link = append(link, c)
			continue
		}
		if c.Op == transcript.Run && toolName(c.Args[0]) == "compile" {
			var err error
			if c, err = splitCompile(c); err != nil {
				return err
			}
			kind = Compile
		}
		compile = append(compile, c)
	}
	if kind == Compile {
		compile, link = joinArchive(block.Node, compile, link)
	}
	if len(compile) > 0 {
		b.add(kind, block, compile)
	}
	if len(link) > 0 {
		b.add(Link, block, link)
	}
	return nil
}

func (b *builder) add(kind ActionKind, block *transcript.Block, steps []transcript.Command) {
	id := ActionID(len(b.plan.Actions))
	var reads []string
	mention := func(s string) {
		for rest := s; ; {
			i := strings.Index(rest, transcript.Work)
			if i < 0 {
				return
			}
			rest = rest[i:]
			end := strings.IndexAny(rest, "=>;:,\"' \t\n")
			if end < 0 {
				end = len(rest)
			}
			p := strings.TrimPrefix(rest[:end], transcript.Work)
			rest = rest[end:]
			if strings.HasSuffix(p, "/") || !strings.Contains(p, "/") {
				continue // a directory
			}
			reads = append(reads, p)
		}
	}
	for i := range steps {
		c := &steps[i]
		if c.Dir == "" || c.Dir == "." {
			c.Dir = b.dir
		}
		if kind == Link {
			b.settle(c)
		}
		if c.Op == transcript.Write {
			if path.Base(c.Args[0]) == "importcfg" && kind == Compile {
				c.Body = exportImports(c.Body)
			}
			mention(c.Body)
		}
		for _, arg := range c.Args {
			mention(arg)
		}
		mention(c.Stdout)
		for _, out := range written(c) {
			b.made[out] = id
		}
	}
	b.plan.Actions = append(b.plan.Actions, Action{
		ID: id, Kind: kind, Package: block.Package, Node: block.Node, Steps: steps,
	})
	b.deps = append(b.deps, reads)
}

// settle makes the place of a program absolute.
func (b *builder) settle(c *transcript.Command) {
	switch c.Op {
	case transcript.Mkdir, transcript.Copy, transcript.Move, transcript.Join:
		to := &c.Args[len(c.Args)-1]
		if !strings.HasPrefix(*to, transcript.Work) && !path.IsAbs(*to) {
			*to = path.Join(b.dir, *to)
		}
	}
}

// connect turns the paths that actions mention into artifacts between them. A
// path in the directory of another node is that node's: its last action before
// the reader makes it.
func (b *builder) connect() error {
	last := map[string]ActionID{} // a node's compile or preparation
	for i := range b.plan.Actions {
		if b.plan.Actions[i].Kind != Link {
			last[b.plan.Actions[i].Node] = ActionID(i)
		}
	}
	for i := range b.plan.Actions {
		a := &b.plan.Actions[i]
		for _, p := range b.deps[i] {
			producer, ok := b.made[p]
			if !ok {
				if producer, ok = last[transcript.NodeOf(transcript.Work+p)]; !ok {
					return fmt.Errorf("%s of %s reads %s, which nothing in the transcript makes", a.Kind, a.Package, p)
				}
			}
			if producer == a.ID {
				continue
			}
			f, ok := b.file[p]
			if !ok {
				f = ArtifactID(len(b.plan.Artifacts))
				b.file[p] = f
				b.plan.Artifacts = append(b.plan.Artifacts, Artifact{ID: f, Kind: artifactKind(p), Path: p, Producer: producer})
				b.plan.Actions[producer].Outputs = append(b.plan.Actions[producer].Outputs, f)
			}
			if cs := b.plan.Artifacts[f].Consumers; len(cs) > 0 && cs[len(cs)-1] == a.ID {
				continue
			}
			b.plan.Artifacts[f].Consumers = append(b.plan.Artifacts[f].Consumers, a.ID)
			a.Inputs = append(a.Inputs, f)
		}
		slices.Sort(a.Inputs)
	}
	return nil
}

// group gives each action its depth. Transcripts are in dependency order, so
// one pass settles it.
func (b *builder) group() {
	for i := range b.plan.Actions {
		a := &b.plan.Actions[i]
		b.plan.Dependencies(a.ID, func(d ActionID) {
			a.Group = max(a.Group, b.plan.Actions[d].Group+1)
		})
	}
}

// splitCompile makes a compile write export data and link object to separate
// files (GOROOT/src/cmd/compile/internal/gc/obj.go, -linkobj), with the
// constant build ID and the number of threads left open.
func splitCompile(c transcript.Command) (transcript.Command, error) {
	args := make([]string, 0, len(c.Args)+2)
	var split, threads bool
	for i := 0; i < len(c.Args); i++ {
		arg := c.Args[i]
		switch {
		case arg == "-o" && i+1 < len(c.Args) && !split:
			object := c.Args[i+1]
			stem, ok := strings.CutSuffix(object, "/_pkg_.a")
			if !ok {
				return c, fmt.Errorf("transcript line %d: compile writes %s, not an archive _pkg_.a", c.Line, object)
			}
			args = append(args, "-o", stem+"/_pkg_.x", "-linkobj", object)
			split = true
			i++
		case arg == "-buildid" && i+1 < len(c.Args):
			args = append(args, "-buildid", BuildID)
			i++
		case strings.HasPrefix(arg, "-c=") && !threads:
			args = append(args, "-c="+Threads)
			threads = true
		default:
			args = append(args, arg)
		}
	}
	if !split {
		return c, fmt.Errorf("transcript line %d: compile without -o", c.Line)
	}
	c.Args = args
	return c, nil
}

// joinArchive handles `go build -o lib.a` of a package that is no program. The
// archive that is put in its place holds both halves of the compile; that is
// an action of its own, which like a link writes outside the scratch directory.
func joinArchive(node string, compile, link []transcript.Command) (before, after []transcript.Command) {
	archive := transcript.Work + node + "/_pkg_.a"
	for i := range compile {
		c := &compile[i]
		if (c.Op == transcript.Move || c.Op == transcript.Copy) && c.Args[0] == archive {
			c.Op = transcript.Join
			c.Args = []string{strings.TrimSuffix(archive, ".a") + ".x", archive, c.Args[1]}
			return compile[:i], append(slices.Clone(compile[i:]), link...)
		}
	}
	return compile, link
}

// exportImports makes an import configuration name export data.
func exportImports(body string) string {
	var b strings.Builder
	b.Grow(len(body))
	for line := range strings.Lines(body) {
		text := strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(text, "packagefile ") && strings.HasSuffix(text, "/_pkg_.a") {
			b.WriteString(strings.TrimSuffix(text, ".a"))
			b.WriteString(".x")
			b.WriteString(line[len(text):])
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// written lists the paths below the scratch directory that a command is known
// to write. Tools write more beside them; those are found by their node.
func written(c *transcript.Command) []string {
	var out []string
	put := func(p string) {
		if p, ok := strings.CutPrefix(p, transcript.Work); ok {
			out = append(out, p)
		}
	}
	switch c.Op {
	case transcript.Write, transcript.Pack:
		put(c.Args[0])
	case transcript.Copy, transcript.Move:
		put(c.Args[1])
	case transcript.Run:
		put(c.Stdout)
		for i, arg := range c.Args {
			if (arg == "-o" || arg == "-linkobj" || arg == "-asmhdr") && i+1 < len(c.Args) {
				put(c.Args[i+1])
			}
		}
	}
	return out
}

func artifactKind(p string) ArtifactKind {
	switch path.Base(p) {
	case "_pkg_.x":
		return Export
	case "_pkg_.a":
		return Object
	}
	return Other
}

// toolName is the base name of a tool, without the suffix it has on Windows.
func toolName(p string) string {
	return strings.TrimSuffix(path.Base(p), ".exe")
}
