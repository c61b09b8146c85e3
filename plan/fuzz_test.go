package plan

import (
	"strings"
	"testing"
)

// FuzzExportImports rewrites any import configuration: it keeps the number of lines, and once is enough.
func FuzzExportImports(f *testing.F) {
	f.Add("# import config\npackagefile fmt=$WORK/b002/_pkg_.a\nimportmap a=b\n")
	f.Add("packagefile =\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		once := exportImports(body)
		if strings.Count(once, "\n") != strings.Count(body, "\n") {
			t.Errorf("%q became %q", body, once)
		}
		if twice := exportImports(once); twice != once {
			t.Errorf("%q, and then %q", once, twice)
		}
	})
}
