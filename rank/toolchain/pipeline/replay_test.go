package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	got, err := split("/p/compile", []string{"/go/compile", "-o", "/w/b001/_pkg_.a", "-p", "main", "a.go"})
	want := []string{"/p/compile", "-o", "/w/b001/_pkg_.x", "-linkobj", "/w/b001/_pkg_.a", "-p", "main", "a.go"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, args := range [][]string{{"compile"}, {"compile", "-p", "main", "-o", "x.a"}, {"compile", "-o", "x.o"}} {
		if got, err := split("c", args); err == nil {
			t.Errorf("%q became %q", args, got)
		}
	}
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.a")
	write(t, archive, "!<arch>\n")
	write(t, filepath.Join(dir, "odd.o"), "odd")
	write(t, filepath.Join(dir, "longer_than_sixteen.o"), "even")
	if err := pack(archive, []string{filepath.Join(dir, "odd.o"), filepath.Join(dir, "longer_than_sixteen.o")}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(archive)
	want := "!<arch>\n" +
		"odd.o           0           0     0     644     3         `\nodd\x00" +
		"longer_than_sixt0           0     0     644     4         `\neven"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRunSignalled has a shell in the compiler's part.
func TestRunSignalled(t *testing.T) {
	const types, waits, exported = `: >x.types; printf '\002' >&3; `, `printf '\003' >&3; dd bs=1 count=1 <&3 >told 2>&-; `, `: >x; printf '\001' >&3; `
	for _, test := range []struct {
		name, script, heard, want string
	}{
		{"in time", types + exported + `exec 3>&-; exit 0`, "TX", ""},
		{"waits", types + waits + `[ -s told ] && ` + exported, "TWX", ""},
		{"fails later", exported + `exit 2`, "X", "exit status 2"},
		{"fails first", `exit 2`, "", "exit status 2"},
		{"silent", `: >x`, "", "no signal"},
		{"too early", `printf '\001' >&3; exec 3>&-; exit 0`, "", "no such file"},
		{"no types", `printf '\002' >&3; exec 3>&-; exit 0`, "", "no such file"},
		{"nonsense", `printf . >&3`, "", "says 46"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", test.script)
			cmd.Dir, cmd.Env = t.TempDir(), os.Environ()
			heard := ""
			err := runSignalled(own(cmd), filepath.Join(cmd.Dir, "x"), moments{
				typed:    func() { heard += "T" },
				waits:    func() error { heard += "W"; return nil },
				exported: func() { heard += "X" },
			})
			if heard != test.heard {
				t.Errorf("heard %s, want %s", heard, test.heard)
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	g := Go{Root: "/go", Env: []string{"PATH=/bin", "GOFLAGS=-x", "GOMAXPROCS=3", "CGO_CFLAGS=-O0", "GOEXPERIMENT=nodwarf5", "GOARCH=wasm"}}
	cmd := exec.Cmd{Env: g.environ("/d")}
	got := cmd.Environ()
	for _, setting := range []string{"PATH=/bin", "GOMAXPROCS=3", "GOEXPERIMENT=nodwarf5", "GOROOT=/go", "GOENV=off", "CGO_ENABLED=0", "GOCACHE=/d/cache"} {
		if !slices.Contains(got, setting) {
			t.Errorf("%s is missing", setting)
		}
	}
	for _, setting := range got {
		if strings.HasPrefix(setting, "GOFLAGS=") || strings.HasPrefix(setting, "CGO_CFLAGS=") || strings.HasPrefix(setting, "GOARCH=") {
			t.Errorf("%s got through", setting)
		}
	}
	if path := g.command(t.Context(), "/d", "/w", "version").Path; path != "/go/bin/go" {
		t.Errorf("%s is run, which may be of another version", path)
	}
	if got := g.experiment(); got != "nodwarf5" {
		t.Errorf("experiment %q", got)
	}
}
