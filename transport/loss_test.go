package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// wantLost waits for a loss and checks what it says.
func wantLost(t *testing.T, in *inbox, peer transport.Rank, how transport.Loss, text string) {
	t.Helper()
	cause := <-in.lost
	var lost *transport.LostError
	if !errors.As(cause, &lost) || lost.Peer != peer || lost.How != how || !strings.Contains(cause.Error(), text) {
		t.Errorf("lost: %v (%+v), want rank %d, loss %d, … %s …", cause, lost, peer, how, text)
	}
}

func wantNothingElse(t *testing.T, inboxes ...*inbox) {
	t.Helper()
	for r, in := range inboxes {
		if len(in.lost) > 0 {
			t.Errorf("inbox %d also has loss %v", r, <-in.lost)
		}
	}
}

// A fault on the way from rank 0 to rank 1 is noticed by rank 1 and costs nobody else anything.
func TestFaultsAreLosses(t *testing.T) {
	at := transporttest.Point{From: 0, To: 1, Lane: transport.Express, Nth: 1}
	offset := func(n int64) transporttest.Point { p := at; p.Offset = n; return p }
	const body = transport.HeaderSize
	for _, tc := range []struct {
		name  string
		fault *transporttest.Fault
		how   transport.Loss
		text  string
		whole int // messages that arrive before
	}{
		{"cut in header", transporttest.Cut(offset(3)), transport.LossCut, "rank 0 (node001)", 0},
		{"truncated header", transporttest.Truncate(offset(20)), transport.LossCut, "unexpected EOF", 1},
		{"truncated body", transporttest.Truncate(offset(body + 1)), transport.LossCut, "unexpected EOF", 1},
		{"truncated between frames", transporttest.Truncate(at), transport.LossCut, "its process has ended", 1},
		{"flipped magic", transporttest.Flip(offset(0), 1), transport.LossProtocol, "a frame begins with", 1},
		{"flipped kind", transporttest.Flip(offset(5), 8), transport.LossProtocol, "header's checksum", 1},
		{"flipped body length", transporttest.Flip(offset(17), 1), transport.LossProtocol, "header's checksum", 1},
		{"flipped blob length", transporttest.Flip(offset(24), 0x80), transport.LossProtocol, "header's checksum", 1},
		{"flipped checksum", transporttest.Flip(offset(35), 0xff), transport.LossProtocol, "header's checksum", 1},
		{"flipped body", transporttest.Flip(offset(body+2), 0x20), transport.LossProtocol, "body's checksum", 1},
		{"repeated", transporttest.Duplicate(at), transport.LossProtocol, "frames were lost or repeated", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				worlds := transporttest.NewWorld(t, 3, transporttest.WithFaults(tc.fault))
				inboxes := startAll(worlds)
				for range 3 {
					worlds[0].Send(1, transport.Express, transport.Message{Kind: 40, Body: "hello"}) // may find the peer lost
					synctest.Wait()
				}
				wantLost(t, inboxes[1], 0, tc.how, tc.text)
				wantLost(t, inboxes[0], 1, transport.LossCut, "rank 1 (node002)")
				if got := len(inboxes[1].frames); got < tc.whole || got > tc.whole && tc.whole > 0 {
					t.Errorf("%d messages arrived, want %d", got, tc.whole)
				}
				if tc.fault.Fired() != 1 {
					t.Errorf("the fault fired %d times", tc.fault.Fired())
				}
				var lost *transport.LostError
				if err := worlds[1].Send(0, transport.Bulk, transport.Message{Kind: 40}); !errors.As(err, &lost) || lost.How != tc.how {
					t.Errorf("Send to the lost rank = %v", err)
				}
				send(t, worlds[1], 2, transport.Express, transport.Message{Kind: 41})
				<-inboxes[2].frames
				closeAll(t, worlds)
				wantNothingElse(t, inboxes...)
			})
		})
	}
}

