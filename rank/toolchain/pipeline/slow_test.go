//go:build slow

// These tests build compilers, a minute or more each:
//
//	go test -tags slow -timeout 60m ./rank/toolchain/pipeline
//
// With DISTGO_PROJECT set to the directory of a Go program, that program is
// built both ways as well, and what pipelining is worth to it is logged.

package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proved ensures the compiler of every version once for all tests, in a store
// that the whole run shares (TestMain removes it).
func proved(t *testing.T, goCmd Go) Compiler {
	t.Helper()
	c, err := Ensure(t.Context(), goCmd, testStore, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var testStore string // set by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		testStore = os.Getenv("DISTGO_TEST_STORE") // to keep what it made for another run
		if testStore == "" {
			dir, err := os.MkdirTemp("", "pipeline")
			if err != nil {
				panic(err)
			}
			defer os.RemoveAll(dir)
			testStore = dir
		}
		return m.Run()
	}())
}

func TestProvedVersions(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			goCmd := installed(t, version)
			first := proved(t, goCmd)
			again, err := Ensure(t.Context(), goCmd, testStore, func(line string) { t.Error(line) })
			if err != nil || again != first {
				t.Errorf("again: %+v, %v; first %+v", again, err, first)
			}
			stock := versionOf(t, filepath.Join(goCmd.Root, stockCompiler()))
			if ours := versionOf(t, first.Path); bytes.Equal(ours, stock) {
				t.Errorf("-V=full says %s of both compilers", ours)
			}
		})
	}
}

func versionOf(t *testing.T, compiler string) []byte {
	out, err := exec.CommandContext(t.Context(), compiler, "-V=full").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBuildIsReproducible is why every rank may make its own.
func TestBuildIsReproducible(t *testing.T) {
	goCmd := installed(t, "")
	c, err := Build(t.Context(), goCmd, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if kept := proved(t, goCmd); kept.Digest != c.Digest {
		t.Errorf("two builds differ: %s and %s", c.Digest, kept.Digest)
	}
}

// TestSharesOfOtherSources: a share is taken only by a compiler that has read what its maker read. Where somebody saved
// a file in between, the object would be of two versions, and nothing but a constant may differ.
func TestSharesOfOtherSources(t *testing.T) {
	c := proved(t, installed(t, ""))
	dir := t.TempDir()
	write := func(result int) {
		text := "package p\n"
		for i := range 20 {
			text += fmt.Sprintf("\n//go:noinline\nfunc F%d() int { return %d }\n", i, result)
		}
		if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compile := func(shares, name string) (object []byte) {
		cmd := exec.CommandContext(t.Context(), c.Path, "-p", "p", "-o", name+".x", "-linkobj", name+".a", "p.go")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), SharesEnv+"="+shares)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
		object, _ = os.ReadFile(filepath.Join(dir, name+".a")) // a helper makes none
		return object
	}
	taken := func() bool {
		_, err := os.Stat(filepath.Join(dir, "share.1"))
		return err != nil
	}
	write(3)
	compile("1/2:share", "helper")
	if compile("0/2:share", "same"); !taken() {
		t.Error("a share of the same sources was not taken")
	}
	compile("1/2:share", "helper")
	write(5)
	mixed := compile("0/2:share", "mixed")
	if taken() || !bytes.Equal(mixed, compile("", "plain")) {
		t.Error("a share of other sources was taken")
	}
}

// TestTypesOfOtherSources has an importer begun on types, and the export data come of other sources. It is not to be
// compiled against both; what is compiled from scratch is against the export data.
func TestTypesOfOtherSources(t *testing.T) {
	c := proved(t, installed(t, ""))
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compile := func(name, types string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), c.Path, "-o", name+".x", "-linkobj", name+".a", "-p", name, "-importcfg", "cfg", name+".go")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "DISTGO_TYPES="+types)
		return cmd
	}
	now := func(name string) (object []byte) {
		if out, err := compile(name, "").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		object, err := os.ReadFile(filepath.Join(dir, name+".a"))
		if err != nil {
			t.Fatal(err)
		}
		return object
	}
	write("cfg", "packagefile p=p.x\n")
	write("q.go", "package q\nimport \"p\"\nfunc G() int { return p.C }\n")
	const first, second = "package p\nconst C = 1111\n", "package p\nconst C = 2222\n"
	var objects [2][]byte
	for i, text := range []string{first, second} {
		write("p.go", text)
		now("p")
		objects[i] = now("q")
	}
	if bytes.Equal(objects[0], objects[1]) {
		t.Fatal("the constant has no part in the object")
	}
	for _, changed := range []bool{false, true} {
		write("p.go", first)
		if out, err := compile("p", "1").CombinedOutput(); err != nil { // leaves its types
			t.Fatalf("%v\n%s", err, out)
		}
		if err := os.Remove(filepath.Join(dir, "p.x")); err != nil {
			t.Fatal(err)
		}
		err := runSignalled(compile("q", TypesWait), filepath.Join(dir, "q.x"), moments{
			typed: func() {},
			waits: func() error {
				if changed {
					write("p.go", second)
				}
				now("p")
				return nil
			},
			exported: func() {},
		})
		if failed := err != nil; failed != changed {
			t.Errorf("changed %v: %v", changed, err)
		}
		if !changed {
			object, err := os.ReadFile(filepath.Join(dir, "q.a"))
			if err != nil || !bytes.Equal(object, objects[0]) {
				t.Errorf("begun on types, it makes another object (%v)", err)
			}
		} else if !bytes.Equal(now("q"), objects[1]) {
			t.Error("from scratch, it is compiled against types of other sources")
		}
	}
}

