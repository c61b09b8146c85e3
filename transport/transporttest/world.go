package transporttest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/badbubble/distgo/transport"
)

// An Option changes what NewWorld makes.
type Option func(*options)

type options struct {
	network *Network
	faults  []*Fault
	change  func(*transport.Config)
}

// WithFaults puts faults between the ranks.
func WithFaults(faults ...*Fault) Option {
	return func(o *options) { o.faults = append(o.faults, faults...) }
}

// WithNetwork uses a network that the test holds, to kill or isolate ranks. It excludes WithFaults.
func WithNetwork(n *Network) Option { return func(o *options) { o.network = n } }

// WithConfig changes each rank's configuration before it meets.
func WithConfig(change func(*transport.Config)) Option { return func(o *options) { o.change = change } }

// RootPort is where rank 0 listens.
const RootPort = 61440

// Config is how rank r of n meets on a network.
func Config(n *Network, r transport.Rank, size int) transport.Config {
	return transport.Config{
		Rank: r, Size: size, RunID: "test", Secret: []byte("only for tests, and long enough"),
		Root: Addr(transport.Root, RootPort), Host: fmt.Sprintf("node%03d", int(r)+1), Network: n.Node(r),
	}
}

// NewWorld returns n connected ranks, which are closed when the test ends. A goroutine of theirs that is left then fails
// the test. It does not start them.
func NewWorld(t testing.TB, n int, opts ...Option) []*transport.World {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.network == nil {
		o.network = NewNetwork(o.faults...)
	} else if len(o.faults) > 0 {
		t.Fatal("give faults to NewNetwork")
	}
	CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	worlds := make([]*transport.World, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for r := range n {
		cfg := Config(o.network, transport.Rank(r), n)
		if o.change != nil {
			o.change(&cfg)
		}
		wg.Go(func() { worlds[r], errs[r] = transport.Meet(ctx, cfg) })
	}
	wg.Wait()
	t.Cleanup(func() { closeAll(worlds) })
	for r, err := range errs {
		if err != nil {
			t.Fatalf("rank %d: %v", r, err)
		}
	}
	return worlds
}

// closeAll does not judge how the worlds end: tests with faults leave them in any state. Nothing may keep them longer than
// the limit.
func closeAll(worlds []*transport.World) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range worlds {
		if w != nil {
			wg.Go(func() { w.Close(ctx) })
		}
	}
	wg.Wait()
}

// CheckLeaks fails the test if, after its other cleanups, a goroutine of package transport is left that the test has
// started, directly or not. It is for the test's own goroutine, before anything else.
func CheckLeaks(t testing.TB) {
	t.Helper()
	token := new(int) // its address tells these goroutines from those of tests that run at the same time
	label := fmt.Sprintf("%s %p", t.Name(), token)
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("transporttest", label)))
	t.Cleanup(func() {
		pprof.SetGoroutineLabels(context.Background())
		defer runtime.KeepAlive(token)
		var left []string
		for range 10_000 { // a goroutine that has signalled its end may need a moment to be gone
			if left = goroutines(label); len(left) == 0 {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("%d goroutines of package transport are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// goroutines returns the stacks of package transport that carry the label.
func goroutines(label string) []string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return []string{err.Error()}
	}
	var left []string
	for g := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(g, fmt.Sprintf("%q:%q", "transporttest", label)) && strings.Contains(g, "distgo/transport.") {
			left = append(left, g)
		}
	}
	return left
}
