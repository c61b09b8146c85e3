package rank

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// archive is one as the go command makes them.
func archive(members ...string) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for i := 0; i < len(members); i += 2 {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", members[i], 0, 0, 0, 0o644, len(members[i+1]), members[i+1])
		if len(members[i+1])%2 == 1 {
			b.WriteByte(0)
		}
	}
	return b.Bytes()
}

func object(id, code string) string {
	return "go object linux amd64 go1.26.8\nbuild id \"" + id + "\"\n\n!\n" + code
}

// aProgram is one with a build ID, the smallest that is at hand.
func aProgram(t *testing.T) (path string, program []byte) {
	t.Helper()
	dir, err := exec.Command("go", "env", "GOTOOLDIR").Output()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(strings.TrimSpace(string(dir)), "preprofile")
	if program, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, program
}

func TestCompare(t *testing.T) {
	exe, program := aProgram(t)
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	note, err := f.Section(".note.go.buildid").Data()
	if err != nil {
		t.Fatal(err)
	}
	id := bytes.TrimRight(note[16:], "\x00")
	otherID := bytes.ReplaceAll(program, id, bytes.Repeat([]byte("x"), len(id))) // it stands in more than one place
	otherCode := bytes.Clone(program)
	otherCode[f.Section(".text").Offset+100] ^= 1
	lib := archive("__.PKGDEF", object("a/b", "export data"), "_go_.o", object("a/b", "code"), "x.o", "assembled")
	for _, c := range []struct {
		name string
		a, b []byte
		is   Verdict
	}{
		{"a program and itself", program, program, Same},
		{"another build ID", program, otherID, SameButID},
		{"other code", program, otherCode, Different},
		{"a program cut short", program, program[:len(program)/2], Different},
		{"no programs", []byte("a"), []byte("b"), Different},
		{"nothing and nothing", nil, nil, Same},
		{"an archive with another, longer build ID", lib, archive("__.PKGDEF", object("abc/def", "export data"), "_go_.o", object("abc/def", "code"), "x.o", "assembled"), SameButID},
		{"an archive with other export data", lib, archive("__.PKGDEF", object("a/b", "Export data"), "_go_.o", object("a/b", "code"), "x.o", "assembled"), Different},
		{"an archive with other code", lib, archive("__.PKGDEF", object("a/b", "export data"), "_go_.o", object("a/b", "Code"), "x.o", "assembled"), Different},
		{"an archive with a member more", lib, append(bytes.Clone(lib), archive("y.o", "assembled")[8:]...), Different},
		{"an archive with a member called otherwise", lib, archive("__.PKGDEF", object("a/b", "export data"), "_go_.o", object("a/b", "code"), "y.o", "assembled"), Different},
		{"an archive cut short", lib, lib[:len(lib)-3], Different},
		{"an archive cut in a header", lib, lib[:40], Different},
		{"an archive and a program", lib, program, Different},
	} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for path, content := range map[string][]byte{a: c.a, b: c.b} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, pair := range [][2]string{{a, b}, {b, a}} {
			if is, err := Compare(pair[0], pair[1]); err != nil || is != c.is {
				t.Errorf("%s: %s (%v), expected %s", c.name, is, err, c.is)
			}
		}
	}
	if _, err := Compare(exe, filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing program was compared")
	}
}

// Sections that lie outside the file are not touched.
func TestBlankDamagedProgram(t *testing.T) {
	_, program := aProgram(t)
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []uint64{0, 16, ^uint64(0), ^uint64(0) - f.Section(".note.go.buildid").Offset + 1} {
		for _, s := range f.Sections {
			s.FileSize = size
		}
		if !bytes.Equal(blankNotes(f, program), program) {
			t.Errorf("a note of %d bytes was blanked", size)
		}
	}
}

func TestLinked(t *testing.T) {
	for targets, want := range map[string]string{"/o/lib.a /o/lib.h": "/o/lib.a", "/o/tool.h": "/o/tool.h", "/o/a /o/b": "/o/a /o/b"} {
		if got := strings.Join(linked(strings.Fields(targets)), " "); got != want {
			t.Errorf("of %s %s are linked, want %s", targets, got, want)
		}
	}
}
