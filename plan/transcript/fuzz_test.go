package transcript

import (
	"bytes"
	"os"
	"path/filepath"
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
