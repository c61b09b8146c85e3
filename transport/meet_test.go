package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// meetAll lets ranks meet that need not fit together, and closes what comes of it.
func meetAll(t *testing.T, cfgs ...transport.Config) ([]*transport.World, []error) {
	t.Helper()
	transporttest.CheckLeaks(t)
	worlds, errs := make([]*transport.World, len(cfgs)), make([]error, len(cfgs))
	var wg sync.WaitGroup
	for i, cfg := range cfgs {
		wg.Go(func() { worlds[i], errs[i] = transport.Meet(t.Context(), cfg) })
	}
	wg.Wait()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, w := range worlds {
			if w != nil {
				wg.Go(func() { w.Close(ctx) })
			}
		}
		wg.Wait()
	})
	return worlds, errs
}

// configs are those of n ranks on one network.
func configs(network *transporttest.Network, n int) []transport.Config {
	var cfgs []transport.Config
	for r := range n {
		cfgs = append(cfgs, transporttest.Config(network, transport.Rank(r), n))
	}
	return cfgs
}

func wantRefused(t *testing.T, who string, err error, code transport.Code, texts ...string) {
	t.Helper()
	var refused *transport.RefusedError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("%s: %v (%T), want code %s", who, err, err, code)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want … %s …", who, err, text)
		}
	}
}

// What is wrong with one rank of the run ends Meet for all, in the same words.
func TestMisfitsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c []transport.Config) []transport.Config
		code   transport.Code
		texts  []string
	}{
		{"size", func(c []transport.Config) []transport.Config { c[2].Size = 4; return c }, transport.CodeSize,
			[]string{"rank 2 (node003) says that the world has 4 ranks, and rank 0 (node001) that it has 3"}},
		{"rank", func(c []transport.Config) []transport.Config { c[2].Size = 9; c[2].Rank = 7; return c }, transport.CodeSize,
			[]string{"rank 7 (node003) says that the world has 9 ranks"}},
		{"facts", func(c []transport.Config) []transport.Config {
			for i := range c {
				c[i].Facts = []transport.Fact{{"platform", "linux/amd64"}, {"go version", "go1.26.8"}}
			}
			c[2].Facts = []transport.Fact{{"go version", "go1.25.5"}, {"platform", "linux/amd64"}, {"mood", "good"}}
			return c
		}, transport.CodeFacts, []string{
			"go version is go1.25.5 on rank 2 (node003) and go1.26.8 on rank 0 (node001)",
			"mood is good on rank 2 (node003) and (unknown) on rank 0 (node001)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, errs := meetAll(t, tc.change(configs(transporttest.NewNetwork(), 3))...)
				for r, err := range errs {
					// Rank 1 may find root gone before it has joined at all.
					if missing := (*transport.MissingError)(nil); r == 1 && errors.As(err, &missing) {
						continue
					}
					wantRefused(t, fmt.Sprint("rank ", r), err, tc.code, tc.texts...)
				}
				if d := time.Since(begin); d > 65*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

func TestSecondRankIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 3)
		cfgs[2].Rank, cfgs[2].Host = 1, "elsewhere" // two ranks 1, no rank 2
		_, errs := meetAll(t, cfgs...)
		for i, err := range errs {
			wantRefused(t, fmt.Sprint("process ", i), err, transport.CodeDuplicate, "rank 1 (", "joined twice", "node002", "elsewhere")
		}
	})
}

func TestMissingRankIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 8)
		cfgs[0].Hosts = []string{"node001", "node002", "node003", "node047"}
		begin := time.Now()
		_, errs := meetAll(t, slices.Delete(cfgs, 3, 4)...)
		const want = "rank 3 (node047) never connected within 1m0s; 7 of 8 joined"
		missing := (*transport.MissingError)(nil)
		if !errors.As(errs[0], &missing) || errs[0].Error() != want || missing.Joined != 7 || !slices.Equal(missing.Missing, []transport.Rank{3}) {
			t.Errorf("root: %v", errs[0])
		}
		for _, err := range errs[1:] {
			wantRefused(t, "a rank", err, transport.CodeFailed, want)
		}
		if d := time.Since(begin); d < time.Minute || d > 65*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestManyMissingRanksAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, errs := meetAll(t, configs(transporttest.NewNetwork(), 100)[0])
		if errs[0] == nil || !strings.Contains(errs[0].Error(), "rank 8, 91 more never connected") {
			t.Error(errs[0])
		}
	})
}

func TestMissingRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, errs := meetAll(t, configs(transporttest.NewNetwork(), 2)[1])
		if errs[0] == nil || !strings.Contains(errs[0].Error(), "rank 1 (node002) could not reach root (10.77.0.1:61440) within 1m0s: dial 10.77.0.1:61440: connection refused") {
			t.Error(errs[0])
		}
	})
}

// Root may be the last to start; progress tells who is still missing.
func TestRootMayStartLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 5)
		cfgs[0].Network = late(cfgs[0].Network, 40*time.Second)
		var progress []string
		cfgs[0].Progress = func(joined, size int, missing []transport.Rank) {
			progress = append(progress, fmt.Sprintf("%d of %d, %d missing", joined, size, len(missing)))
		}
		_, errs := meetAll(t, cfgs...)
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if got, want := strings.Join(progress, "; "), "2 of 5, 3 missing; 3 of 5, 2 missing; 4 of 5, 1 missing; 5 of 5, 0 missing"; got != want {
			t.Errorf("progress: %s", got)
		}
	})
}

// walledNetwork cannot reach one address's host.
type walledNetwork struct {
	transport.Network
	host string
}

func (n walledNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if strings.HasPrefix(addr, n.host+":") {
		return nil, errors.New("no route to host")
	}
	return n.Network.Dial(ctx, addr)
}

// Two ranks that reach root but not each other: everyone hears who could not reach whom.
func TestHoleInTheMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 4)
		cfgs[3].Network = walledNetwork{cfgs[3].Network, "10.77.0.3"}
		begin := time.Now()
		_, errs := meetAll(t, cfgs...)
		for r, err := range errs {
			if err == nil || !strings.Contains(err.Error(), "rank 3 (node004) cannot connect to rank 2 (node003) at 10.77.0.3:") || !strings.Contains(err.Error(), "no route to host") {
				t.Errorf("rank %d: %v", r, err)
			}
		}
		if d := time.Since(begin); d > 15*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

// Whoever gives up while the world meets, the others hear of it.
func TestGivingUpIsTold(t *testing.T) {
	for giver := range 2 {
		synctest.Test(t, func(t *testing.T) {
			transporttest.CheckLeaks(t)
			cfgs := configs(transporttest.NewNetwork(), 3)[:2] // rank 2 never comes
			impatient, cancel := context.WithCancelCause(t.Context())
			errs := make([]error, 2)
			var wg sync.WaitGroup
			for r, cfg := range cfgs {
				ctx := t.Context()
				if r == giver {
					ctx = impatient
				}
				wg.Go(func() { _, errs[r] = transport.Meet(ctx, cfg) })
			}
			wait(t, 10*time.Second)
			interrupted := errors.New("interrupted")
			cancel(interrupted)
			wg.Wait()
			if !errors.Is(errs[giver], interrupted) {
				t.Errorf("who gave up: %v", errs[giver])
			}
			if err := errs[1-giver]; err == nil || !strings.Contains(err.Error(), "gave up") || !strings.Contains(err.Error(), "interrupted") {
				t.Errorf("the other: %v", err)
			}
		})
	}
}

