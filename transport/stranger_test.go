package transport_test

import (
	"context"
	"errors"
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

// Processes of other runs, or without the secret, are told so, and the run goes on without them.
func TestForeignersDoNotDisturb(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*transport.Config)
		code   transport.Code
		text   string

		strangers int
	}{
		{"another run", func(c *transport.Config) { c.RunID = "yesterday's" }, transport.CodeRun, "belongs to another run", 1},
		{"wrong secret", func(c *transport.Config) { c.Secret = []byte("a guess of 16 bytes or more") }, transport.CodeSecret, "does not have this rank's secret", 1},
		{"no secret", func(c *transport.Config) { c.Secret = nil }, transport.CodeSecret, "without a secret, only loopback addresses are dialled", 1},
		{"not root", func(c *transport.Config) { c.Root = transporttest.Addr(0, 1) }, 0, "", 0}, // nothing listens there
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := transporttest.NewNetwork()
				cfgs := configs(network, 3)
				foreigner := cfgs[2]
				foreigner.Host = "foreign"
				tc.change(&foreigner)
				cfgs[2].Network = late(cfgs[2].Network, 30*time.Second)
				worlds, errs := meetAll(t, append(cfgs, foreigner)...)
				for r, err := range errs[:3] {
					if err != nil {
						t.Errorf("rank %d: %v", r, err)
					}
				}
				if tc.code != 0 {
					wantRefused(t, "the foreigner", errs[3], tc.code, tc.text)
				} else if missing := (*transport.MissingError)(nil); !errors.As(errs[3], &missing) || !strings.Contains(errs[3].Error(), "connection refused") {
					t.Errorf("the foreigner: %v", errs[3])
				}
				if worlds[0] == nil || worlds[0].Strangers() != tc.strangers {
					t.Errorf("root does not count %d strangers", tc.strangers)
				}
			})
		})
	}
}

// lateNetwork neither listens nor dials before a certain time.
type lateNetwork struct {
	transport.Network
	start time.Time
}

func late(n transport.Network, after time.Duration) transport.Network {
	return lateNetwork{n, time.Now().Add(after)}
}

func (n lateNetwork) Listen(ctx context.Context, addr string) (net.Listener, error) {
	timer := time.NewTimer(time.Until(n.start))
	defer timer.Stop()
	<-timer.C
	return n.Network.Listen(ctx, addr)
}

func (n lateNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if time.Now().Before(n.start) {
		return nil, errors.New("not yet")
	}
	return n.Network.Dial(ctx, addr)
}

// A root without a secret does not let other machines in.
func TestRootWithoutSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 2)
		cfgs[0].Secret = nil
		_, errs := meetAll(t, cfgs...)
		wantRefused(t, "rank 1", errs[1], transport.CodeSecret, "has no secret, and so accepts only loopback connections")
		if missing := (*transport.MissingError)(nil); !errors.As(errs[0], &missing) || !slices.Equal(missing.Missing, []transport.Rank{1}) {
			t.Errorf("root: %v", errs[0])
		}
	})
}

// recordingNetwork keeps what was written to every connection it dialled.
type recordingNetwork struct {
	transport.Network
	mu      *sync.Mutex
	written *[][]byte
}

type recordingConn struct {
	net.Conn
	network recordingNetwork
	index   int
}

func (n recordingNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := n.Network.Dial(ctx, addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	*n.written = append(*n.written, nil)
	return recordingConn{c, n, len(*n.written) - 1}, err
}

func (c recordingConn) Write(b []byte) (int, error) {
	c.network.mu.Lock()
	(*c.network.written)[c.index] = append((*c.network.written)[c.index], b...)
	c.network.mu.Unlock()
	return c.Conn.Write(b)
}

// Garbage, silence, half a handshake and a recorded one are dropped and counted; the world stands nevertheless.
func TestStrangersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		cfgs := configs(network, 3)
		record := recordingNetwork{network.Node(1), new(sync.Mutex), new([][]byte)}
		cfgs[1].Network = record
		cfgs[2].Network = late(cfgs[2].Network, 30*time.Second)

		strangers := make(chan int)
		go func() {
			wait(t, 10*time.Second) // rank 1 has joined by then
			record.mu.Lock()
			joined := slices.Clone((*record.written)[0])
			record.mu.Unlock()
			conns := 0
			for _, said := range [][]byte{
				joined, joined[:84], joined[:40], nil, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), make([]byte, 1000),
				append([]byte("\x89distgo\n\x00\x01\x07"), make([]byte, 100)...), // a role that there is not
			} {
				c, err := network.Node(9).Dial(t.Context(), transporttest.Addr(0, transporttest.RootPort))
				if err != nil {
					t.Error(err)
					continue
				}
				c.Write(said)
				defer c.Close()
				conns++
			}
			wait(t, 10*time.Second)
			strangers <- conns
		}()
		var worlds []*transport.World
		var errs []error
		met := make(chan struct{})
		go func() { defer close(met); worlds, errs = meetAll(t, cfgs...) }()
		conns := <-strangers
		<-met
		for r, err := range errs {
			if err != nil {
				t.Errorf("rank %d: %v", r, err)
			}
		}
		if conns != 7 || worlds[0] == nil || worlds[0].Strangers() != conns {
			t.Errorf("%d strangers came, root counts %d", conns, worlds[0].Strangers())
		}
	})
}

// More silent strangers than handshakes are served at once: they time out, and the ranks get their turn.
func TestFloodOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		cfgs := configs(network, 2)
		cfgs[1].Network = late(cfgs[1].Network, 5*time.Second)
		met := make(chan struct{})
		defer close(met)
		go func() {
			wait(t, time.Second)
			for range 300 {
				c, err := network.Node(9).Dial(t.Context(), transporttest.Addr(0, transporttest.RootPort))
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
			}
			<-met
		}()
		worlds, errs := meetAll(t, cfgs...)
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		if worlds[0].Strangers() == 0 {
			t.Error("no stranger was counted")
		}
	})
}
