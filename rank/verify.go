package rank

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
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
	if bytes.Equal(blankIDs(x), blankIDs(y)) {
		return SameButID, nil
	}
	return Different, nil
}

// blankIDs takes the build IDs out of a program or an archive; what it does not know it leaves as it is.
func blankIDs(made []byte) []byte {
	if members, ok := bytes.CutPrefix(made, []byte(archiveMagic)); ok {
		return withoutIDs(members)
	}
	f, err := elf.NewFile(bytes.NewReader(made))
	if err != nil {
		return made
	}
	defer f.Close()
	return blankNotes(f, made)
}

// blankNotes zeroes the contents of an ELF program's build ID notes, and the Go
// build ID wherever else it stands.
func blankNotes(f *elf.File, program []byte) []byte {
	out := bytes.Clone(program)
	size := uint64(len(out))
	for _, s := range f.Sections {
		const header = 16 // sizes, type, and a name of four bytes
		if s.Name != ".note.go.buildid" && s.Name != ".note.gnu.build-id" || s.Offset > size || s.FileSize > size-s.Offset || s.FileSize <= header {
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

// withoutIDs gives the names and contents of an archive's members, without the line that holds the build ID of an object.
func withoutIDs(members []byte) []byte {
	var out bytes.Buffer
	const header = 60 // name, date, owner, group, mode, size, mark
	for len(members) >= header {
		name, text := members[:16], string(bytes.TrimSpace(members[48:58]))
		size, err := strconv.Atoi(text)
		members = members[header:]
		if err != nil || size < 0 || size > len(members) {
			break
		}
		content := members[:size]
		members = members[min(size+size%2, len(members)):]
		if head, rest, ok := bytes.Cut(content, []byte("\nbuild id ")); ok && bytes.HasPrefix(head, []byte("go object ")) && !bytes.Contains(head, []byte("\n")) {
			_, rest, _ = bytes.Cut(rest, []byte("\n"))
			content = slices.Concat(head, []byte("\n"), rest)
		} else {
			content = blankIDs(content) // an object for C
		}
		fmt.Fprintf(&out, "%s %d\n%s", name, len(content), content)
	}
	out.Write(members) // of a damaged archive
	return out.Bytes()
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
	request.Output = dir + string(filepath.Separator)
	if linked := linked(targets); len(linked) == 1 { // what else is made is put beside it
		request.Output = filepath.Join(dir, filepath.Base(linked[0]))
	}
	if err := tools.Build(ctx, request); err != nil {
		return fmt.Errorf("go build, asked to verify: %w", err)
	}
	for _, made := range targets {
		reference := filepath.Join(dir, filepath.Base(made))
		if absent(made) && absent(reference) { // the header of a library that exports nothing
			continue
		}
		verdict, err := Compare(made, reference)
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

// linked are the targets but for C headers of libraries.
func linked(targets []string) []string {
	return slices.DeleteFunc(slices.Clone(targets), func(t string) bool { return filepath.Ext(t) == ".h" && len(targets) > 1 })
}

func absent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// verifiable refuses to verify a program in which the build ID, which is the builder's own, cannot be told from the rest.
// The linker puts it into a note of its own in ELF files alone (cmd/link/internal/ld, go1.26).
func verifiable(p *plan.Plan, goos string) error {
	if !slices.Contains([]string{"windows", "darwin", "ios", "js", "wasip1", "aix", "plan9"}, goos) {
		return nil
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Kind != plan.Link {
			continue
		}
		for _, c := range a.Steps {
			if c.Op == transcript.Run && !slices.Contains(c.Args, "-buildid=") {
				return usage("--verify cannot tell the build ID from the rest of a program for %s: build it without one, as with -- -ldflags=-buildid=", goos)
			}
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
