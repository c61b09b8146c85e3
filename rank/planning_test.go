package rank

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What would stop a build at its end is found before it.
func TestReportable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"":                                 "",
		file:                               "",
		filepath.Join(dir, "new.json"):     "",
		os.DevNull:                         "",
		dir:                                "is a directory; name a file",
		filepath.Join(dir, "no", "r.json"): "cannot be written",
		filepath.Join(file, "r.json"):      "cannot be written",
	} {
		err := reportable(path)
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || failure(err).Code != ExitUsage) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		file:                              "",
		filepath.Join(dir, "a", "b", "c"): "",
		os.DevNull:                        "",
		dir:                               "is a directory",
		filepath.Join(file, "x"):          "is not a directory",
		filepath.Join(file, "x", "y"):     "is not a directory",
	} {
		err := writable(path)
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || failure(err).Code != ExitUsage) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOutputPath(t *testing.T) {
	for _, c := range [][2]string{{"", ""}, {"x", "/here/x"}, {"../x", "/x"}, {"/abs/x", "/abs/x"}, {"bin/", "/here/bin/"}, {".", "/here"}} {
		if got := OutputPath("/here", c[0]); got != c[1] {
			t.Errorf("%q became %q, expected %q", c[0], got, c[1])
		}
	}
}
