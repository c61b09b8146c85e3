package toolchain

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestPassedFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"-tags netgo -race":                  "-tags netgo -race",
		"-a -v -x -work -p 4 -p=4 -trimpath": "-trimpath",
		"-compiler=gc -buildmode pie":        "-compiler=gc -buildmode pie",
	} {
		got, err := PassedFlags(strings.Fields(flags))
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %v, %v", flags, got, err)
		}
	}
}

func TestRefusedFlags(t *testing.T) {
	for _, flags := range []string{"-o x", "--o=x", "-C dir", "-n", "-json", "-toolexec=time", "-compiler gccgo", "-compiler=gccgo", "-buildmode=shared", "-buildmode shared", "-linkshared"} {
		_, err := PassedFlags(strings.Fields(flags))
		if _, ok := errors.AsType[*Usage](err); !ok {
			t.Errorf("%s: %v", flags, err)
		}
	}
	for flags, ok := range map[string]bool{"": true, "-tags=x -mod=vendor": true, "-toolexec=time": false, "'-toolexec=time it'": false, "-tags=x -json": false} {
		tools := Toolchain{Env: map[string]string{"GOFLAGS": flags}}
		if err := tools.checkGOFLAGS(); (err == nil) != ok {
			t.Errorf("GOFLAGS=%s: %v", flags, err)
		}
	}
}
