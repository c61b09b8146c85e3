package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/badbubble/distgo/transport"
)

// loopbackWorld meets over real TCP.
func loopbackWorld(t testing.TB, n int, change func(*transport.Config)) []*transport.World {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	worlds := make([]*transport.World, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for r := range n {
		wg.Go(func() {
			cfg := transport.Config{Rank: transport.Rank(r), Size: n, RunID: t.Name(), Root: l.Addr().String(), Host: fmt.Sprintf("node%03d", r)}
			cfg.SilenceLimit = time.Minute // real time, and perhaps a busy machine
			if r == 0 {
				cfg.Listener = l
			}
			if change != nil {
				change(&cfg)
			}
			worlds[r], errs[r] = transport.Meet(ctx, cfg)
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err != nil {
			t.Fatalf("rank %d: %v", r, err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, w := range worlds {
			wg.Go(func() { w.Close(ctx) }) // its error is the test's business
		}
		wg.Wait()
	})
	return worlds
}

// inbox is a Handler that hands frames, with their blobs read, to the test.
type inbox struct {
	frames chan received
	lost   chan error
}

type received struct {
	from transport.Rank
	transport.Frame
	blob []byte
}

func newInbox() *inbox {
	return &inbox{frames: make(chan received, 1024), lost: make(chan error, 16)} // more than any test lets wait
}

func (i *inbox) Receive(from transport.Rank, f transport.Frame) error {
	r := received{from: from, Frame: f}
	if f.Blob != nil {
		var b bytes.Buffer
		if _, err := io.Copy(&b, f.Blob); err != nil {
			return err
		}
		r.blob = b.Bytes()
	}
	i.frames <- r
	return nil
}

func (i *inbox) Lost(_ transport.Rank, cause error) { i.lost <- cause }

func TestEveryoneReachesEveryoneOverTCP(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			worlds := loopbackWorld(t, n, func(c *transport.Config) { c.Info = []byte{byte(c.Rank)} })
			inboxes := make([]*inbox, n)
			for r, w := range worlds {
				inboxes[r] = newInbox()
				w.Start(inboxes[r])
				for to := range n {
					if w.Peer(transport.Rank(to)).Info[0] != byte(to) {
						t.Errorf("rank %d has %v about rank %d", r, w.Peer(transport.Rank(to)), to)
					}
					if to == r {
						continue
					}
					for _, lane := range []transport.Lane{transport.Express, transport.Bulk} {
						if err := w.Send(transport.Rank(to), lane, transport.Message{Kind: 40, Step: uint32(r), Body: fmt.Sprintf("%d to %d", r, to)}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			for to, in := range inboxes {
				for range 2 * (n - 1) {
					f := <-in.frames
					var body string
					if err := f.Decode(&body); err != nil || body != fmt.Sprintf("%d to %d", f.from, to) || f.Step != uint32(f.from) {
						t.Errorf("rank %d received %q, step %d, %v from rank %d", to, body, f.Step, err, f.from)
					}
				}
			}
		})
	}
}
