package transport_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/badbubble/distgo/transport"
)

// BenchmarkExpress measures small messages in one direction over loopback, queued as fast as they go.
func BenchmarkExpress(b *testing.B) {
	worlds := loopbackWorld(b, 2, nil)
	received := make(chan struct{}, 1024) // a window below the queue's bound
	worlds[0].Start(handlerFuncs{})
	worlds[1].Start(handlerFuncs{receive: func(transport.Rank, transport.Frame) error { received <- struct{}{}; return nil }})
	body := map[string]any{"action": 1234, "digest": make([]byte, 32)}
	b.ReportAllocs()
	pending := 0
	for b.Loop() {
		if err := worlds[0].Send(1, transport.Express, transport.Message{Kind: 40, Body: body}); err != nil {
			b.Fatal(err)
		}
		if pending++; pending > 1024 {
			<-received
			pending--
		}
	}
	for range pending {
		<-received
	}
}

// BenchmarkRoundTrip measures a small message and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	worlds := loopbackWorld(b, 2, nil)
	answered := make(chan struct{})
	worlds[0].Start(handlerFuncs{receive: func(transport.Rank, transport.Frame) error { answered <- struct{}{}; return nil }})
	worlds[1].Start(handlerFuncs{receive: func(_ transport.Rank, f transport.Frame) error {
		return worlds[1].Send(0, transport.Express, transport.Message{Kind: f.Kind})
	}})
	for b.Loop() {
		if err := worlds[0].Send(1, transport.Express, transport.Message{Kind: 40}); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

// BenchmarkBulk measures a file of 100 MB, read away or written to a file by the receiver.
func BenchmarkBulk(b *testing.B) {
	const size = 100 << 20
	name := filepath.Join(b.TempDir(), "artifact")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	sink, err := os.Create(filepath.Join(b.TempDir(), "copy"))
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	for _, tc := range []struct {
		name string
		to   io.Writer
	}{{"discard", io.Discard}, {"file", sink}} {
		b.Run(tc.name, func(b *testing.B) {
			worlds := loopbackWorld(b, 2, nil)
			received := make(chan struct{})
			worlds[0].Start(handlerFuncs{})
			worlds[1].Start(handlerFuncs{receive: func(_ transport.Rank, f transport.Frame) error {
				if _, err := sink.Seek(0, io.SeekStart); err != nil {
					return err
				}
				_, err := io.Copy(tc.to, f.Blob)
				received <- struct{}{}
				return err
			}})
			blob := &transport.Blob{Size: size, Open: func() (io.ReadCloser, error) { return os.Open(name) }}
			b.SetBytes(size)
			for b.Loop() {
				if err := worlds[0].Send(1, transport.Bulk, transport.Message{Kind: 40, Blob: blob}); err != nil {
					b.Fatal(err)
				}
				<-received
			}
		})
	}
}
