package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program's content is what go tool buildid says, as long as the go command has said it.
func TestContentID(t *testing.T) {
	out, err := exec.Command("go", "env", "GOTOOLDIR").Output()
	if err != nil {
		t.Fatal(err)
	}
	asm := filepath.Join(strings.TrimSpace(string(out)), "asm")
	id, err := exec.Command("go", "tool", "buildid", asm).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := cutLast(strings.TrimSpace(string(id)), "/")
	if got, err := ContentID(asm); got != want || err != nil {
		t.Errorf("%q, %v; want %q", got, err, want)
	}

	program, err := os.ReadFile(asm)
	if err != nil {
		t.Fatal(err)
	}
	chosen := filepath.Join(t.TempDir(), "chosen")
	text := strings.ReplaceAll(string(program), strings.TrimSpace(string(id)), strings.Repeat("x", len(strings.TrimSpace(string(id)))))
	for path, content := range map[string]string{chosen: text, filepath.Join(t.TempDir(), "script"): "#!/bin/sh\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ContentID(path); err == nil {
			t.Errorf("%s: %q", filepath.Base(path), got)
		}
	}
}
