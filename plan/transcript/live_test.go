package transcript

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestModes reads what the go command at hand (GOTOOLCHAIN chooses another)
// prints for each kind of build, standard library included, and compares the
// blocks with its action graph.
func TestModes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	dir := t.TempDir()
	writeModule(t, dir, "")
	writeProfile(t, filepath.Join(dir, "default.pgo"))
	version := goEnv(t, nil, "GOVERSION")
	static := []string{"CGO_ENABLED=0"}
	for _, tt := range []struct {
		name string
		env  []string
		args string
	}{
		{"programs", nil, "-o bin/ ./cmd/... ./plug ./near"},
		{"packages", nil, "./..."},
		{"library", nil, "-o lib.a ./lib"},
		{"spaces", nil, "-trimpath -o out?dir/two?2 ./cmd/two"},
		{"below", nil, "-C cmd ./two ./two2"},
		{"race", nil, "-race ./cmd/one"},
		{"asan", nil, "-asan ./cmd/one"},
		{"cover", nil, "-cover ./cmd/one"},
		{"verbose", nil, "-v -x ./cmd/two"},
		{"profile", nil, "-pgo=default.pgo ./cmd/two ./near"},
		{"archive", nil, "-buildmode=c-archive ./plug"},
		{"shared", nil, "-buildmode=c-shared -o plug.so ./plug"},
		{"plugin", nil, "-buildmode=plugin ./plug"},
		{"pie", nil, "-buildmode=pie ./cmd/one"},
		{"linkshared", nil, "-buildmode=shared -linkshared ./lib"},
		{"windows", append(static, "GOOS=windows"), "./cmd/two"},
		{"darwin", append(static, "GOOS=darwin"), "./cmd/two"},
		{"wasm", append(static, "GOOS=js", "GOARCH=wasm"), "./cmd/two"},
		{"levels", append(static, "GOAMD64=v3"), "./cmd/two"},
		{"std", nil, "std"},
		{"cmd", nil, "cmd/go"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			graph := filepath.Join(t.TempDir(), "graph.json")
			args := []string{"build", "-a", "-n", "-debug-actiongraph=" + graph}
			if c, ok := strings.CutPrefix(tt.args, "-C "); ok {
				// -C is only allowed as the first flag.
				sub, rest, _ := strings.Cut(c, " ")
				args = append([]string{"build", "-C", sub}, args[1:]...)
				tt.args = rest
			}
			for arg := range strings.FieldsSeq(tt.args) {
				args = append(args, strings.ReplaceAll(arg, "?", " "))
			}
			s := mustParse(t, goCommand(t, dir, tt.env, args...), version)
			compareGraph(t, s, graph)
		})
	}
}

// An action of cmd/go, as -debug-actiongraph writes it
// (actionJSON in cmd/go/internal/work/action.go).
type graphAction struct {
	Mode    string
	Package string
	Objdir  string
	Cmd     []string
}

func readGraph(t *testing.T, file string) []graphAction {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var actions []graphAction
	if err := json.Unmarshal(data, &actions); err != nil {
		t.Fatal(err)
	}
	return actions
}

// compareGraph checks that s has a block for each package and program that is
// built, under cmd/go's own name, with all of it inside.
func compareGraph(t *testing.T, s *Script, file string) {
	t.Helper()
	blocks := map[string]*Block{}
	compiles, links := 0, 0
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if blocks[b.Node] != nil {
			t.Errorf("two blocks for %s", b.Node)
		}
		blocks[b.Node] = b
		for j := range b.Commands {
			switch c := &b.Commands[j]; toolOf(c) {
			case "compile":
				compiles++
				if node := NodeOf(argAfter(c, "-o")); node != b.Node {
					t.Errorf("line %d: the compile of %s is in %s", c.Line, node, b.Node)
				}
			case "link":
				links++
			}
			if j > 0 && b.Commands[j-1].Line >= b.Commands[j].Line {
				t.Errorf("line %d: command before one of line %d", b.Commands[j-1].Line, b.Commands[j].Line)
			}
		}
	}
	for _, a := range readGraph(t, file) {
		b := blocks[NodeOf(a.Objdir)]
		if b == nil && graphBuilds(&a) {
			t.Errorf("no block for %s %s in %s", a.Mode, a.Package, a.Objdir)
			continue
		}
		switch {
		case !graphBuilds(&a):
		case a.Mode == "build":
			compiles--
			if b.Package != a.Package {
				t.Errorf("%s is called %q, want %q", b.Node, b.Package, a.Package)
			}
		case strings.HasPrefix(a.Mode, "link"), strings.HasSuffix(a.Mode, "=shared"):
			links--
		}
	}
	if compiles != 0 || links != 0 {
		t.Errorf("%d compiles and %d links more than cmd/go's graph has", compiles, links)
	}
}

// graphBuilds reports whether a is one of the actions that runs the compiler,
// the linker or the PGO preprocessor.
func graphBuilds(a *graphAction) bool {
	switch a.Mode {
	case "build":
		return a.Package != "unsafe"
	case "link", "go build -buildmode=shared", "preprocess PGO profile":
		return true
	}
	return false
}
