package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// among makes a joiner look for root at several addresses.
func among(c *transport.Config, addrs ...string) {
	c.Root = ""
	c.FindRoot = func(context.Context, []string) ([]string, error) { return addrs, nil }
}

// Another run's root sits on the port where root was to be expected, and nothing on the next: root is found on the third,
// and the other run is not disturbed.
func TestRootIsFoundBehindAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		cfgs := configs(network, 3)
		other := configs(network, 3)
		for i := range other {
			other[i].RunID = "another"
		}
		cfgs[0].Root = transporttest.Addr(0, 61442)
		for i := 1; i < 3; i++ {
			among(&cfgs[i], transporttest.Addr(0, 61440), transporttest.Addr(0, 61441), transporttest.Addr(0, 61442))
		}
		cfgs[0].Network = late(cfgs[0].Network, 20*time.Second) // joiners go round and round
		_, errs := meetAll(t, append(cfgs, other...)...)
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}

// What was found first is from a run before this one; the right address comes later.
func TestRootsAddressIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		cfgs := configs(network, 3)
		stale := cfgs[0]
		stale.RunID, stale.Root = "before", transporttest.Addr(0, 7000)
		var asked [][]string
		begin := time.Now()
		cfgs[1].Root = ""
		cfgs[1].FindRoot = func(_ context.Context, tried []string) ([]string, error) {
			asked = append(asked, slices.Clone(tried))
			if time.Since(begin) < 5*time.Second && len(tried) == 0 {
				return []string{transporttest.Addr(0, 7000)}, nil
			}
			return []string{transporttest.Addr(0, 61440)}, nil
		}
		_, errs := meetAll(t, append(cfgs, stale)...)
		if err := errors.Join(errs[:3]...); err != nil {
			t.Error(err)
		}
		if len(asked) < 2 || len(asked[0]) != 0 || !slices.Equal(asked[len(asked)-1], []string{transporttest.Addr(0, 7000)}) {
			t.Errorf("FindRoot was asked with %v", asked)
		}
	})
}

// A refusal ends the search when nothing else is left, and after a while when it may be root's own.
func TestSearchEndsWithTheRefusal(t *testing.T) {
	first, second := transporttest.Addr(0, 61440), transporttest.Addr(0, 61441)
	for _, tc := range []struct {
		name   string
		change func(*transport.Config)
		addrs  []string
		code   transport.Code
		most   time.Duration
	}{
		{"another run", func(c *transport.Config) { c.RunID = "another" }, []string{first}, transport.CodeRun, 5 * time.Second},
		{"secret", func(c *transport.Config) { c.Secret = []byte("a guess of 16 bytes or more") }, []string{first}, transport.CodeSecret, 5 * time.Second},
		{"secret, or somebody else's", func(c *transport.Config) { c.Secret = []byte("a guess of 16 bytes or more") }, []string{first, second}, transport.CodeSecret, 15 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfgs := configs(transporttest.NewNetwork(), 3)[:2]
				tc.change(&cfgs[1])
				among(&cfgs[1], tc.addrs...)
				var took time.Duration
				begin := time.Now()
				done := make(chan error, 1)
				ctx, stop := context.WithCancel(t.Context())
				go func() {
					_, err := transport.Meet(t.Context(), cfgs[1])
					took = time.Since(begin)
					done <- err
					stop()
				}()
				transport.Meet(ctx, cfgs[0]) // until the other has given up
				wantRefused(t, "the joiner", <-done, tc.code)
				if took > tc.most {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// blackHole swallows what is sent to some addresses.
type blackHole struct {
	transport.Network
	holes []string
}

func (n blackHole) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if slices.Contains(n.holes, addr) {
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", addr, context.Cause(ctx))
	}
	return n.Network.Dial(ctx, addr)
}

// Addresses of interfaces that lead nowhere cost a second each, not the whole time.
func TestSearchPassesBlackHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 2)
		holes := []string{"10.9.9.1:1", "10.9.9.2:1", "10.9.9.3:1"}
		among(&cfgs[1], append(slices.Clone(holes), transporttest.Addr(0, 61440))...)
		cfgs[1].Network = blackHole{cfgs[1].Network, holes}
		begin := time.Now()
		_, errs := meetAll(t, cfgs...)
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > 4*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

// A search in vain names where it looked, and each reason once.
func TestSearchInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configs(transporttest.NewNetwork(), 2)[1]
		var addrs []string
		for port := range uint16(6) {
			addrs = append(addrs, transporttest.Addr(0, 61440+port))
		}
		cfg.Network = blackHole{cfg.Network, addrs[:1]}
		among(&cfg, addrs...)
		_, errs := meetAll(t, cfg)
		const want = "rank 1 (node002) could not reach root (10.77.0.1:61440, 10.77.0.1:61441, 10.77.0.1:61442, 10.77.0.1:61443, 2 more) within 1m0s: " +
			"dial 10.77.0.1:61440: no answer within 5s; dial 10.77.0.1:61441: connection refused"
		missing := (*transport.MissingError)(nil)
		if !errors.As(errs[0], &missing) || errs[0].Error() != want {
			t.Error(errs[0])
		}
	})
}

// An error of FindRoot ends the search; one of its context is told with what was tried.
func TestFindRootFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configs(transporttest.NewNetwork(), 2)[1]
		cfg.Root = ""
		broken := errors.New("the disk is gone")
		cfg.FindRoot = func(context.Context, []string) ([]string, error) { return nil, broken }
		if _, errs := meetAll(t, cfg); !errors.Is(errs[0], broken) {
			t.Error(errs[0])
		}
		cfg.FindRoot = func(ctx context.Context, _ []string) ([]string, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("waiting for the file: %w", context.Cause(ctx))
		}
		_, errs := meetAll(t, cfg)
		if missing := (*transport.MissingError)(nil); !errors.As(errs[0], &missing) || !strings.Contains(errs[0].Error(), "waiting for the file") {
			t.Error(errs[0])
		}
	})
}
