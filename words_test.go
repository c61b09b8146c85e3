package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var updateWords = flag.Bool("words", false, "write testdata/WORDS.md")

// A wordsCase is a program of testdata/words and how it is built. Its file
// begins with a title, up to a line that starts with one of the words below.
type wordsCase struct {
	name, title string
	flags       []string // build: flags and packages of go build
	packages    []string
	env         []string // env: for both
	stand       string   // stand: the directory, below the project, in which the user stands
	cgo         bool     // cgo: with a C compiler
	files       *txtar.Archive
}

func readWordsCase(t *testing.T, path string) wordsCase {
	t.Helper()
	files, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := wordsCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), files: files}
	for line := range strings.Lines(string(files.Comment)) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "build":
			for _, arg := range words[1:] {
				if strings.HasPrefix(arg, "-") {
					c.flags = append(c.flags, arg)
				} else {
					c.packages = append(c.packages, arg)
				}
			}
		case "env":
			c.env = words[1:]
		case "stand":
			c.stand = words[1]
		case "cgo":
			c.cgo = true
		default:
			c.title = strings.TrimSpace(c.title + " " + strings.TrimSpace(line))
		}
	}
	return c
}

// TestWords builds broken programs with go build and with distgo and compares
// what they say, and their exit codes.
func TestWords(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache, tmp := t.TempDir(), t.TempDir()
	paths, err := filepath.Glob("testdata/words/*.txtar")
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d programs (%v)", len(paths), err)
	}
	rows := make([]string, len(paths))
	t.Run("all", func(t *testing.T) {
		for i, path := range paths {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				t.Parallel()
				rows[i] = compareWords(t, readWordsCase(t, path), exe, cache, tmp)
			})
		}
	})
	if left := leftovers(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if *updateWords {
		writeFile(t, "testdata/WORDS.md", wordsHeader+strings.Join(rows, ""))
	}
}

// compareWords builds a broken program both ways and returns its row of the table.
func compareWords(t *testing.T, c wordsCase, exe, cache, tmp string) string {
	t.Helper()
	if c.cgo && testing.Short() {
		t.Skip("compiles C")
	}
	dir := t.TempDir()
	if err := txtar.Write(c.files, dir); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "DISTGO_PIPELINE=off", "XDG_CACHE_HOME="+cache, "TMPDIR="+tmp, "CGO_ENABLED=0", "LC_ALL=C")
	env = append(append(env, "GOCACHE="+goEnv(t, "GOCACHE")), c.env...)
	if c.cgo {
		env = append(env, "CGO_ENABLED=1")
	}
	stand := filepath.Join(dir, c.stand)
	want, code := wordsOf(t, stand, env, "go", slices.Concat([]string{"build"}, c.flags, c.packages)...)
	if want == "" {
		t.Error("go build has nothing to say")
	}
	var row strings.Builder
	fmt.Fprintf(&row, "| %s | `go build %s` | %d |", c.title, strings.Join(slices.Concat(c.flags, c.packages), " "), code)
	sizes := []string{"1", "3"}
	if testing.Short() {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		args := []string{"-q", "-n", size, "-p", dir}
		for _, p := range c.packages {
			args = append(args, "-m", "./"+filepath.Join(c.stand, p))
		}
		got, gotCode := wordsOf(t, stand, append(env, asDistgo+"=1"), exe, slices.Concat(args, []string{"--"}, c.flags)...)
		same := slices.Equal(blocks(got), blocks(want)) && gotCode == code
		if !same {
			t.Errorf("size %s: exit code %d:\n%s\ngo build: exit code %d:\n%s", size, gotCode, got, code, want)
		}
		fmt.Fprintf(&row, " %s |", map[bool]string{true: "the same", false: "**differs**"}[same])
	}
	row.WriteString("\n")
	return row.String()
}

const wordsHeader = `# What distgo says when a program does not build

Made by ` + "`go test -run TestWords . -words`" + `: the programs of testdata/words, built with ` + "`go build`" + ` and with distgo. *The same*
means the same blocks on standard error, in any order, and the same exit code.

| program | as in | exit code | size 1 | size 3 |
|---|---|---|---|---|
`

// wordsOf runs a command and returns what it said and its exit code.
func wordsOf(t *testing.T, dir string, env []string, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(env, "PWD="+dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return linkerNames.ReplaceAllString(out.String(), "…"), cmd.ProcessState.ExitCode()
}

// linkerNames differ from one go build to the next: the linker's temporary
// directory, and the ELF build ID, which comes from the Go build ID.
var linkerNames = regexp.MustCompile(`\S*/go-link-[0-9]+|build-id=0x[0-9a-f]+`)

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
