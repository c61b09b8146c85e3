package store

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// What one store gives another is there whole, or not at all.
func TestParcel(t *testing.T) {
	from := open(t, filepath.Join(t.TempDir(), "store"))
	a, err := from.PutReader(bytes.NewReader([]byte("export data")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := from.PutReader(bytes.NewReader([]byte("objects")))
	if err != nil {
		t.Fatal(err)
	}
	key := NewKey("compile").Strings("a", "b").Sum()
	entry := Entry{Name: "fmt", Outputs: []Output{{"x", a}, {"a", b}, {"again", a}}, Text: "a warning"}
	if err := from.Commit(key, entry); err != nil {
		t.Fatal(err)
	}
	p, ok := from.Parcel(key)
	if !ok || len(p.Files) != 2 || p.Size != a.Size+b.Size {
		t.Fatalf("%+v, %v", p, ok)
	}
	var sent []byte
	for _, f := range p.Files {
		in, err := from.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		sent = append(sent, text...)
	}
	flipped := bytes.Clone(sent)
	flipped[len(flipped)-1] ^= 1
	for what, c := range map[string]struct {
		entry, files []byte
		good         bool
	}{
		"what was sent":   {p.Entry, sent, true},
		"a flipped bit":   {p.Entry, flipped, false},
		"a part of it":    {p.Entry, sent[:len(sent)-1], false},
		"half an entry":   {p.Entry[:len(p.Entry)/2], sent, false},
		"nothing but one": {p.Entry, nil, false},
	} {
		to := open(t, filepath.Join(t.TempDir(), "store"))
		err := to.Accept(key, c.entry, bytes.NewReader(c.files))
		if (err == nil) != c.good {
			t.Errorf("%s: %v", what, err)
		}
		got, found := to.Lookup(key)
		if found != c.good || found && got.Text != entry.Text {
			t.Errorf("%s: found %v: %+v", what, found, got)
		}
		if left, _ := os.ReadDir(filepath.Join(to.Dir(), "tmp")); len(left) > 0 && c.good {
			t.Errorf("%s leaves %v", what, left)
		}
	}
	if _, ok := from.Parcel(NewKey("link").Sum()); ok {
		t.Error("there is a parcel of nothing")
	}
}
