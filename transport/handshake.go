package transport

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The handshake makes two ranks of one run sure of each other before anything of variable length is read. Both prove that
// they know the run's secret, by an HMAC over all that was said on this connection, with a nonce of each side in it, so
// that nothing recorded can be replayed, and with a word for the direction, so that nothing can be reflected.
//
//	dialler                     acceptor
//	hello  (magic, version, role, lane, from, to, run, nonce) →
//	       ← challenge (magic, version, code, nonce, proof)
//	proof  (code, proof) →
//	       ← verdict (code)
const handshakeMagic = "\x89distgo\n" // not text, and changed by anything that converts text

const (
	nonceSize     = 32
	proofSize     = sha256.Size
	helloSize     = 8 + 2 + 1 + 1 + 4 + 4 + sha256.Size + nonceSize
	challengeHead = 8 + 2 + 1 + 1 + nonceSize
	challengeSize = challengeHead + proofSize
	proofMsgSize  = 1 + proofSize
	verdictSize   = 1
)

// A role says what a connection is for. On the wire; append-only.
type role uint8

const (
	roleJoin role = iota + 1 // a rank's first connection to root; becomes their express lane
	roleMesh                 // one lane between two ranks that root knows
)

// hello is the dialler's first message.
type hello struct {
	version  uint16
	role     role
	lane     Lane
	from, to Rank
	run      [sha256.Size]byte
	nonce    [nonceSize]byte
}

func (h *hello) append(b []byte) []byte {
	b = append(b, handshakeMagic...)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = append(b, byte(h.role), byte(h.lane))
	b = binary.BigEndian.AppendUint32(b, uint32(h.from))
	b = binary.BigEndian.AppendUint32(b, uint32(h.to))
	b = append(b, h.run[:]...)
	return append(b, h.nonce[:]...)
}

// parseHello checks only what makes it a hello.
func parseHello(b *[helloSize]byte) (h hello, err error) {
	if string(b[:8]) != handshakeMagic {
		return h, fmt.Errorf("it begins with %q, not as distgo does", b[:8])
	}
	h = hello{
		version: binary.BigEndian.Uint16(b[8:]),
		role:    role(b[10]),
		lane:    Lane(b[11]),
		from:    Rank(binary.BigEndian.Uint32(b[12:])),
		to:      Rank(binary.BigEndian.Uint32(b[16:])),
	}
	copy(h.run[:], b[20:])
	copy(h.nonce[:], b[52:])
	switch {
	case h.version != ProtocolVersion:
		return h, nil // the rest may mean anything
	case h.role != roleJoin && h.role != roleMesh:
		return h, fmt.Errorf("its hello has unknown role %d", h.role)
	case !h.lane.valid():
		return h, fmt.Errorf("its hello has unknown %s", h.lane)
	}
	return h, nil
}

// identity is what a rank proves.
type identity struct {
	rank   Rank
	run    [sha256.Size]byte
	secret []byte
}

func newIdentity(c Config) identity {
	return identity{rank: c.Rank, run: sha256.Sum256([]byte("distgo run\x00" + c.RunID)), secret: c.Secret}
}

// Words for the direction of a proof.
const (
	acceptorProves = "distgo acceptor\x00"
	diallerProves  = "distgo dialler\x00"
)

func (id identity) prove(direction string, binding, hello, challenge []byte) []byte {
	mac := hmac.New(sha256.New, id.secret)
	mac.Write([]byte(direction))
	mac.Write(binding)
	mac.Write(hello)
	mac.Write(challenge)
	return mac.Sum(nil)
}

