package manifest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestManifest(t *testing.T) {
	programs, err := Programs()
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != 10 {
		t.Errorf("%d programs, the paper has ten", len(programs))
	}
	hash := regexp.MustCompile(`^[0-9a-f]{40}$`)
	seen := map[string]bool{}
	for _, p := range programs {
		if seen[p.Name] || p.Main == "" || !strings.HasPrefix(p.Repository, "https://") {
			t.Errorf("program %+v", p)
		}
		seen[p.Name] = true
		for _, label := range []string{Current, Early2024} {
			name := p.Name
			if label != Current {
				name += "@" + label
			}
			pinned, err := Find(programs, name)
			if err != nil {
				t.Error(err)
				continue
			}
			if !hash.MatchString(pinned.Pin.Commit) || pinned.Pin.Date == "" || pinned.Name() != name {
				t.Errorf("%s is pinned to %+v", name, pinned.Pin)
			}
			if label == Early2024 && pinned.Pin.Date > "2024-03" {
				t.Errorf("%s is of %s", name, pinned.Pin.Date)
			}
		}
	}
}

func TestFindUnknown(t *testing.T) {
	programs := []Program{{Name: "alist", Pins: []Pin{{Label: Current}}}, {Name: "gg"}}
	for name, want := range map[string]string{"wget": "it has: alist, gg", "alist@1999": `no pin "1999", it has: current`, "gg": "no pin"} {
		_, err := Find(programs, name)
		if _, ok := errors.AsType[*Unknown](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := Find(programs, "ALIST"); err != nil || p.Program.Name != "alist" {
		t.Errorf("%v, %v", p, err)
	}
}

// repository makes a git repository with a program that needs a file which is prepared, and has one that is left out.
func repository(t *testing.T) (dir, first string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	dir = filepath.Join(t.TempDir(), "upstream")
	for path, text := range map[string]string{
		"go.mod": "module example.test/p\n\ngo 1.23\n", "main.go": "package main\n\nimport _ \"example.test/p/made\"\n\nfunc main() {}\n", "large/file": "x",
	} {
		write(t, filepath.Join(dir, path), text)
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	first = git("rev-parse", "HEAD")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { undefined() }\n")
	git("commit", "-q", "-a", "-m", "two")
	return dir, first
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFetch(t *testing.T) {
	upstream, first := repository(t)
	// As a user would say where a repository really is.
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url."+upstream+".insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://git.example.test/p")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
	p := &Pinned{
		Program: Program{Name: "p", Repository: "https://git.example.test/p", Main: ".", LeaveOut: []string{"/large"}, Prepare: map[string]string{"made/made.go": "package made\n"}},
		Pin:     Pin{Label: Early2024, Commit: first},
	}
	checkouts := t.TempDir()
	if Fetched(t.Context(), checkouts, p) {
		t.Fatal("fetched before it was")
	}
	for range 2 { // the second time everything is there
		if err := Fetch(t.Context(), checkouts, p); err != nil {
			t.Fatal(err)
		}
	}
	at := Checkout(checkouts, p)
	if !Fetched(t.Context(), checkouts, p) || filepath.Base(at) != "p@2024" {
		t.Errorf("at %s", at)
	}
	if _, err := os.Stat(filepath.Join(at, "large")); err == nil {
		t.Error("what is left out is there")
	}
	if err := Build(t.Context(), checkouts, p); err != nil {
		t.Errorf("it builds: %v", err)
	}
	if commit, changed := Head(t.Context(), at); commit != first || changed {
		t.Errorf("head %s, changed %v", commit, changed)
	}

	second := *p
	second.Pin = Pin{Label: Current, Commit: "0123456789012345678901234567890123456789"}
	if err := Fetch(t.Context(), checkouts, &second); err == nil || !strings.Contains(err.Error(), "git checkout") {
		t.Errorf("a commit that is not there: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(checkouts, ".clone-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	second.Pin.Commit, _ = Head(t.Context(), upstream)
	if err := Fetch(t.Context(), checkouts, &second); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), checkouts, &second); err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("what does not build, in the compiler's words: %v", err)
	}
	second.Pin.Commit = first
	if err := Fetch(t.Context(), checkouts, &second); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("another commit in the same place: %v", err)
	}
	second.Program.Repository = "https://nowhere.invalid/p"
	second.Program.Name = "q"
	t.Setenv("GIT_CONFIG_KEY_0", "url."+t.TempDir()+".insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://nowhere.invalid/")
	if err := Fetch(t.Context(), checkouts, &second); err == nil || !strings.Contains(err.Error(), "git clone") {
		t.Errorf("a repository that is gone: %v", err)
	}
}

func TestIndent(t *testing.T) {
	if got := indent(strings.Repeat("line\n", 30)); strings.Count(got, "\n") != 13 || !strings.Contains(got, "18 more lines") {
		t.Errorf("%q", got)
	}
	if indent("\n") != "" {
		t.Error("nothing said, something shown")
	}
}