// A blob that is cut short is the network's fault and not the handler's.
func TestCutInBlobIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := transporttest.Truncate(transporttest.Point{From: 0, To: 1, Lane: transport.Bulk, Offset: 500_000})
		worlds := transporttest.NewWorld(t, 2, transporttest.WithFaults(fault))
		inboxes := startAll(worlds)
		send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40, Blob: bytesBlob(noise(1<<20, 1))})
		wantLost(t, inboxes[1], 0, transport.LossCut, "unexpected EOF")
		if err := worlds[1].Err(); err != nil {
			t.Errorf("the world ended with %v", err)
		}
		if fault.Fired() != 1 {
			t.Errorf("the fault fired %d times", fault.Fired())
		}
	})
}

// Whatever silences a rank, it is lost within the limit and a heartbeat, and nobody else is.
func TestSilenceIsALoss(t *testing.T) {
	const limit = 6 * time.Second
	for name, silence := range map[string]func(*transporttest.Network){
		"frozen":   func(n *transporttest.Network) { n.Freeze(2) },
		"isolated": func(n *transporttest.Network) { n.Isolate(2) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := transporttest.NewNetwork()
				worlds := transporttest.NewWorld(t, 3, transporttest.WithNetwork(network))
				inboxes := startAll(worlds)
				wait(t, 20*limit) // an idle world stands
				wantNothingElse(t, inboxes...)
				begin := time.Now()
				silence(network)
				for _, in := range inboxes[:2] {
					wantLost(t, in, 2, transport.LossSilent, "rank 2 (node003) was silent for")
				}
				if d := time.Since(begin); d < limit-2*time.Second || d > limit+2*time.Second {
					t.Errorf("found after %s", d)
				}
				send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40})
				<-inboxes[1].frames
				wantNothingElse(t, inboxes[:2]...)
			})
		})
	}
}

// wait lets the bubble's clock advance.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// One lane alone may show no life for longer than a peer may, but not for ever.
func TestOneStalledLaneIsALoss(t *testing.T) {
	for _, fault := range []func(transporttest.Point) *transporttest.Fault{transporttest.Stall, transporttest.HalfOpen} {
		synctest.Test(t, func(t *testing.T) {
			f := fault(transporttest.Point{From: 0, To: 1, Lane: transport.Bulk})
			worlds := transporttest.NewWorld(t, 2, transporttest.WithFaults(f))
			inboxes := startAll(worlds)
			send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40})
			wait(t, 20*time.Second)
			if f.Fired() != 1 {
				t.Errorf("the fault fired %d times", f.Fired())
			}
			wantNothingElse(t, inboxes...)
			wait(t, 10*time.Second)
			wantLost(t, inboxes[1], 0, transport.LossSilent, "sent nothing on the bulk lane for 2")
			wantLost(t, inboxes[0], 1, transport.LossCut, "")
		})
	}
}

func TestDelayIsNotALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := transporttest.Delay(transporttest.Point{From: 0, To: 1, Lane: transport.Express}, 3*time.Second)
		worlds := transporttest.NewWorld(t, 2, transporttest.WithFaults(fault))
		inboxes := startAll(worlds)
		begin := time.Now()
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40})
		<-inboxes[1].frames
		if d := time.Since(begin); d != 3*time.Second || fault.Fired() != 1 {
			t.Errorf("arrived after %s; the fault fired %d times", d, fault.Fired())
		}
		closeAll(t, worlds)
		wantNothingElse(t, inboxes...)
	})
}

// A handler that takes its time says nothing about its peer, nor the other way round, on either lane.
func TestBlockedHandlerLosesNobody(t *testing.T) {
	for _, lane := range []transport.Lane{transport.Express, transport.Bulk} {
		synctest.Test(t, func(t *testing.T) {
			worlds := transporttest.NewWorld(t, 2)
			in := newInbox()
			worlds[0].Start(in)
			done := make(chan int)
			worlds[1].Start(handlerFuncs{
				receive: func(_ transport.Rank, f transport.Frame) error {
					wait(t, time.Hour)
					n, err := io.Copy(io.Discard, f.Blob)
					done <- int(n)
					return err
				},
				lost: func(_ transport.Rank, cause error) { t.Error(cause) },
			})
			send(t, worlds[0], 1, lane, transport.Message{Kind: 40, Blob: bytesBlob(noise(2<<20, 1))}) // more than the buffers hold
			if n := <-done; n != 2<<20 {
				t.Errorf("read %d bytes", n)
			}
			closeAll(t, worlds)
			wantNothingElse(t, in)
		})
	}
}

