package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// With Config.TLS every connection is TLS 1.3 from its first byte. Certificates
// are made for the meeting and prove nothing: nobody's is checked. What makes
// the two ends sure of each other is the handshake with the run's secret
// inside, whose proofs are bound to the keys of the connection they were made
// on. Who sits between two ranks has two connections with different keys, and
// no proof that is good on both.

// wrapper puts TLS around connections; nil leaves them as they are.
type wrapper struct{ server, client *tls.Config }

func newWrapper() (*wrapper, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Valid at any time: nothing may depend on the clocks of nodes.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "distgo"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &wrapper{
		server: &tls.Config{
			MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
			Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
		},
		client: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}, // the handshake with the secret proves more, see above
	}, nil
}

// accept and dial return when the keys are agreed, or ctx is done.
func (w *wrapper) accept(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if w == nil {
		return conn, nil
	}
	c := tls.Server(conn, w.server)
	return c, c.HandshakeContext(ctx)
}

func (w *wrapper) dial(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if w == nil {
		return conn, nil
	}
	c := tls.Client(conn, w.client)
	return c, c.HandshakeContext(ctx)
}

// binding names the keys of a connection, the same at both ends and on no other
// connection; it is empty without TLS. See RFC 9266.
func binding(conn net.Conn) ([]byte, error) {
	c, ok := conn.(*tls.Conn)
	if !ok {
		return nil, nil
	}
	state := c.ConnectionState()
	return state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
}
