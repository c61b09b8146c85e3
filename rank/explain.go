package rank

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/sync/store"
)

// Each rank notes which inputs its actions had, and says of those that it
// executed which of them were others than before. The notes of a rank are one
// file in its node's store, to which a run adds what is not there already: what
// stands later counts.

// A note is what is remembered of one action.
type note struct {
	Kind    string            `msgpack:"k"`
	Package string            `msgpack:"p"`
	Inputs  map[string]uint64 `msgpack:"i"`
	Run     int64             `msgpack:"r"` // when it was executed last, in seconds since 1970; 0 if never
	Why     []string          `msgpack:"w"` // the inputs that were others then
}

type notes struct {
	Last    int64           `msgpack:"l"`           // when the last run that executed anything began on this rank
	ID      string          `msgpack:"i,omitempty"` // its ID, which all its ranks have in common
	Actions map[string]note `msgpack:"a"`
}

// notebook collects the notes of one run. It may be used from any goroutine.
type notebook struct {
	mu       sync.Mutex
	seen     map[string]note // guarded by mu
	executed map[string]bool // guarded by mu

	recalling sync.Once
	before    notes // as the file had them
	parts     int   // of the file; 0 where it is to be written anew
}

const (
	maxNotes = 32 << 20 // packed; 20,000 actions take 4 MB
	// maxNoteParts is how many runs add to the file before it is written anew.
	maxNoteParts = 50
)

// noteOf names an action across runs: a package may be built in variants, whose
// node's number need not stay.
func noteName(a *plan.Action) string {
	last := ""
	if a.Kind == plan.Prepare && len(a.Steps) > 0 {
		if args := a.Steps[len(a.Steps)-1].Args; len(args) > 0 {
			last = filepath.Base(args[len(args)-1]) // the C file
		}
	}
	return a.Kind.String() + " " + a.Package + " " + last
}

func (b *notebook) note(a *plan.Action, parts []store.Part, executed bool) {
	n := note{Kind: a.Kind.String(), Package: a.Package, Inputs: map[string]uint64{}}
	count := map[string]int{}
	for _, p := range parts {
		label := p.Label
		if count[label]++; count[label] > 1 {
			label = fmt.Sprintf("%s (%d)", label, count[label])
		}
		n.Inputs[label] = digest64(p.Sum[:])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen, b.executed = map[string]note{}, map[string]bool{}
	}
	name := noteName(a)
	b.seen[name] = n
	b.executed[name] = executed
}

// recall reads the file at path, which keep will add to.
func (b *notebook) recall(path string) {
	b.recalling.Do(func() {
		var err error
		if b.before, b.parts, err = readNotes(path); err != nil {
			b.before, b.parts = notes{Actions: map[string]note{}}, 0 // what cannot be read explains nothing
		}
	})
}