// TestProofFindsMutants leaves edits out, one at a time, whose absence makes
// programs that are wrong.
func TestProofFindsMutants(t *testing.T) {
	goCmd := installed(t, "")
	dir := t.TempDir() // one cache for all mutants
	for _, mutant := range []struct{ name, file, from, to string }{
		{"type descriptors on request", "cmd/compile/internal/noder/linker.go",
			"\t\tw.Int64(-1)\n\t\tw.Int64(-1)\n",
			"\t\treflectdata.TypeLinksym(typ)\n\t\treflectdata.TypeLinksym(typ.PtrTo())\n\t\tw.Int64(-1)\n\t\tw.Int64(-1)\n"},
		{"type descriptors forgotten", "cmd/compile/internal/gc/distgo_shares.go", "\treflectdata.Request(asked)\n", "\t_ = asked\n"},
		{"function values forgotten", "cmd/compile/internal/gc/distgo_shares.go", "\t\tstaticdata.RequestFuncValue(types.NewPkg(pkg, \"\").Lookup(name))\n", "\t\t_, _ = pkg, name\n"},
		{"debug information unresolved", "cmd/internal/obj/distgo.go", "\t\tr.ctxt.DwFixups.ReferenceChildDIE(s, relocation, r.Sym(), dcl, inlining)\n", "\t\t_, _, _, _ = relocation, dcl, inlining, r.Sym()\n"},
		{"functions left unfinished", "cmd/compile/internal/noder/distgo_types.go", "\t\t\tr.funcExt(name, nil)\n", "\t\t\t_ = r\n"},
		{"methods left unfinished", "cmd/compile/internal/noder/distgo_types.go", "\t\t\tr.funcExt(method.Nname.(*ir.Name), method.Sym)\n", "\t\t\t_ = method\n"},
		{"positions numbered twice", "cmd/compile/internal/noder/distgo_types.go", "\tcase partial && len(made) > 0:\n", "\tcase false:\n"},
		{"hashes by index", "cmd/compile/internal/gc/main.go", "obj.HashByName = true", "obj.HashByName = false"},
	} {
		t.Run(mutant.name, func(t *testing.T) {
			changed, types, err := Edits(goCmd.Root)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(goCmd.Root, "src", mutant.file)
			changed[name] = bytes.Replace(changed[name], []byte(mutant.from), []byte(mutant.to), 1)
			if !bytes.Contains(changed[name], []byte(mutant.to)) {
				t.Fatal("no mutation")
			}
			c, err := buildChanged(t.Context(), goCmd, dir, changed, types)
			if err != nil {
				t.Fatal(err)
			}
			err = Prove(t.Context(), goCmd, c, dir)
			// Some make another program, with some it cannot be built.
			if difference := (*Difference)(nil); !errors.As(err, &difference) && (err == nil || !strings.Contains(err.Error(), ": transcript line ")) {
				t.Errorf("the proof says %v", err)
			}
			t.Log(err)
		})
	}
}

