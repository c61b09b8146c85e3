package rank

import (
	"testing"

	"github.com/badbubble/distgo/plan"
)

func TestHeap(t *testing.T) {
	const gib = 1 << 30
	for _, test := range []struct {
		name, version string
		env           []string
		memory        int64
		slots         int
		want          int64
	}{
		{"plenty", "go1.26.8", nil, 64 * gib, 16, 2048},
		{"a laptop", "go1.26.8", nil, 6 * gib, 8, 384},
		{"little", "go1.26.8", nil, 2 * gib, 8, 0},
		{"unknown", "go1.26.8", nil, 0, 1, 0},
		{"a compiler that cannot", "go1.25.5", nil, 64 * gib, 16, 0},
		{"the user's own word", "go1.26.8", []string{"GOARCH=amd64", "GOMEMLIMIT=512MiB"}, 64 * gib, 16, 0},
	} {
		p := &plan.Plan{GoVersion: test.version, Env: test.env}
		if got := heap(p, test.memory, test.slots); got != test.want {
			t.Errorf("%s: %d MiB, want %d", test.name, got, test.want)
		}
	}
}

func TestMayWait(t *testing.T) {
	const gib = 1 << 30
	for _, test := range []struct {
		memory int64
		slots  int
		want   int
	}{{64 * gib, 16, 24}, {13 * gib, 8, 24}, {13*gib - 1, 8, 23}, {6 * gib, 8, 5}, {4 * gib, 8, 0}, {0, 1, 0}} {
		if got := mayWait(test.memory, test.slots); got != test.want {
			t.Errorf("%d bytes for %d slots: %d", test.memory, test.slots, got)
		}
	}
}