// keep adds what was noted in a run that began then to the file at path.
func (b *notebook) keep(path, run string, began time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(slices.Collect(maps.Values(b.executed)), true) {
		return nil
	}
	b.recall(path)
	added := notes{Last: began.Unix(), ID: run, Actions: map[string]note{}}
	for name, n := range b.seen {
		before, known := b.before.Actions[name]
		n.Run, n.Why = before.Run, before.Why
		if b.executed[name] {
			n.Run, n.Why = added.Last, []string{"nothing like it was compiled here before"}
			if known {
				n.Why = differences(before.Inputs, n.Inputs)
			}
		} else if known && maps.Equal(before.Inputs, n.Inputs) {
			continue
		}
		added.Actions[name] = n
	}
	add := b.parts > 0 && b.parts < maxNoteParts
	if !add {
		for name, n := range b.before.Actions {
			if _, newer := added.Actions[name]; !newer {
				added.Actions[name] = n
			}
		}
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	packed, err := pack(z, added)
	if err != nil {
		return err
	}
	part := append(binary.LittleEndian.AppendUint32(nil, uint32(len(packed))), packed...)
	if add {
		return extend(path, part)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".notes-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(part)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// extend adds to the end of a file that is there.
func extend(path string, part []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(part)
	return errors.Join(err, f.Close())
}

// differences names the inputs that are not the same. A command holds the
// digests of what it reads; it is named only where nothing else is.
func differences(before, now map[string]uint64) []string {
	var why, commands []string
	note := func(label, what string) {
		if strings.HasPrefix(label, "command") {
			commands = append(commands, "the commands are others: flags, or the files of the package")
		} else {
			why = append(why, label+" "+what)
		}
	}
	for label, sum := range now {
		if was, ok := before[label]; !ok {
			note(label, "is new")
		} else if was != sum {
			note(label, "changed")
		}
	}
	for label := range before {
		if _, ok := now[label]; !ok {
			note(label, "is gone")
		}
	}
	if len(why) == 0 {
		why = commands
	}
	if len(why) == 0 {
		why = []string{"nothing: what it made is not in the store (any more), or -a was given"}
	}
	slices.Sort(why)
	return slices.Compact(why)
}

// readNotes reads a file of notes, and tells of how many parts it consists.
func readNotes(path string) (all notes, parts int, err error) {
	all = notes{Actions: map[string]note{}}
	text, err := readBounded(path, maxNotes)
	if errors.Is(err, fs.ErrNotExist) {
		return all, 0, nil
	}
	for err == nil && len(text) > 0 {
		if len(text) < 4 || uint64(binary.LittleEndian.Uint32(text)) > uint64(len(text)-4) {
			return all, parts, errors.New("it is cut short")
		}
		end := 4 + int(binary.LittleEndian.Uint32(text))
		var part notes
		err = unpack(text[4:end], &part)
		all.Last, all.ID = part.Last, part.ID
		maps.Copy(all.Actions, part.Actions)
		text, parts = text[end:], parts+1
	}
	return all, parts, err
}

// notesPath is where a rank of a node keeps its notes.
func notesPath(dir string, rank int) string {
	return filepath.Join(dir, fmt.Sprintf("notes-%d", rank))
}

// Explain says why the actions of a package were executed in the last run of
// this node, as the store in dir has it.
func Explain(_ context.Context, w io.Writer, dir, pkg string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "notes-*"))
	if err != nil {
		return err
	}
	type known struct {
		note
		ranks *notes // those that it is from
	}
	var found []known
	var last notes
	for _, path := range paths {
		all, _, err := readNotes(path)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if all.Last > last.Last {
			last = all
		}
		for _, n := range all.Actions {
			if n.Package == pkg || strings.HasSuffix(n.Package, "/"+pkg) {
				found = append(found, known{n, &all})
			}
		}
	}
	if len(found) == 0 {
		return usage("nothing is known of package %s in %s; give its import path, and build it on this node first", pkg, dir)
	}
	slices.SortFunc(found, func(a, b known) int {
		return cmp.Or(cmp.Compare(b.Run, a.Run), strings.Compare(a.Package, b.Package), strings.Compare(a.Kind, b.Kind))
	})
	var text bytes.Buffer
	for _, n := range found {
		switch {
		case n.Run == 0:
			continue // always out of the store
		case n.Run < n.ranks.Last || n.ranks.ID != last.ID:
			fmt.Fprintf(&text, "%s %s: not in the last run; last on %s, because\n", n.Kind, n.Package, time.Unix(n.Run, 0).Format(time.DateTime))
		default:
			fmt.Fprintf(&text, "%s %s: executed in the last run, because\n", n.Kind, n.Package)
		}
		for _, why := range n.Why {
			fmt.Fprintf(&text, "\t%s\n", why)
		}
	}
	if text.Len() == 0 {
		fmt.Fprintf(&text, "%s: not executed here; it always came out of the store\n", pkg)
	}
	_, err = w.Write(text.Bytes())
	return err
}
