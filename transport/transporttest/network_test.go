package transporttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
)

// pair is a connection from rank 0 to rank 1.
func pair(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	n := NewNetwork()
	l, err := n.Node(1).Listen(t.Context(), ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if dialled, err = n.Node(0).Dial(t.Context(), Addr(1, 7)); err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func TestConnectionsBehaveAsTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		if a.LocalAddr().String() != b.RemoteAddr().String() || a.RemoteAddr().String() != Addr(1, 7) {
			t.Errorf("%s – %s and %s – %s", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		// More than the buffer holds.
		go func() {
			a.Write(make([]byte, 3*pipeSize))
			a.(*conn).CloseWrite()
		}()
		if n, err := io.Copy(io.Discard, b); n != 3*pipeSize || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite: %v", err)
		}
		// The other direction still works, deadlines pass, and closing with unread input resets.
		a.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read past the deadline: %v", err)
		}
		a.SetReadDeadline(time.Time{})
		if _, err := b.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		b.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := b.Write(make([]byte, 2*pipeSize)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write past the deadline: %v", err)
		}
		a.Close()
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed reader: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestClosingWithUnreadInputResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		a.Write([]byte("unread"))
		b.Write([]byte("on its way"))
		b.Close()
		if _, err := io.ReadAll(a); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		if _, err := n.Node(0).Dial(t.Context(), Addr(1, 7)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		l, err := n.Node(1).Listen(t.Context(), ":7")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Node(1).Listen(t.Context(), ":7"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
		never, err := n.Node(0).Dial(t.Context(), Addr(1, 7))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := never.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that was never accepted: %v", err)
		}
		n.Isolate(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Node(0).Dial(ctx, Addr(1, 7)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling an isolated rank: %v", err)
		}
	})
}

// A fault strikes at its byte, in its direction, on its lane, in its frame, and nowhere else.
func TestFaultsStrikeWhereTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := Point{From: 1, To: 0, Lane: transport.Bulk, Kind: 50, Nth: 2, Offset: transport.HeaderSize + 3}
		hit := Flip(at, 0xff)
		at.Nth = 99
		miss := Cut(at)
		worlds := NewWorld(t, 2, WithFaults(hit, miss))
		got := make(chan string, 100)
		worlds[1].Start(receiver(nil))
		worlds[0].Start(receiver(func(f transport.Frame) error {
			b, err := io.ReadAll(f.Blob)
			got <- fmt.Sprintf("%d: %x", f.Kind, b)
			return err
		}))
		for _, kind := range []transport.Kind{50, 51, 50, 51, 50, 50} {
			err := worlds[1].Send(0, transport.Bulk, transport.Message{Kind: kind, Blob: &transport.Blob{
				Size: 5, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("\x00\x00\x00\x00\x00")), nil },
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"50: 0000000000", "51: 0000000000", "50: 0000000000", "51: 0000000000", "50: 000000ff00", "50: 0000000000"} {
			if s := <-got; s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		}
		if hit.Fired() != 1 || miss.Fired() != 0 {
			t.Errorf("the faults fired %d and %d times", hit.Fired(), miss.Fired())
		}
	})
}

type receiver func(transport.Frame) error

func (r receiver) Receive(_ transport.Rank, f transport.Frame) error {
	if r == nil {
		return nil
	}
	return r(f)
}

func (receiver) Lost(transport.Rank, error) {}

// The check sees goroutines that are left, and they are gone after Close.
func TestLeaksAreSeen(t *testing.T) {
	defer pprof.SetGoroutineLabels(context.Background())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("transporttest", "leaky")))
	n := NewNetwork()
	worlds := make(chan *transport.World, 2)
	for r := range transport.Rank(2) {
		go func() {
			w, err := transport.Meet(context.Background(), Config(n, r, 2))
			if err != nil {
				t.Error(err)
			}
			worlds <- w
		}()
	}
	all := []*transport.World{<-worlds, <-worlds}
	seen := 0
	for range 10_000 { // a goroutine that has just been started may need a moment to be in the package
		if seen = len(goroutines("leaky")); seen > 0 {
			break
		}
		runtime.Gosched()
	}
	if seen == 0 {
		t.Error("the writers of two open worlds were not seen")
	}
	closeAll(all)
}
