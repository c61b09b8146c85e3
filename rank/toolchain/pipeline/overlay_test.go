package pipeline

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// versions are the toolchains that the edits are meant for; "" is the one
// that runs the tests.
var versions = append([]string{"", "go1.25.5"}, withoutTypes...)

// withoutTypes are those whose compilers hand out no types.
var withoutTypes = []string{"go1.24.11", "go1.23.12"}

// installed returns the Go of a version, if this machine has it.
func installed(t *testing.T, version string) Go {
	t.Helper()
	cmd := exec.Command("go", "env", "GOROOT", "GOVERSION")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	if version != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+version)
	}
	out, err := cmd.Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 2 {
		t.Skipf("no %s toolchain on this machine (`GOTOOLCHAIN=%s go version` downloads it)", version, version)
	}
	return Go{Root: words[0], Version: words[1]}
}

func TestEditsMatch(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			goCmd := installed(t, version)
			overlay, types, err := Edits(goCmd.Root)
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range overlay {
				if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
					t.Error(err)
				}
			}
			if (types == TypesEnv) != !slices.Contains(withoutTypes, version) {
				t.Errorf("types: %q", types)
			}
			always := slices.Concat(edits[:], hugeEdits[:])
			for i, e := range slices.Concat(always, typesEdits[:]) {
				text := overlay[filepath.Join(goCmd.Root, "src", e.file)]
				if made := i < len(always) || types != ""; strings.Contains(string(text), e.new) != made {
					t.Errorf("%s: an edit is made: %t, want %t", e.file, !made, made)
				}
			}
		})
	}
}

// fakeRoot is a GOROOT with what Edits and identity read, and no more.
func fakeRoot(t *testing.T) Go {
	t.Helper()
	goCmd := installed(t, "")
	root := t.TempDir()
	files := []string{"VERSION", stockCompiler()}
	for _, e := range slices.Concat(edits[:], hugeEdits[:], typesEdits[:]) {
		files = append(files, filepath.Join("src", e.file))
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(goCmd.Root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), string(text))
	}
	return Go{Root: root, Version: goCmd.Version}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestEditsRefuse(t *testing.T) {
	objfile := "cmd/internal/obj/objfile.go"
	of := func(file string) int {
		return slices.IndexFunc(edits[:], func(e edit) bool { return e.file == file })
	}
	for _, test := range []struct {
		name   string
		change func(text string) string
		want   string
	}{
		{"altered", func(s string) string {
			return strings.Replace(s, "switch rs.PkgIdx {", "switch idx := rs.PkgIdx; idx {", 1)
		},
			"edit 1 of " + objfile + " does not match"},
		{"twice", func(s string) string { return s + edits[of(objfile)].old },
			"edit 1 of " + objfile + " does not match"},
		{"empty", func(string) string { return "" }, "edit 1 of " + objfile + " does not match"},
	} {
		t.Run(test.name, func(t *testing.T) {
			goCmd := fakeRoot(t)
			name := filepath.Join(goCmd.Root, "src", objfile)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			write(t, name, test.change(string(text)))
			if _, _, err := Edits(goCmd.Root); err == nil || err.Error() != test.want {
				t.Errorf("Edits: %v, want %s", err, test.want)
			}
			_, err = Ensure(t.Context(), goCmd, t.TempDir(), nil)
			want := "pipelined compiler: " + goCmd.Version + ": " + test.want + "; using the stock compiler"
			if err == nil || err.Error() != want {
				t.Errorf("Ensure: %v, want %s", err, want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		goCmd := fakeRoot(t)
		if err := os.Remove(filepath.Join(goCmd.Root, "src", objfile)); err != nil {
			t.Fatal(err)
		}
		_, _, err := Edits(goCmd.Root)
		if err == nil || !strings.Contains(err.Error(), "no compiler source") || !strings.Contains(err.Error(), "objfile.go") {
			t.Errorf("Edits: %v", err)
		}
	})
}

// Where the edit for huge pages does not match, it is left out, and no other.
func TestEditsWithoutHugePages(t *testing.T) {
	goCmd := fakeRoot(t)
	name := filepath.Join(goCmd.Root, "src", hugeEdits[0].file)
	write(t, name, "package runtime\n")
	overlay, types, err := Edits(goCmd.Root)
	if _, edited := overlay[name]; err != nil || types != TypesEnv || edited || len(overlay) == 0 {
		t.Errorf("types %q, the file is edited: %t, %v", types, edited, err)
	}
}

// Where one edit for types does not match, all are left out, with the files that go with them, and the compiler is another.
func TestEditsWithoutTypes(t *testing.T) {
	for _, e := range typesEdits {
		goCmd := fakeRoot(t)
		before, types, err := identity(goCmd)
		if err != nil || types != TypesEnv {
			t.Fatalf("types %q: %v", types, err)
		}
		name := filepath.Join(goCmd.Root, "src", e.file)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, strings.Replace(string(text), e.old, "", 1))
		after, types, err := identity(goCmd)
		if err != nil || types != "" || after == before {
			t.Errorf("%s: types %q, the same compiler: %t, %v", e.file, types, after == before, err)
		}
		overlay, _, err := Edits(goCmd.Root)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range overlay {
			if strings.Contains(name, "_types.go") || strings.Contains(string(text), "HandOut") || strings.Contains(string(text), "onlyTypes") {
				t.Errorf("%s: %s is of a compiler that hands out types", e.file, name)
			}
		}
		var m counted
		if c, err := m.ensure(t, goCmd, t.TempDir()); err != nil || c.Types != "" {
			t.Errorf("%s: %+v, %v", e.file, c, err)
		}
	}
}