// A connection that breaks during any step of the meeting ends it for all, at once or at a deadline, and leaves nothing.
func TestFaultsWhileMeeting(t *testing.T) {
	const join, table, ready, letGo = 1, 2, 3, 4
	for _, kind := range []transport.Kind{join, table, ready, letGo} {
		from, to := transport.Rank(1), transport.Rank(0)
		if kind == table || kind == letGo {
			from, to = to, from
		}
		at := transporttest.Point{From: from, To: to, Lane: transport.Express, Kind: kind, Offset: 10}
		for name, fault := range map[string]*transporttest.Fault{
			"cut": transporttest.Cut(at), "truncate": transporttest.Truncate(at), "flip": transporttest.Flip(at, 1), "stall": transporttest.Stall(at),
			"repeat": transporttest.Duplicate(at),
		} {
			t.Run(fmt.Sprintf("%s kind %d", name, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					worlds, errs := meetAll(t, configs(transporttest.NewNetwork(fault), 3)...)
					if fault.Fired() != 1 {
						t.Errorf("the fault fired %d times", fault.Fired())
					}
					if d := time.Since(begin); d > 70*time.Second {
						t.Errorf("it took %s", d)
					}
					switch {
					case name == "repeat" && (kind == ready || kind == letGo):
						// Nobody reads any further before the world stands.
						if err := errors.Join(errs...); err != nil {
							t.Error(err)
						}
						in := startAll(worlds)[to]
						wantLost(t, in, from, transport.LossProtocol, "frames were lost or repeated")
						return
					case kind == letGo || name == "repeat" && kind == table:
						// The others may have the world already, and find rank 1 lost.
						if errs[1] == nil {
							t.Error("rank 1 met all the same")
						}
						return
					}
					for r, err := range errs {
						if err == nil {
							t.Errorf("rank %d met all the same", r)
						}
					}
				})
			})
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	many := make([]transport.Fact, 65)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	for _, tc := range []struct {
		change func(*transport.Config)
		want   string
	}{
		{func(c *transport.Config) { c.Size = 0 }, "a world of 0 ranks"},
		{func(c *transport.Config) { c.Size = transport.MaxSize + 1 }, "a world of 1025 ranks"},
		{func(c *transport.Config) { c.Rank = 2 }, "rank 2 in a world of 2"},
		{func(c *transport.Config) { c.Rank = -1 }, "rank -1 in a world of 2"},
		{func(c *transport.Config) { c.RunID = "" }, "run ID of 0 bytes"},
		{func(c *transport.Config) { c.Secret = []byte("short") }, "secret of 5 bytes"},
		{func(c *transport.Config) { c.Secret = []byte{} }, "secret of 0 bytes"},
		{func(c *transport.Config) { c.Info = make([]byte, transport.MaxInfo+1) }, "info of 65537 bytes"},
		{func(c *transport.Config) { c.Host = strings.Repeat("x", 257) }, "host name of 257 bytes"},
		{func(c *transport.Config) { c.Root = "" }, "rank 1 does not know root's address"},
		{func(c *transport.Config) { c.Rank, c.Root = 0, "" }, "root has neither a listener nor an address"},
		{func(c *transport.Config) { c.Root = "nonsense" }, "root's address \"nonsense\""},
		{func(c *transport.Config) { c.SilenceLimit = -1 }, "negative time limit"},
		{func(c *transport.Config) { c.Facts = many }, "65 facts exceed 64"},
		{func(c *transport.Config) { c.Facts = []transport.Fact{{"a", ""}, {"a", ""}} }, `fact "a": names are unique`},
		{func(c *transport.Config) { c.BodyLimits = map[transport.Kind]int{6: 1} }, "body limit 1 for bye"},
	} {
		cfg := transporttest.Config(transporttest.NewNetwork(), 1, 2)
		tc.change(&cfg)
		if _, err := transport.Meet(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Meet = %v, want … %s …", err, tc.want)
		}
	}
}

// Without a secret, a world on one machine works over loopback, as the tests with TCP show, and root takes no other
// machine's address even for itself.
func TestWithoutSecretOnlyLoopbackListens(t *testing.T) {
	transporttest.CheckLeaks(t)
	asked := make(chan string, 1)
	_, err := transport.Meet(t.Context(), transport.Config{
		Size: 2, RunID: "x", Root: "192.0.2.1:1234", Network: askedNetwork{asked},
	})
	if err == nil || <-asked != "127.0.0.1:1234" {
		t.Error(err)
	}
}

type askedNetwork struct{ asked chan string }

func (n askedNetwork) Listen(_ context.Context, addr string) (net.Listener, error) {
	n.asked <- addr
	return nil, errors.New("not today")
}

func (n askedNetwork) Dial(context.Context, string) (net.Conn, error) { return nil, errors.New("no") }