// compiled is what one run of a compiler left.
type compiled struct {
	said string
	exit int
}

func compile(t *testing.T, compiler, dir string, args ...string) compiled {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), compiler, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return compiled{string(out), cmd.ProcessState.ExitCode()}
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func TestErrorsAreTheStockOnes(t *testing.T) {
	goCmd := installed(t, "")
	c := proved(t, goCmd)
	for _, test := range []struct {
		name, source string
		exports      bool // whether the error is found after the signal
	}{
		{"syntax", "package p\n\nfunc f( {\n", false},
		{"types", "package p\n\nfunc f() int { return \"\" }\n\nfunc g() { h() }\n", false},
		{"back end", `package p

type large struct{ b [1500000000]byte }

func (l large) f() int { l.b[0] = 1; return len(l.b) }

func g(l large) int { return l.f() + h(l, 3) }

func h(l large, i int) int { l.b[i]++; return i }
`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "p.go"), test.source)
			write(t, filepath.Join(dir, "importcfg"), "")
			flags := []string{"-p", "p", "-complete", "-importcfg", "importcfg", "-pack"}
			stock := compile(t, filepath.Join(goCmd.Root, stockCompiler()), dir, append(flags, "-o", "p.a", "p.go")...)
			if stock.exit == 0 || stock.said == "" {
				t.Fatalf("the stock compiler has nothing to say: %+v", stock)
			}
			for _, outputs := range [][]string{{"-o", "p.a"}, {"-o", "p.x", "-linkobj", "p.a"}} {
				if ours := compile(t, c.Path, dir, append(append(flags, outputs...), "p.go")...); ours != stock {
					t.Errorf("%q: %+v, the stock compiler %+v", outputs, ours, stock)
				}
			}
			if exists(dir, "p.x") || exists(dir, "p.x.part") {
				t.Error("export data was left behind")
			}

			cmd := exec.CommandContext(t.Context(), c.Path, append(flags, "-o", "p.x", "-linkobj", "p.a", "p.go")...)
			cmd.Dir, cmd.Env = dir, os.Environ()
			exported := false
			if err := runSignalled(own(cmd), filepath.Join(dir, "p.x"), moments{typed: func() {}, exported: func() { exported = true }}); err == nil {
				t.Error("no error with the signal asked for")
			}
			if exported != test.exports {
				t.Errorf("exported: %v", exported)
			}
		})
	}
}

// TestStockOutput compiles real packages as the stock compiler is called.
func TestStockOutput(t *testing.T) {
	goCmd := installed(t, "")
	c := proved(t, goCmd)
	caches := t.TempDir()
	for _, path := range []string{"sort", "internal/abi", "unicode/utf8"} {
		dir := t.TempDir()
		list := goCmd.command(t.Context(), caches, dir, "list", "-export", "-deps", "-f",
			`{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}`, path)
		importcfg, err := run(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "importcfg"), string(importcfg))
		list = goCmd.command(t.Context(), caches, dir, "list", "-f",
			`{{range .GoFiles}}{{$.Dir}}/{{.}} {{end}}`, path)
		files, err := run(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "symabis"), "")
		args := []string{"-p", path, "-std", "-symabis", "symabis", "-importcfg", "importcfg", "-pack"}
		for _, file := range bytes.Fields(files) {
			args = append(args, string(file))
		}
		var objects [][]byte
		for _, compiler := range []string{filepath.Join(goCmd.Root, stockCompiler()), c.Path} {
			if got := compile(t, compiler, dir, append([]string{"-o", "p.a"}, args...)...); got.exit != 0 {
				t.Fatalf("%s: %+v", path, got)
			}
			object, err := os.ReadFile(filepath.Join(dir, "p.a"))
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, object)
		}
		if !bytes.Equal(objects[0], objects[1]) {
			t.Errorf("%s: objects differ", path)
		}
	}
}
