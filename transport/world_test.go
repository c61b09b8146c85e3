package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// startAll gives every rank an inbox.
func startAll(worlds []*transport.World) []*inbox {
	inboxes := make([]*inbox, len(worlds))
	for r, w := range worlds {
		inboxes[r] = newInbox()
		w.Start(inboxes[r])
	}
	return inboxes
}

func send(t testing.TB, w *transport.World, to transport.Rank, lane transport.Lane, m transport.Message) {
	t.Helper()
	if err := w.Send(to, lane, m); err != nil {
		t.Fatal(err)
	}
}

// closeAll closes all ranks at the same time, as the end of a run does, and wants no errors.
func closeAll(t testing.TB, worlds []*transport.World) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range worlds {
		wg.Go(func() {
			if err := w.Close(ctx); err != nil {
				t.Errorf("rank %d: Close: %v", w.Rank(), err)
			}
		})
	}
	wg.Wait()
}

func bytesBlob(b []byte) *transport.Blob {
	return &transport.Blob{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func fileBlob(t testing.TB, b []byte) *transport.Blob {
	name := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return &transport.Blob{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return os.Open(name) }}
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func TestMessagesArriveInOrderAtEverySize(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const each = 50
				worlds := transporttest.NewWorld(t, n)
				inboxes := startAll(worlds)
				for i := range each {
					for r, w := range worlds {
						for to := range n {
							if to != r {
								send(t, w, transport.Rank(to), transport.Express, transport.Message{Kind: 33, Step: uint32(i)})
							}
						}
					}
				}
				for _, in := range inboxes {
					next := make(map[transport.Rank]uint32)
					for range each * (n - 1) {
						f := <-in.frames
						if f.Step != next[f.from] {
							t.Fatalf("message %d of rank %d came as number %d", f.Step, f.from, next[f.from])
						}
						next[f.from]++
					}
				}
				closeAll(t, worlds)
			})
		})
	}
}

// Both lanes, both directions, at the same time, over memory and over TCP, from files and from memory.
func TestBlobs(t *testing.T) {
	sizes := []int{0, 1, 5 << 20}
	data := [2][]byte{noise(5<<20, 0), noise(5<<20, 1)} // by sender
	check := func(t *testing.T, worlds []*transport.World) {
		inboxes := startAll(worlds)
		for r, w := range worlds {
			for i, size := range sizes {
				for _, lane := range []transport.Lane{transport.Express, transport.Bulk} {
					blob := bytesBlob(data[r][:size])
					if lane == transport.Bulk {
						blob = fileBlob(t, data[r][:size])
					}
					send(t, w, transport.Rank(1-r), lane, transport.Message{Kind: 40, Step: uint32(i), Body: i, Blob: blob})
				}
			}
		}
		for _, in := range inboxes {
			for range 2 * len(sizes) {
				f := <-in.frames
				if f.Blob == nil || f.BlobSize != int64(sizes[f.Step]) || !bytes.Equal(f.blob, data[f.from][:sizes[f.Step]]) {
					t.Errorf("blob %d from rank %d arrived as %d bytes, announced as %d", f.Step, f.from, len(f.blob), f.BlobSize)
				}
			}
		}
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, transporttest.NewWorld(t, 2)) })
	})
	t.Run("tcp", func(t *testing.T) { check(t, loopbackWorld(t, 2, nil)) })
}

// A blob that the handler leaves unread must not shift what follows.
func TestUnreadBlobIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		in := startAll(worlds[:1])[0]
		worlds[1].Start(handlerFuncs{receive: func(_ transport.Rank, f transport.Frame) error {
			return worlds[1].Send(0, transport.Express, transport.Message{Kind: f.Kind})
		}})
		send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40, Blob: bytesBlob(noise(1<<20, 1))})
		send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 41})
		for _, want := range []transport.Kind{40, 41} {
			if f := <-in.frames; f.Kind != want {
				t.Errorf("got %s, want %s", f.Kind, want)
			}
		}
		closeAll(t, worlds)
	})
}

// handlerFuncs makes a Handler of functions, of which either may be nil.
type handlerFuncs struct {
	receive func(transport.Rank, transport.Frame) error
	lost    func(transport.Rank, error)
}

func (h handlerFuncs) Receive(from transport.Rank, f transport.Frame) error {
	if h.receive == nil {
		return nil
	}
	return h.receive(from, f)
}

func (h handlerFuncs) Lost(from transport.Rank, cause error) {
	if h.lost != nil {
		h.lost(from, cause)
	}
}

func TestSlowPeerDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := transporttest.SlowReader(transporttest.Point{From: 0, To: 1, Lane: transport.Bulk}, 100<<10)
		worlds := transporttest.NewWorld(t, 3, transporttest.WithFaults(slow))
		inboxes := startAll(worlds)
		begin := time.Now()
		blob := bytesBlob(noise(4<<20, 1))
		send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40, Blob: blob})    // 40 s at that rate
		send(t, worlds[0], 2, transport.Bulk, transport.Message{Kind: 40, Blob: blob})    // another peer
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 41, Body: "hi"}) // another lane
		<-inboxes[2].frames
		if f := <-inboxes[1].frames; f.Kind != 41 {
			t.Errorf("%s came first on the express lane", f.Kind)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("the others waited %s", d)
		}
		if f := <-inboxes[1].frames; f.BlobSize != blob.Size || time.Since(begin) < 30*time.Second {
			t.Errorf("the slow blob took %s", time.Since(begin))
		}
		if slow.Fired() != 1 {
			t.Errorf("the fault fired %d times", slow.Fired())
		}
		closeAll(t, worlds)
	})
}

func TestSendChecksItsArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2, transporttest.WithConfig(func(c *transport.Config) {
			c.BodyLimits = map[transport.Kind]int{50: 10}
		}))
		w := worlds[0]
		ok := transport.Message{Kind: 40}
		for _, tc := range []struct {
			to   transport.Rank
			lane transport.Lane
			m    transport.Message
			want string
		}{
			{0, transport.Express, ok, "rank 0 sends to itself"},
			{2, transport.Express, ok, "sending to rank 2 of 2"},
			{-1, transport.Express, ok, "sending to rank -1 of 2"},
			{1, 3, ok, "sending on lane 3"},
			{1, transport.Express, transport.Message{Kind: 31}, "kind 31 is not for sending"},
			{1, transport.Express, transport.Message{Kind: 6}, "bye is not for sending"},
			{1, transport.Express, transport.Message{Kind: 128}, "kind 128 is not for sending"},
			{1, transport.Express, transport.Message{Kind: 50, Body: "eleven bytes"}, "body of 13 bytes exceeds 10"},
			{1, transport.Express, transport.Message{Kind: 40, Body: make([]byte, transport.MaxBody)}, "exceeds 67108864"},
			{1, transport.Express, transport.Message{Kind: 40, Body: make(chan int)}, "unsupported"},
			{1, transport.Express, transport.Message{Kind: 40, Blob: &transport.Blob{Size: transport.MaxBlob + 1}}, "0 to 4294967296 are possible"},
			{1, transport.Express, transport.Message{Kind: 40, Blob: &transport.Blob{Size: 1}}, "blob without a source"},
		} {
			if err := w.Send(tc.to, tc.lane, tc.m); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Send(%d, %s, kind %d) = %v, want … %s …", tc.to, tc.lane, tc.m.Kind, err, tc.want)
			}
		}
		closeAll(t, worlds)
		if err := w.Send(1, transport.Express, ok); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Send after Close = %v", err)
		}
	})
}

func TestTrafficIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		in := startAll(worlds)[1]
		for range 3 {
			send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40, Body: "abc", Blob: bytesBlob(make([]byte, 100))})
			<-in.frames
		}
		synctest.Wait()
		const bytes = 3 * (transport.HeaderSize + 4 + 100)
		find := func(w *transport.World) (got transport.Traffic) {
			for _, c := range w.Traffic() {
				if c.Kind == 40 {
					got = c
				}
			}
			return got
		}
		if got := find(worlds[0]); got != (transport.Traffic{Peer: 1, Lane: transport.Bulk, Kind: 40, FramesOut: 3, BytesOut: bytes}) {
			t.Errorf("sender counts %+v", got)
		}
		if got := find(worlds[1]); got != (transport.Traffic{Peer: 0, Lane: transport.Bulk, Kind: 40, FramesIn: 3, BytesIn: bytes}) {
			t.Errorf("receiver counts %+v", got)
		}
		closeAll(t, worlds)
	})
}

func TestDecodeRefusesAnotherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		in := startAll(worlds)[1]
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40, Body: map[string]int{"a": 1}})
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 41})
		var m map[string]int
		if err := (<-in.frames).Decode(&m); err != nil || m["a"] != 1 {
			t.Errorf("got %v, %v", m, err)
		}
		if err := (<-in.frames).Decode(&m); err == nil {
			t.Error("an empty body was decoded")
		}
		closeAll(t, worlds)
	})
}
