package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/badbubble/distgo"

// mayImport says which of our packages a room may import, beside those below
// itself: main → bench → rank → {plan, sync/*, transport}.
var mayImport = map[string][]string{
	"plan":          {"plan"},
	"transport":     {"transport"},
	"sync/store":    {"sync/store"},
	"sync/exchange": {"sync/exchange", "sync/store", "transport"},
	"sync/ship":     {"sync/ship", "sync/store"},
	"sync/stage":    {"sync/stage", "sync/store"},
	"rank":          {"rank", "plan", "sync", "transport"},
	"bench":         {"bench", "rank", "plan", "sync", "transport"},
	"":              {"bench", "rank", "plan", "sync", "transport"},
}

// only says in which rooms an outside package may be used.
var only = map[string][]string{
	"github.com/alecthomas/kong": {""},
	"golang.org/x/crypto/ssh":    {"sync/stage", "rank/launch"},
	"github.com/pkg/sftp":        {"sync/stage"},
	"gonum.org/v1/plot":          {"bench"},
	"os/exec":                    {"rank/execute", "rank/toolchain", "rank/launch", "rank/scratch", "bench"},
}

// alone are the rooms that start no goroutine: what they compute depends on
// nothing but what they are given, and make test spares them the race detector.
var alone = []string{"plan", "rank/superstep", "bench/figures", "bench/page", "bench/simulate"}

// TestLayering holds the imports against the rooms: what is forbidden here is
// a wall of the architecture. Tests may reach anywhere.
func TestLayering(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "out" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "transporttest") {
			return nil
		}
		checked++
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(alone, func(r string) bool { return within(dir, r) }) {
			ast.Inspect(file, func(n ast.Node) bool {
				_, starts := n.(*ast.GoStmt)
				if call, ok := n.(*ast.CallExpr); ok {
					f, ok := call.Fun.(*ast.SelectorExpr)
					starts = ok && (f.Sel.Name == "Go" || f.Sel.Name == "AfterFunc") // a WaitGroup's, package time's
				}
				if starts {
					t.Errorf("%s starts a goroutine; %q do not", path, alone)
				}
				return true
			})
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				allowed := mayImport[room(dir)]
				if !slices.ContainsFunc(allowed, func(a string) bool { return within(ours, a) }) {
					t.Errorf("%s imports %s; %q may import %v", path, ours, room(dir), allowed)
				}
			}
			for outside, rooms := range only {
				if within(imported, outside) && !slices.ContainsFunc(rooms, func(r string) bool { return r == dir || r != "" && within(dir, r) }) {
					t.Errorf("%s imports %s, which only %q may", path, imported, rooms)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 20 {
		t.Fatalf("only %d files were checked", checked)
	}
}

// room is the longest room that a directory lies in.
func room(dir string) string {
	best := ""
	for r := range mayImport {
		if within(dir, r) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func within(path, parent string) bool {
	return path == parent || parent != "" && strings.HasPrefix(path, parent+"/")
}
