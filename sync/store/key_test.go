package store

import (
	"slices"
	"testing"
)

// TestKeysDiffer: no two different lists of inputs have one key.
func TestKeysDiffer(t *testing.T) {
	a, b := Digest{1}, Digest{2}
	keys := map[Key]string{}
	for name, k := range map[string]*KeyBuilder{
		"nothing":         NewKey("compile"),
		"another kind":    NewKey("link"),
		"a list":          NewKey("compile").Strings("args", "a", "b"),
		"run together":    NewKey("compile").Strings("args", "ab"),
		"other border":    NewKey("compile").Strings("args", "a", "", "b"),
		"other order":     NewKey("compile").Strings("args", "b", "a"),
		"other label":     NewKey("compile").Strings("env", "a", "b"),
		"two lists":       NewKey("compile").Strings("args", "a").Strings("args", "b"),
		"empty list":      NewKey("compile").Strings("args"),
		"empty string":    NewKey("compile").Strings("args", ""),
		"a file":          NewKey("compile").Digest("source", a),
		"another file":    NewKey("compile").Digest("source", b),
		"two files":       NewKey("compile").Digest("source", a).Digest("source", b),
		"exchanged":       NewKey("compile").Digest("source", b).Digest("source", a),
		"exchanged names": NewKey("compile").Digest("source ", a).Digest("source", b),
	} {
		if other, ok := keys[k.Sum()]; ok {
			t.Errorf("%q and %q have one key", name, other)
		}
		keys[k.Sum()] = name
	}
	x, y := NewKey("compile").Strings("args", "a", "b").Digest("f", a), NewKey("compile").Strings("args", "a", "b").Digest("f", a)
	if x.Sum() != y.Sum() {
		t.Error("the same inputs have two keys")
	}
	if !slices.Equal(x.Parts(), y.Parts()) || len(x.Parts()) != 3 || x.Parts()[2] != (Part{"f", a}) {
		t.Errorf("parts %v", x.Parts())
	}
}

// TestKeyFormat holds keys still: they may change only with keyFormat.
func TestKeyFormat(t *testing.T) {
	is := NewKey("compile").Strings("args", "-p", "main").Digest("main.go", Digest{1, 2, 3}).Sum().String()
	const want = "fc3d61309a1bdaba1773e4a8831f74d1ea23843a94cdbb6a6418b322e4410dea"
	if is != want {
		t.Errorf("the key is %s, was %s: change keyFormat with it", is, want)
	}
}

func TestParseDigest(t *testing.T) {
	d := Digest{0xab, 31: 0xcd}
	if is, err := ParseDigest(d.String()); err != nil || is != d {
		t.Errorf("%v, %v", is, err)
	}
	for _, s := range []string{"", "ab", d.String() + "0", d.String()[1:], "AB" + d.String()[2:], "../" + d.String()[3:]} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("%q is a digest", s)
		}
	}
}
