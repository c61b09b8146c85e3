package rank

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/toolchain"
)

// Verdict says how alike two programs are.
type Verdict uint8

// The verdicts of Compare.
const (
	Different Verdict = iota
	SameButID         // equal but for the Go build ID and the GNU build ID derived from it
	Same
)

func (v Verdict) String() string {
	return [...]string{"different", "equal but for the build ID", "equal"}[v]
}

// Compare reads two programs into memory and compares them byte for byte, the
// second time with their build IDs blanked.
func Compare(a, b string) (Verdict, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return Different, err
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return Different, err
	}
	if bytes.Equal(x, y) {
		return Same, nil
	}
	if len(x) == len(y) && bytes.Equal(blankIDs(x), blankIDs(y)) {
		return SameButID, nil
	}
	return Different, nil
}

// blankIDs zeroes the contents of an ELF program's build ID notes, and the Go
// build ID wherever else it stands.
func blankIDs(program []byte) []byte {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return program // not ELF: no notes to blank
	}
	defer f.Close()
	out := bytes.Clone(program)
	for _, s := range f.Sections {
		if s.Name != ".note.go.buildid" && s.Name != ".note.gnu.build-id" || s.Offset+s.FileSize > uint64(len(out)) {
			continue
		}
		const header = 16 // sizes, type, and a name of four bytes
		if s.FileSize <= header {
			continue
		}
		note := out[s.Offset+header : s.Offset+s.FileSize]
		id := bytes.TrimRight(bytes.Clone(note), "\x00")
		clear(note)
		if s.Name == ".note.go.buildid" && len(id) > 0 {
			out = bytes.ReplaceAll(out, id, make([]byte, len(id)))
		}
	}
	return out
}

// verify builds the request with a real go build and compares what it makes
// with what stands at the plan's targets.
func verify(ctx context.Context, cfg Config, tools *toolchain.Toolchain, p *plan.Plan, scratch string) error {
	targets := p.Targets()
	if len(targets) == 0 {
		fmt.Fprintln(cfg.Stderr, "distgo: nothing to verify: no program was linked")
		return nil
	}
	dir := filepath.Join(scratch, "verify")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	request := cfg.Request
	request.Output = filepath.Join(dir, filepath.Base(targets[0]))
	if len(targets) > 1 {
		request.Output = dir + string(filepath.Separator)
	}
	if err := tools.Build(ctx, request); err != nil {
		return fmt.Errorf("go build, asked to verify: %w", err)
	}
	for _, made := range targets {
		verdict, err := Compare(made, filepath.Join(dir, filepath.Base(made)))
		if err != nil {
			return err
		}
		if verdict == Different {
			return unlike(ctx, cfg.Request, tools, p, scratch, made)
		}
		if !cfg.Quiet {
			fmt.Fprintf(cfg.Stderr, "distgo: verified: %s and go build's are %s\n", made, verdict)
		}
	}
	return nil
}

// unlike says that a program is not go build's, and where to look.
func unlike(ctx context.Context, request toolchain.Request, tools *toolchain.Toolchain, p *plan.Plan, scratch, made string) error {
	first, err := firstDifference(ctx, request, tools, p, scratch)
	where := "the objects of its packages are go build's"
	switch {
	case err != nil:
		where = fmt.Sprintf("its packages cannot be compared: %v", err)
	case first != "":
		where = "the first package whose objects differ is " + first
	case p.Pipelined:
		where = "with --pipeline=off the package can be named"
	}
	return fmt.Errorf("%s is not the program that go build makes: %s; please report this, with what --keep-work leaves", made, where)
}
