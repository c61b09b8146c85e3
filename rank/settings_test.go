package rank

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/badbubble/distgo/rank/toolchain"
)

// What the go command said of its settings is used again until something changes that it depends on.
func TestSettings(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(t *testing.T, project string){
		"the module": func(t *testing.T, p string) {
			write(t, filepath.Join(p, "go.mod"), "module example.com/y\n\ngo 1.23\n")
		},
		"a workspace came": func(t *testing.T, p string) {
			write(t, filepath.Join(filepath.Dir(p), "go.work"), "go 1.23\n\nuse ./project\n")
		},
		"another variable": func(t *testing.T, _ string) { t.Setenv("GOAMD64", "v2") },
		"a damaged record": func(t *testing.T, p string) {
			kept, err := filepath.Glob(filepath.Join(filepath.Dir(p), "store", "plans", "*"))
			if err != nil || len(kept) != 1 {
				t.Fatalf("%v, %v", kept, err)
			}
			write(t, kept[0], "damaged")
		},
		"--no-plan-cache": nil,
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			project := filepath.Join(dir, "project")
			if err := os.Mkdir(project, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(project, "go.mod"), "module example.com/x\n\ngo 1.23\n")
			r := &run{cfg: Config{Project: project, Store: filepath.Join(dir, "store"), Executable: exe, Stderr: new(bytes.Buffer)}}
			var asked, recalled *toolchain.Toolchain
			for begun := time.Now(); recalled == nil; recalled = r.recallTools() { // what has just been written is not remembered
				if time.Since(begun) > time.Minute {
					t.Fatal("what the go command says is never remembered")
				}
				if asked, err = r.askForTools(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if recalled.Env["GOMOD"] != asked.Env["GOMOD"] || recalled.Root() != asked.Root() || recalled.Dir != asked.Dir || recalled.Command != asked.Command {
				t.Errorf("%+v was said, %+v remembered", asked, recalled)
			}
			if change != nil {
				change(t, project)
			} else {
				r.cfg.NoPlanCache = true
			}
			if r.recallTools() != nil {
				t.Errorf("%s: what is remembered is used", what)
			}
		})
	}
}
