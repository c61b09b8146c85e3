package rank

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/sync/store"
)

// A run adds to the notes what it came to know, and no more; the file stays readable and of few parts.
func TestNotesAreAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	run := func(at int64, edited byte, executed ...string) {
		t.Helper()
		var b notebook
		for _, pkg := range []string{"p", "q", "r"} {
			b.note(&plan.Action{Kind: plan.Compile, Package: pkg}, []store.Part{{Label: "file " + pkg, Sum: [32]byte{edited}}}, false)
		}
		for _, pkg := range executed {
			b.note(&plan.Action{Kind: plan.Compile, Package: pkg}, []store.Part{{Label: "file " + pkg, Sum: [32]byte{edited, 1}}}, true)
		}
		if err := b.keep(path, "a run", time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() (map[string]note, int) {
		t.Helper()
		all, parts, err := readNotes(path)
		if err != nil {
			t.Fatal(err)
		}
		return all.Actions, parts
	}
	why := func(pkg string) (int64, []string) {
		all, _ := kept()
		n := all[noteName(&plan.Action{Kind: plan.Compile, Package: pkg})]
		return n.Run, n.Why
	}

	run(1, 1, "p", "q", "r")
	whole, _ := os.Stat(path)
	run(2, 1) // nothing was executed
	if again, _ := os.Stat(path); again.Size() != whole.Size() {
		t.Errorf("a run that executed nothing wrote %d bytes", again.Size()-whole.Size())
	}
	run(3, 2, "q")
	if all, parts := kept(); len(all) != 3 || parts != 2 {
		t.Errorf("%d actions in %d parts, want 3 in 2", len(all), parts)
	}
	if at, because := why("q"); at != 3 || !reflect.DeepEqual(because, []string{"file q changed"}) {
		t.Errorf("q was executed at %d because %q", at, because)
	}
	if at, because := why("p"); at != 1 || !reflect.DeepEqual(because, []string{"nothing like it was compiled here before"}) {
		t.Errorf("p was executed at %d because %q", at, because)
	}
	for at := int64(4); at < 4+maxNoteParts; at++ {
		run(at, byte(at), "r")
	}
	if all, parts := kept(); len(all) != 3 || parts > maxNoteParts {
		t.Errorf("%d actions in %d parts, want 3 in at most %d", len(all), parts, maxNoteParts)
	}
	if at, _ := why("q"); at != 3 {
		t.Errorf("when all was written anew, q's last time became %d", at)
	}

	// A part that was cut short, or is of another kind, takes the rest along: all is written anew.
	for _, damage := range []func([]byte) []byte{
		func(text []byte) []byte { return text[:len(text)-1] },
		func(text []byte) []byte { return append(text, 1) },
		func(text []byte) []byte { return append(text, 1, 0, 0, 0, 'x') },
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readNotes(path); err == nil {
			t.Error("damage was not noticed")
		}
		run(100, 5, "p")
		if all, parts := kept(); len(all) != 3 || parts != 1 {
			t.Errorf("%d actions in %d parts after damage, want 3 in 1", len(all), parts)
		}
	}
}

// Ranks of one run begin at different times, and each has its own notes.
func TestExplainKnowsTheLastRun(t *testing.T) {
	dir := t.TempDir()
	for _, ran := range []struct {
		rank int
		run  string
		at   int64
		pkg  string
	}{
		{2, "first", 100, "old"}, {0, "second", 200, "early"}, {1, "second", 201, "late"},
	} {
		var b notebook
		b.note(&plan.Action{Kind: plan.Compile, Package: ran.pkg}, nil, true)
		if err := b.keep(notesPath(dir, ran.rank), ran.run, time.Unix(ran.at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for pkg, want := range map[string]string{"old": "not in the last run; last on", "early": "executed in the last run", "late": "executed in the last run"} {
		var said strings.Builder
		if err := Explain(t.Context(), &said, dir, pkg); err != nil || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %q, %v", pkg, &said, err)
		}
	}
}
