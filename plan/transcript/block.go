package transcript

import (
	"errors"
	"fmt"
	"slices"
)

// file appends the statement to the script.
func (p *parser) file() error {
	s := p.script
	s.lines = append(s.lines, p.ln)
	at := len(s.lines) - 1
	if p.ln.form == note {
		return nil
	}
	node := ""
	if p.ln.form != header {
		node = p.cmd.node()
	}
	if node == "" {
		p.pending = append(p.pending, pendingLine{line: at, cmd: p.cmd})
		return nil
	}
	block := p.block(node)
	for _, w := range p.pending {
		if ln := &s.lines[w.line]; ln.form == header {
			b := &s.Blocks[block]
			if b.Package != "" {
				return fmt.Errorf("second header %q for %s, which is %q", ln.text, node, b.Package)
			}
			b.Package = ln.text
		} else {
			p.append(w.line, block, w.cmd)
		}
	}
	p.pending = p.pending[:0]
	if p.ln.form == trial {
		if err := p.settleTrial(block); err != nil {
			return err
		}
	}
	p.append(at, block, p.cmd)
	return nil
}

// append puts a command at the end of its block. Before go1.24 nothing tells the trial link
// but that cgo -dynimport, behind it, reads what it makes.
func (p *parser) append(line int, block int32, c Command) {
	b := &p.script.Blocks[block]
	if i := slices.Index(c.Args, "-dynimport"); i >= 0 && i+1 < len(c.Args) && len(b.Commands) > 0 {
		if link := &b.Commands[len(b.Commands)-1]; link.Op == Run && slices.Contains(link.Args, c.Args[i+1]) {
			link.MayFail = true
		}
	}
	ln := &p.script.lines[line]
	ln.block, ln.index = block, int32(len(b.Commands))
	b.Commands = append(b.Commands, c)
}

// block returns the index of the node's block.
func (p *parser) block(node string) int32 {
	s := p.script
	if p.last < int32(len(s.Blocks)) && s.Blocks[p.last].Node == node {
		return p.last
	}
	i, ok := p.nodes[node]
	if !ok {
		i = int32(len(s.Blocks))
		s.Blocks = append(s.Blocks, Block{Node: node})
		p.nodes[node] = i
	}
	p.last = i
	return i
}

// settleTrial marks the trial link that p.cmd repeats. The repetition is
// printed without a directory, so its arguments are the link's true ones.
func (p *parser) settleTrial(block int32) error {
	commands := p.script.Blocks[block].Commands
	if len(commands) == 0 {
		return errors.New("a test for internal linking without the link")
	}
	link := &commands[len(commands)-1]
	if link.Op != Run {
		return errors.New("a test for internal linking without the link")
	}
	if !slices.Equal(link.Args, p.cmd.Args) {
		ln := printed{form: shownIn}
		fixed := *link
		fixed.Args = p.cmd.Args
		f := formatter{dir: link.Dir}
		want := string(f.format(&ln, link))
		if string(f.format(&ln, &fixed)) != want {
			return errors.New("the test for internal linking is not the link on the line before")
		}
		*link = fixed
	}
	link.MayFail = true
	return nil
}

// node returns the action's directory that c works in, "b012", or "".
func (c *Command) node() string {
	for _, arg := range c.Args {
		if node := NodeOf(arg); node != "" {
			return node
		}
	}
	return NodeOf(c.Dir)
}
