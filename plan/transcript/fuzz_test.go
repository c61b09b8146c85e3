package transcript

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzParse: no text makes Parse fail otherwise than with an error; what is
// accepted prints back; and what is kept is bounded by the text (Invariant 4).
func FuzzParse(f *testing.F) {
	f.Add([]byte("mkdir -p $WORK/b001/\n"))
	names, err := filepath.Glob("testdata/go*/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 10<<10 { // long texts make slow progress
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text, Options{GoVersion: testVersion, Exists: func(path string) bool { return len(path)%2 == 0 }})
		if err != nil {
			if s != nil {
				t.Error("a script beside an error")
			}
			if msg := err.Error(); len(msg) > 10*maxExcerpt+2*maxDir {
				t.Errorf("error of %d bytes", len(msg))
			}
			return
		}
		var out bytes.Buffer
		if err := s.Print(&out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), text) {
			t.Errorf("prints back as %q", out.Bytes())
		}
		size, commands := 0, 0
		for _, b := range s.Blocks {
			if NodeOf(Work+b.Node) != b.Node || b.Node == "" {
				t.Errorf("block %q", b.Node)
			}
			for _, c := range b.Commands {
				commands++
				size += len(strings.Join(c.Args, " ")) + len(strings.Join(c.Env, " ")) + len(c.Body)
				if c.Op == 0 || len(c.Args) == 0 || len(c.Dir) > maxDir {
					t.Errorf("command %+v", c)
				}
				if lines := strings.Split(string(text), "\n"); c.Line < 1 || c.Line > len(lines) {
					t.Errorf("command on line %d of %d", c.Line, len(lines))
				}
			}
		}
		if commands > len(text) || size > (maxDir+1)*len(text) {
			t.Errorf("%d commands of %d bytes in all from %d bytes of text", commands, size, len(text))
		}
	})
}

// FuzzArguments: what cmd/go would print for a call is read as that call. Left
// out is what the text cannot tell: words that begin with a dot.
func FuzzArguments(f *testing.F) {
	f.Add("/ws/a", "it's", "/ws/a/x.go", "a b", "-DX=\"y\"")
	f.Add("$WORK/b001/exe/", "line\nbreak", "", "\\", "$WORK/b001/exe/x")
	f.Add("$WORK/b001", "", "$WORK/b0012/x", "$WORK/b001/x", "$HOME")
	f.Add(".", "", "\u200b", "a=>b;c", "(\xff)")
	f.Fuzz(func(t *testing.T, dir, value, x, y, z string) {
		ours := []string{".", "$WORK", "$WORK/b001", "$WORK/b001/", "$WORK/b001/exe/"}
		if !slices.Contains(ours, dir) && (len(dir) > maxDir || len(dir) < 2 || dir[0] != '/' || filepath.Clean(dir) != dir || strings.Contains(dir, "\n")) {
			t.Skip("no directory that cmd/go runs a tool in")
		}
		want := Command{Op: Run, Dir: dir, Env: []string{"A=" + value}, Args: []string{"/t/compile", "-o", Work + "b001/x", x, y, z}}
		for _, s := range append(want.Args, value) {
			if strings.HasPrefix(s, ".") || strings.Contains(s, " .") || strings.Contains(s, " "+dir) || strings.HasPrefix(dir, s) {
				t.Skip("ambiguous")
			}
			if strings.Contains(s, workDir) && !slices.Contains([]string{"$WORK/b001/x", "$WORK/b001/exe/x", "$WORK/b0012/x"}, s) {
				t.Skip("no name below $WORK that cmd/go makes")
			}
		}
		// A directory that is a prefix of a word's first letters makes a dot
		// in the middle of a name, which only Exists can tell.
		known := func(path string) bool {
			for _, s := range want.Args {
				if s == path {
					return true
				}
			}
			return false
		}
		var fm formatter
		text := bytes.Clone(fm.format(&printed{form: shownIn}, &want))
		s, err := Parse(text, Options{GoVersion: testVersion, Exists: known})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got := s.Blocks[0].Commands[0]
		got.Line = 0
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q\nis read as %+v\nwas       %+v", text, got, want)
		}
	})
}
