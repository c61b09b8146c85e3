package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// With TLS the world meets as without, and nothing that is said in it can be read on the way.
func TestTLS(t *testing.T) {
	for _, secure := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cfgs := configs(transporttest.NewNetwork(), 3)
			record := recordingNetwork{cfgs[1].Network, new(sync.Mutex), new([][]byte)}
			cfgs[1].Network = record
			for i := range cfgs {
				cfgs[i].TLS = secure
				cfgs[i].Info = []byte("plain words of a rank")
			}
			worlds, errs := meetAll(t, cfgs...)
			for r, err := range errs {
				if err != nil {
					t.Fatalf("rank %d: %v", r, err)
				}
			}
			if string(worlds[0].Peer(1).Info) != "plain words of a rank" {
				t.Errorf("root heard %q", worlds[0].Peer(1).Info)
			}
			record.mu.Lock()
			defer record.mu.Unlock()
			if readable := bytes.Contains(slices.Concat(*record.written...), []byte("plain words")); readable == secure {
				t.Errorf("TLS %v, but it can be read on the way: %v", secure, readable)
			}
		})
	}
}

// middle is a man in the middle of a rank's connections: it ends TLS on both sides and passes on what it reads.
type middle struct {
	transport.Network
	server *tls.Config
	seen   *sync.WaitGroup
	passed *bytes.Buffer // guarded by mu
	mu     *sync.Mutex
}

func (m middle) Dial(ctx context.Context, addr string) (net.Conn, error) {
	onward, err := m.Network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	own, theirs := net.Pipe()
	m.seen.Go(func() {
		in, out := tls.Server(theirs, m.server), tls.Client(onward, &tls.Config{InsecureSkipVerify: true})
		defer out.Close()
		defer in.Close()
		var both sync.WaitGroup
		both.Go(func() {
			defer in.Close()
			io.Copy(in, out)
		})
		both.Go(func() {
			defer out.Close()
			buf := make([]byte, 1<<10)
			for {
				n, err := in.Read(buf)
				m.mu.Lock()
				m.passed.Write(buf[:n])
				m.mu.Unlock()
				if err != nil {
					return
				}
				out.Write(buf[:n])
			}
		})
		both.Wait()
	})
	return own, nil
}

// A man in the middle hears the beginning of a handshake, and no more: the proofs are not good on his connections.
func TestManInTheMiddle(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		cfgs := configs(transporttest.NewNetwork(), 2)
		m := middle{
			Network: cfgs[1].Network, seen: new(sync.WaitGroup), passed: new(bytes.Buffer), mu: new(sync.Mutex),
			server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}},
		}
		cfgs[1].Network = m
		for i := range cfgs {
			cfgs[i].TLS = true
			cfgs[i].MeetTimeout = 10 * time.Second
			cfgs[i].Info = []byte("plain words of a rank")
		}
		worlds, errs := meetAll(t, cfgs...)
		m.seen.Wait()
		wantRefused(t, "rank 1", errs[1], transport.CodeSecret, "does not have this rank's secret")
		if errs[0] == nil || worlds[0] != nil {
			t.Error("root met with somebody in between")
		}
		if said := m.passed.Bytes(); len(said) == 0 || bytes.Contains(said, []byte("plain words")) {
			t.Errorf("the man in the middle heard %d bytes: %q", len(said), said)
		}
	})
}