// A source that gives nothing for a while leaves the other lane for signs of life.
func TestSlowSourceIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		inboxes := startAll(worlds)
		r, w := io.Pipe()
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40, Blob: &transport.Blob{
			Size: 2, Open: func() (io.ReadCloser, error) { return r, nil },
		}})
		w.Write([]byte("a"))
		wait(t, 20*time.Second)
		w.Write([]byte("b"))
		if f := <-inboxes[1].frames; string(f.blob) != "ab" {
			t.Errorf("got %q", f.blob)
		}
		closeAll(t, worlds)
		wantNothingElse(t, inboxes...)
	})
}

// An idle world costs three heartbeats in the silence limit on the express lane, and one on the other.
func TestHeartbeats(t *testing.T) {
	const limit, limits = 5 * time.Second, 10
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 3)
		startAll(worlds)
		wait(t, limits*limit+time.Second)
		for _, w := range worlds {
			beats := map[transport.Lane]uint64{}
			for _, c := range w.Traffic() {
				beats[c.Lane] += c.FramesOut
			}
			if express, bulk := beats[transport.Express], beats[transport.Bulk]; express != 2*3*limits || bulk != 2*limits {
				t.Errorf("rank %d sent %d heartbeats on the express lane and %d on the bulk lane in %d limits", w.Rank(), express, bulk, limits)
			}
		}
		closeAll(t, worlds)
	})
}

// Between Meet and Start a rank may be busy for long: it is alive, and keeps what the others send.
func TestLateStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		in0 := newInbox()
		worlds[0].Start(in0)
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40, Body: "early"})
		wait(t, 10*time.Minute)
		in1 := newInbox()
		worlds[1].Start(in1)
		<-in1.frames
		closeAll(t, worlds)
		wantNothingElse(t, in0, in1)
	})
}

// What is lost before Start is reported by Start.
func TestLostBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		worlds := transporttest.NewWorld(t, 2, transporttest.WithNetwork(network))
		network.Kill(1)
		wait(t, time.Minute)
		in := newInbox()
		worlds[0].Start(in)
		wantLost(t, in, 1, transport.LossCut, "rank 1 (node002)")
	})
}

// Lost comes after the last Receive, once.
func TestLostComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transporttest.NewNetwork()
		worlds := transporttest.NewWorld(t, 2, transporttest.WithNetwork(network))
		var log []string
		finished := make(chan struct{})
		worlds[1].Start(handlerFuncs{
			receive: func(transport.Rank, transport.Frame) error {
				wait(t, time.Minute)
				log = append(log, "received")
				return nil
			},
			lost: func(transport.Rank, error) { log = append(log, "lost"); close(finished) },
		})
		worlds[0].Start(newInbox())
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40})
		synctest.Wait()
		network.Kill(0)
		<-finished
		if got := fmt.Sprint(log); got != "[received lost]" {
			t.Error(got)
		}
	})
}

func TestKilledRankIsLostByAll(t *testing.T) {
	for _, n := range []int{2, 3, 5, 8} {
		synctest.Test(t, func(t *testing.T) {
			network := transporttest.NewNetwork()
			worlds := transporttest.NewWorld(t, n, transporttest.WithNetwork(network))
			inboxes := startAll(worlds)
			victim := transport.Rank(n - 1)
			network.Kill(victim)
			for _, in := range inboxes[:victim] {
				wantLost(t, in, victim, transport.LossCut, "")
			}
			closeAll(t, worlds[:victim])
			wantNothingElse(t, inboxes[:victim]...)
		})
	}
}

// A queue has a bound, so that a peer that does not read cannot take all memory.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		startAll(worlds[:1])                                        // rank 1 never reads
		body := msgpack.RawMessage(make([]byte, transport.MaxBody)) // nothing will read it
		var err error
		for i := 0; i < 16 && err == nil; i++ {
			err = worlds[0].Send(1, transport.Bulk, transport.Message{Kind: 40, Body: body})
		}
		if err == nil || !strings.Contains(err.Error(), "the peer does not read") {
			t.Errorf("a gigabyte was queued: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		worlds[0].Close(ctx)
	})
}
