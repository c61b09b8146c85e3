package rank

import (
	"os"
	"testing"

	"github.com/badbubble/distgo/rank/scratch"
)

// TestMain makes this test binary the guardian of its own ranks.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(scratch.Guard(os.Args[1:]))
	}
	os.Exit(m.Run())
}
