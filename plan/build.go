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
// relative output mean. Measure tells what is in a source file, nothing where it is
// unknown; costs are estimated from it.
func New(script *transcript.Script, dir string, measure func(path string) Source) (*Plan, error) {
	b := builder{
		dir:  dir,
		plan: &Plan{GoVersion: script.GoVersion},
		made: map[string]ActionID{},
		file: map[string]ArtifactID{},
		copy: map[string][]string{},
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
		a.Cost, a.Text = estimate(a, measure)
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
	copy map[string][]string   // by node: files that are copied there, headers among them
	deps [][]string            // by action: foreign paths it reads, in order of mention
}

// block turns one block of the transcript into actions.
func (b *builder) block(block *transcript.Block) error {
	var commands []transcript.Command
	for _, c := range block.Commands {
		switch c.Op {
		case transcript.Probe:
			continue // trial runs, answered by package toolchain
		case transcript.BuildID:
			continue // rewrites the content half of a build ID; the only thing a program may differ in
		case transcript.Remove:
			continue // the scratch directory is removed whole
		}
		if isTool(&c, "compile") {
			var err error
			if c, err = splitCompile(c); err != nil {
				return err
			}
		}
		commands = append(commands, c)
	}
	for _, p := range cut(block.Node, commands) {
		b.add(p.kind, block, p.steps)
	}
	return nil
}

func (b *builder) add(kind ActionKind, block *transcript.Block, steps []transcript.Command) {
	id := ActionID(len(b.plan.Actions))
	name := block.Package // or what cmd/go reports in its stead
	var reads []string
	mention := func(s string) { reads = append(reads, mentioned(s)...) }
	argument := func(s string) { // a file, whatever is in its name, or what names files
		if file, ok := strings.CutPrefix(s, transcript.Work); ok && strings.Contains(file, "/") && !strings.HasSuffix(file, "/") {
			reads = append(reads, file)
		} else {
			mention(s)
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
		for i, arg := range c.Args {
			if i > 0 && c.Args[i-1] == "-trimpath" {
				continue // names, not files
			}
			argument(arg)
		}
		argument(c.Stdout)
		if isCCompile(c) {
			argument(absolute(c, c.Args[len(c.Args)-1]))
			// What it may include: the header that cgo makes for every package, and files of an overlay.
			mention(transcript.Work + block.Node + "/_cgo_export.h")
			reads = append(reads, b.copy[block.Node]...)
		}
		for _, out := range written(c) {
			b.made[out] = id
			if c.Op == transcript.Copy {
				b.copy[block.Node] = append(b.copy[block.Node], out)
			}
		}
		if name == "" && isTool(c, "preprofile") {
			name = c.Args[len(c.Args)-1]
		}
	}
	b.plan.Actions = append(b.plan.Actions, Action{
		ID: id, Kind: kind, Package: name, Node: block.Node, Steps: steps,
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
// path that nothing is known to write is made by its node's first action: cgo
// and cover write more than their arguments name.
func (b *builder) connect() error {
	first := map[string]ActionID{} // a node's compile, or what runs cgo before it
	for i := range b.plan.Actions {
		if _, ok := first[b.plan.Actions[i].Node]; !ok {
			first[b.plan.Actions[i].Node] = ActionID(i)
		}
	}
	for i := range b.plan.Actions {
		a := &b.plan.Actions[i]
		for _, p := range b.deps[i] {
			producer, ok := b.made[p]
			if !ok {
				if producer, ok = first[transcript.NodeOf(transcript.Work+p)]; !ok {
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

// mentioned lists the files below the scratch directory that a text names.
func mentioned(text string) []string {
	var files []string
	for {
		i := strings.Index(text, transcript.Work)
		if i < 0 {
			return files
		}
		text = text[i:]
		end := strings.IndexAny(text, "=>;:,\"' \t\n")
		if end < 0 {
			end = len(text)
		}
		p := strings.TrimPrefix(text[:end], transcript.Work)
		text = text[end:]
		if !strings.HasSuffix(p, "/") && strings.Contains(p, "/") { // else a directory
			files = append(files, p)
		}
	}
}

// outputFlags stand before a file that a tool writes.
var outputFlags = []string{"-o", "-linkobj", "-asmhdr", "-dynout"}

// absolute is a path that a command names, which runs in the scratch directory.
func absolute(c *transcript.Command, p string) string {
	if strings.HasPrefix(c.Dir, transcript.Work) && !path.IsAbs(p) && !strings.HasPrefix(p, transcript.Work) {
		return path.Join(c.Dir, p)
	}
	return p
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
			if slices.Contains(outputFlags, arg) && i+1 < len(c.Args) {
				put(absolute(c, c.Args[i+1]))
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
