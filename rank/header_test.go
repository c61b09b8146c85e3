package rank

import (
	"path/filepath"
	"testing"
)

// What the go command reads of a source to make a plan is in its header; what
// stands behind it is not.
func TestHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.go")
	is := func(text string) uint64 {
		t.Helper()
		write(t, path, text)
		h, err := header(path)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	const body = "\n//go:embed *.txt\nvar s string\nfunc f() { print(1) }\n"
	base := is("package x\n\nimport \"embed\"\n" + body)
	if is("package x\n\nimport \"embed\"\n"+body+"// more\nfunc g() {}\n") != base {
		t.Error("a function makes another header")
	}
	for what, text := range map[string]string{
		"an import":                "package x\n\nimport (\n\t\"embed\"\n\t\"strings\"\n)\n" + body,
		"a second declaration":     "package x\n\nimport \"embed\"\nimport \"strings\"\n" + body,
		"a build constraint":       "//go:build linux\n\npackage x\n\nimport \"embed\"\n" + body,
		"another name":             "package y\n\nimport \"embed\"\n" + body,
		"the preamble of cgo":      "package x\n\n// #cgo LDFLAGS: -lm\nimport \"C\"\nimport \"embed\"\n" + body,
		"another pattern":          "package x\n\nimport \"embed\"\n\n//go:embed *.html\nvar s string\n",
		"a pattern less":           "package x\n\nimport \"embed\"\n",
		"a go:debug directive":     "//go:debug panicnil=1\npackage x\n\nimport \"embed\"\n" + body,
		"an import of nothing new": "package x\n\nimport _ \"embed\"\n" + body,
	} {
		if is(text) == base {
			t.Errorf("%s does not make another header", what)
		}
	}
	write(t, path, "package\n")
	if _, err := header(path); err == nil {
		t.Error("what is no Go has a header")
	}
}
