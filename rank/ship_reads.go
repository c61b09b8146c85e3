package rank

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
)

// reads lists the files of root that an action reads, programs among them,
// sorted. It looks at the files to find what they include. Compiler, if not
// "", is run in place of the toolchain's.
func reads(a *plan.Action, compiler string) ([]string, error) {
	files := map[string]bool{}
	for i := range a.Steps {
		c := &a.Steps[i]
		switch c.Op {
		case transcript.Run, transcript.Pack, transcript.Copy, transcript.Move, transcript.Symlink:
			if err := namedFiles(c, compiler, files); err != nil {
				return nil, err
			}
		case transcript.Write:
			if filepath.Base(c.Args[0]) != "embedcfg" {
				continue
			}
			var config struct{ Files map[string]string }
			if err := json.Unmarshal([]byte(c.Body), &config); err != nil {
				return nil, fmt.Errorf("reading an embed configuration: %w", err)
			}
			for _, path := range config.Files {
				files[filepath.Clean(path)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(files)), nil
}

// namedFiles adds the files that a command names, and what they include.
func namedFiles(c *transcript.Command, compiler string, files map[string]bool) error {
	for i, arg := range c.Args {
		if i > 0 && c.Args[i-1] == "-trimpath" {
			continue // names, not files
		}
		if strings.HasPrefix(arg, "-") {
			_, arg, _ = strings.Cut(arg, "=")
		}
		if i == 0 && compiler != "" && c.Op == transcript.Run && filepath.Base(arg) == "compile" {
			arg = compiler
		}
		if !filepath.IsAbs(arg) {
			continue
		}
		if info, err := os.Stat(arg); err != nil || !info.Mode().IsRegular() {
			continue // a directory to search
		}
		included := map[string]bool{}
		if err := include(filepath.Clean(arg), c.Args, included); err != nil {
			return err
		}
		for path := range included {
			files[filepath.Clean(path)] = true
		}
	}
	return nil
}
