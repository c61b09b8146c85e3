package rank

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/badbubble/distgo/sync/store"
)

// A store that is larger than it may be is tidied after a build that went well, and only then.
func TestCloseStore(t *testing.T) {
	for _, c := range []struct {
		name string
		tidy bool
		ctx  func(context.Context) context.Context
		left bool
	}{
		{"built", true, func(ctx context.Context) context.Context { return ctx }, false},
		{"failed", false, func(ctx context.Context) context.Context { return ctx }, true},
		{"interrupted", true, func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s, err := store.Open(store.Options{Dir: dir, MaxBytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			made := filepath.Join(t.TempDir(), "made")
			if err := os.WriteFile(made, []byte("old and large"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(made); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "files", "*", "*"))
			for _, f := range files {
				old := time.Now().Add(-100 * time.Hour)
				if err := os.Chtimes(f, old, old); err != nil {
					t.Fatal(err)
				}
			}
			words := new(bytes.Buffer)
			r := &run{cfg: Config{Stderr: words}, store: s}
			r.closeStore(c.ctx(t.Context()), c.tidy)
			files, _ = filepath.Glob(filepath.Join(dir, "files", "*", "*"))
			if (len(files) > 0) != c.left || words.Len() > 0 {
				t.Errorf("%d files are left; said %q", len(files), words)
			}
		})
	}
}
