package rank

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program of all that is shipped: assembly with headers beside it and of the
// toolchain's, embedded files, a package of cgo, which stays at root.
var shipped = map[string]string{
	"main.go": `package main

import (
	_ "embed"

	"example.com/tiny/sum"
)

//go:embed words/hello.txt
var hello string

func main() { print(hello, sum.Sum(40, 2), " ", name()) }
`,
	"words/hello.txt": "hello\n",
	"c.go": `package main

// static const char *who(void) { return __FILE__; }
import "C"

func name() string { return C.GoString(C.who()) }
`,
	"sum/sum.go": "package sum\n\nfunc Sum(a, b int64) int64\n",
	"sum/sum_amd64.s": `#include "textflag.h"
#include "own.h"

TEXT ·Sum(SB), NOSPLIT, $0-24
	MOVQ a+0(FP), AX
	MOVQ b+8(FP), BX
	SUM(BX, AX)
	MOVQ AX, ret+16(FP)
	RET
`,
	"sum/own.h": "#define SUM(a, b) ADDQ a, b\n",
}

// Ranks that see nothing of root's files make the same program, are sent no
// more than their actions read, and nothing the second time.
func TestShipping(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles package runtime")
	}
	stores := t.TempDir()
	for _, flags := range [][]string{{"-trimpath", "-ldflags=-buildid="}} {
		w := newWholeWorld(t, 3, "")
		for name, text := range shipped {
			path := filepath.Join(w.project, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			write(t, path, text)
		}
		reference := filepath.Join(w.project, "reference")
		cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", reference, ".")...)
		cmd.Dir = w.project
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		for _, again := range []bool{false, true} {
			output, reported := filepath.Join(w.project, "made"), filepath.Join(w.project, "report.json")
			w.change = func(cfg *Config) {
				cfg.All, cfg.SendFiles, cfg.Store = !again, true, filepath.Join(stores, string(rune('a'+cfg.Place.Rank)))
				cfg.Request.Flags, cfg.Request.Output, cfg.Report = flags, output, reported
			}
			for r, err := range w.run(t.Context(), t) {
				if err != nil {
					t.Fatalf("rank %d: %v\n%s", r, err, w.words.String())
				}
			}
			if verdict, err := Compare(reference, output); err != nil || verdict != Same {
				t.Errorf("%v: the programs are %s (%v)\n%s", flags, verdict, err, w.words.String())
			}
			if !strings.Contains(w.words.String(), "ranks 1, 2: --send-files; what is compiled there is sent") {
				t.Errorf("it is not said that files are sent:\n%s", w.words.String())
			}
			r := readReport(t, reported)
			var sent int64
			for _, s := range r.Ranks[0].Sent {
				if s.Kind == "files" {
					sent += s.Bytes
				}
			}
			read := r.Ranks[1].Read + r.Ranks[2].Read
			fetched := r.Ranks[1].Fetched + r.Ranks[2].Fetched
			t.Logf("%v, again %v: read %d, fetched %d, sent %d", flags, again, read, fetched, sent)
			switch {
			case again && fetched != 0:
				t.Errorf("%d bytes were fetched, though the stores hold everything", fetched)
			case again:
			case r.Ranks[1].Read == 0 || r.Ranks[2].Read == 0:
				t.Error("a rank executed nothing with what it was sent")
			case sent == 0 || sent > read+read/10:
				t.Errorf("%d bytes were sent, %d are read", sent, read)
			}
		}
	}
}