// greet is the dialler's side. A RefusedError will be the same next time; other errors may pass.
func (id identity) greet(conn net.Conn, role role, lane Lane, to Rank) error {
	bound, err := binding(conn)
	if err != nil {
		return err
	}
	h := hello{version: ProtocolVersion, role: role, lane: lane, from: id.rank, to: to, run: id.run}
	rand.Read(h.nonce[:])
	sent := h.append(nil)
	if _, err := conn.Write(sent); err != nil {
		return err
	}
	var answer [challengeSize]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("waiting for the answer to hello: %w", err)
	}
	there := fmt.Sprintf("rank %d at %s", to, conn.RemoteAddr())
	version := binary.BigEndian.Uint16(answer[8:])
	switch code := Code(answer[10]); {
	case string(answer[:8]) != handshakeMagic:
		return &RefusedError{CodeNotMe, fmt.Sprintf("what listens at %s is not distgo", conn.RemoteAddr())}
	case version != ProtocolVersion:
		return &RefusedError{CodeVersion, fmt.Sprintf("%s speaks protocol %d, this is %d: start the same executable everywhere", there, version, ProtocolVersion)}
	case code == CodeRun:
		return &RefusedError{CodeRun, fmt.Sprintf("%s belongs to another run", conn.RemoteAddr())}
	case code == CodeSecret:
		return &RefusedError{CodeSecret, fmt.Sprintf("%s has no secret, and so accepts only loopback connections", there)}
	case code == CodeNotMe:
		return &RefusedError{CodeNotMe, fmt.Sprintf("what listens at %s is not rank %d", conn.RemoteAddr(), to)}
	case code != CodeAccepted:
		return &RefusedError{code, fmt.Sprintf("%s refuses the handshake (%s)", there, code)}
	}
	head := answer[:challengeHead]
	if !hmac.Equal(answer[challengeHead:], id.prove(acceptorProves, bound, sent, head)) {
		conn.Write(append([]byte{byte(CodeSecret)}, make([]byte, proofSize)...)) // so that it can count us; nothing depends on it
		return &RefusedError{CodeSecret, fmt.Sprintf("%s does not have this rank's secret", there)}
	}
	if _, err := conn.Write(append([]byte{byte(CodeAccepted)}, id.prove(diallerProves, bound, sent, head)...)); err != nil {
		return err
	}
	var verdict [verdictSize]byte
	if _, err := io.ReadFull(conn, verdict[:]); err != nil {
		return fmt.Errorf("waiting for the verdict: %w", err)
	}
	if code := Code(verdict[0]); code != CodeAccepted {
		return &RefusedError{code, fmt.Sprintf("%s refuses this rank's proof (%s)", there, code)}
	}
	return nil
}

// admit is the acceptor's side. Its errors describe a stranger. Without a secret it takes only loopback connections.
func (id identity) admit(conn net.Conn) (hello, error) {
	bound, err := binding(conn)
	if err != nil {
		return hello{}, err
	}
	var got [helloSize]byte
	if _, err := io.ReadFull(conn, got[:]); err != nil {
		return hello{}, fmt.Errorf("it did not say hello: %w", err)
	}
	h, err := parseHello(&got)
	if err != nil {
		return h, err
	}
	challenge := append([]byte(handshakeMagic), 0, ProtocolVersion, byte(CodeAccepted), 0)
	challenge = append(challenge, make([]byte, nonceSize)...)
	refuse := func(code Code, reason string) (hello, error) {
		challenge[10] = byte(code)
		conn.Write(append(challenge, make([]byte, proofSize)...)) // if it cannot be told, it will see the end
		return h, errors.New(reason)
	}
	switch {
	case h.version != ProtocolVersion:
		return refuse(CodeVersion, fmt.Sprintf("it speaks protocol %d, this is %d", h.version, ProtocolVersion))
	case !bytes.Equal(h.run[:], id.run[:]):
		return refuse(CodeRun, fmt.Sprintf("rank %d of another run", h.from))
	case id.secret == nil && !ipOf(conn.RemoteAddr()).IsLoopback():
		return refuse(CodeSecret, "without a secret only loopback connections are accepted")
	case h.to != id.rank:
		return refuse(CodeNotMe, fmt.Sprintf("it looked for rank %d", h.to))
	}
	rand.Read(challenge[12:])
	if _, err := conn.Write(append(challenge, id.prove(acceptorProves, bound, got[:], challenge)...)); err != nil {
		return h, err
	}
	var answer [proofMsgSize]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return h, fmt.Errorf("it proved nothing: %w", err)
	}
	if Code(answer[0]) != CodeAccepted || !hmac.Equal(answer[1:], id.prove(diallerProves, bound, got[:], challenge)) {
		conn.Write([]byte{byte(CodeSecret)})
		return h, fmt.Errorf("it calls itself rank %d and does not know the secret", h.from)
	}
	_, err = conn.Write([]byte{byte(CodeAccepted)})
	return h, err
}
