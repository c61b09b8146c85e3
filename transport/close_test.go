package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// Everything sent before Close arrives, though everyone closes at once.
func TestCloseDeliversWhatWasSent(t *testing.T) {
	check := func(t *testing.T, worlds []*transport.World) {
		inboxes := startAll(worlds)
		for r, w := range worlds {
			for to := range worlds {
				if to != r {
					send(t, w, transport.Rank(to), transport.Express, transport.Message{Kind: 40})
					send(t, w, transport.Rank(to), transport.Bulk, transport.Message{Kind: 41, Blob: bytesBlob(noise(400_000, 1))})
				}
			}
		}
		closeAll(t, worlds)
		for r, in := range inboxes {
			if got, want := len(in.frames), 2*(len(worlds)-1); got != want {
				t.Errorf("rank %d received %d messages of %d", r, got, want)
			}
		}
		wantNothingElse(t, inboxes...)
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, transporttest.NewWorld(t, 5)) })
	})
	t.Run("tcp", func(t *testing.T) { check(t, loopbackWorld(t, 5, nil)) })
}

func TestCloseWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { closeAll(t, transporttest.NewWorld(t, 3)) })
}

func TestCloseIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		startAll(worlds)
		closeAll(t, []*transport.World{worlds[0], worlds[0], worlds[1], worlds[0]})
		closeAll(t, worlds)
		if err := worlds[0].Err(); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Err = %v", err)
		}
		<-worlds[0].Done()
	})
}

// A peer that never closes, or does not even read, holds Close up no longer than its context.
func TestCloseEndsOnItsContext(t *testing.T) {
	for name, block := range map[string]func(transport.Rank, transport.Frame) error{
		"reading":     nil,
		"not reading": func(transport.Rank, transport.Frame) error { select {} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				if block != nil {
					block = func(transport.Rank, transport.Frame) error { <-release; return nil }
				}
				worlds := transporttest.NewWorld(t, 2)
				worlds[0].Start(newInbox())
				worlds[1].Start(handlerFuncs{receive: block})
				send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40, Blob: bytesBlob(noise(1<<20, 1))})
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				err := worlds[0].Close(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "rank 1 (node002) did not say bye") {
					t.Errorf("Close = %v", err)
				}
				if d := time.Since(begin); d != 3*time.Second {
					t.Errorf("Close took %s", d)
				}
				close(release)
			})
		})
	}
}

// A rank that says bye and goes is lost to those who have not finished, and not before it goes: they may be about to
// finish themselves.
func TestEarlyLeaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 2)
		inboxes := startAll(worlds)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		worlds[1].Close(ctx)
		wantLost(t, inboxes[0], 1, transport.LossLeft, "left before this rank did")
		if d := time.Since(begin); d < 4*time.Second {
			t.Errorf("lost after %s", d)
		}
	})
}

func TestAbortTellsTheOthersWhy(t *testing.T) {
	check := func(t *testing.T, worlds []*transport.World) {
		inboxes := startAll(worlds)
		cause := errors.New("the disk is full")
		worlds[1].Abort(cause)
		worlds[1].Abort(errors.New("a consequence"))
		<-worlds[1].Done()
		for _, r := range []int{0, 2} {
			wantLost(t, inboxes[r], 1, transport.LossLeft, "left: the disk is full")
		}
		if err := worlds[1].Close(context.Background()); err != cause {
			t.Errorf("Close = %v", err)
		}
		if err := worlds[1].Send(0, transport.Express, transport.Message{Kind: 40}); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Send = %v", err)
		}
		wantNothingElse(t, inboxes...)
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, transporttest.NewWorld(t, 3)) })
	})
	t.Run("tcp", func(t *testing.T) {
		worlds := loopbackWorld(t, 3, nil)
		check(t, worlds)
	})
}

func TestHandlerErrorEndsTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 3)
		bad := errors.New("no such action")
		in := newInbox()
		worlds[0].Start(in)
		calls := 0
		worlds[1].Start(handlerFuncs{
			receive: func(transport.Rank, transport.Frame) error { calls++; return bad },
			lost:    func(r transport.Rank, cause error) { t.Errorf("rank %d lost: %v", r, cause) },
		})
		send(t, worlds[0], 1, transport.Express, transport.Message{Kind: 40, Blob: bytesBlob(noise(1<<20, 1))})
		worlds[0].Send(1, transport.Express, transport.Message{Kind: 40})
		wantLost(t, in, 1, transport.LossLeft, "left: receiving kind 40 from rank 0 (node001): no such action")
		<-worlds[1].Done()
		if err := worlds[1].Err(); !errors.Is(err, bad) {
			t.Errorf("Err = %v", err)
		}
		if err := worlds[1].Close(t.Context()); !errors.Is(err, bad) {
			t.Errorf("Close = %v", err)
		}
		if calls != 1 {
			t.Errorf("the handler was called %d times", calls)
		}
	})
}

// A blob that cannot be read here ends this rank, in words that the others get too.
func TestSourceErrorEndsTheWorld(t *testing.T) {
	broken := errors.New("input/output error")
	short := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil }
	for name, tc := range map[string]struct {
		open func() (io.ReadCloser, error)
		text string
	}{
		"open": {func() (io.ReadCloser, error) { return nil, broken }, "input/output error"},
		"read": {func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{broken})), nil
		}, "input/output error"},
		"short": {short, "it has 5 bytes instead of 1000"},
		"file":  {fileBlob(t, []byte("short")).Open, "it has 5 bytes instead of 1000"},
	} {
		check := func(t *testing.T, worlds []*transport.World) {
			inboxes := startAll(worlds)
			send(t, worlds[0], 1, transport.Bulk, transport.Message{Kind: 40, Blob: &transport.Blob{Size: 1000, Open: tc.open}})
			wantLost(t, inboxes[1], 0, transport.LossLeft, tc.text)
			if err := worlds[0].Close(context.Background()); err == nil || !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), "sending to rank 1") {
				t.Errorf("Close = %v", err)
			}
			wantNothingElse(t, inboxes...)
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { check(t, transporttest.NewWorld(t, 2)) })
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Close while others still send: what comes until their bye is delivered, and nothing deadlocks.
func TestCloseUnderTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, 3)
		for _, w := range worlds {
			w.Start(handlerFuncs{receive: func(_ transport.Rank, f transport.Frame) error {
				_, err := io.Copy(new(bytes.Buffer), f.Blob)
				return err
			}})
		}
		var wg sync.WaitGroup
		for r, w := range worlds {
			wg.Go(func() {
				for {
					err := w.Send(transport.Rank((r+1)%3), transport.Bulk, transport.Message{Kind: 40, Blob: bytesBlob(noise(50_000, 1))})
					if err != nil {
						if !errors.Is(err, transport.ErrClosed) {
							t.Error(err)
						}
						return
					}
					wait(t, 20*time.Millisecond)
				}
			})
		}
		wait(t, time.Second)
		closeAll(t, worlds)
		wg.Wait()
	})
}
