package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// fix makes a header's checksum right again.
func fix(b []byte) []byte {
	binary.BigEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
	return b
}

func TestHeaderIsChecked(t *testing.T) {
	good := header{Kind: 40, Flags: flagBlob, Lane: Bulk, Step: 7, Seq: 9, BodyLen: 3, BlobLen: MaxBlob, BodySum: 1}
	for _, tc := range []struct {
		change func(b []byte)
		want   string
	}{
		{func(b []byte) {}, ""},
		{func(b []byte) { b[0] = 'x' }, "a frame begins with"},
		{func(b []byte) { b[4]++; fix(b) }, "a frame has version 2 instead of 1"},
		{func(b []byte) { b[9]++ }, "checksum"},
		{func(b []byte) { b[5] = 0; fix(b) }, "unknown kind 0"},
		{func(b []byte) { b[5] = 7; fix(b) }, "unknown kind 7"},
		{func(b []byte) { b[5] = 31; fix(b) }, "unknown kind 31"},
		{func(b []byte) { b[5] = 128; fix(b) }, "unknown kind 128"},
		{func(b []byte) { b[5] = byte(kindAlive); fix(b) }, "alive frame with a blob"},
		{func(b []byte) { b[6] = 3; fix(b) }, "unknown flags"},
		{func(b []byte) { b[6] = 0; fix(b) }, "without the blob flag"},
		{func(b []byte) { b[27]++; fix(b) }, "exceeds 4294967296"},
		{func(b []byte) { binary.BigEndian.PutUint64(b[20:], math.MaxUint64); fix(b) }, "exceeds 4294967296"},
	} {
		b := [HeaderSize]byte(good.append(nil))
		tc.change(b[:])
		h, err := parseHeader(&b)
		switch {
		case tc.want == "":
			if err != nil || h != good {
				t.Errorf("got %+v, %v", h, err)
			}
		case err == nil || !strings.Contains(err.Error(), tc.want) || !errors.As(err, new(badFrame)):
			t.Errorf("got %v, want … %s …", err, tc.want)
		}
	}
}

// fakeConn reads what it was given.
type fakeConn struct {
	net.Conn
	in *bytes.Reader
}

func (c fakeConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c fakeConn) Write(b []byte) (int, error) { return len(b), nil }
func (c fakeConn) RemoteAddr() net.Addr        { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func TestStreamChecksWhatTheHeaderCannot(t *testing.T) {
	limits := newBodyLimits(map[Kind]int{50: 10})
	for _, tc := range []struct {
		h    header
		want string
	}{
		{header{Kind: 40, Lane: Express}, ""},
		{header{Kind: 40, Lane: Bulk}, "frame for the bulk lane on the express lane"},
		{header{Kind: 40, Lane: Express, Seq: 1}, "has number 1 instead of 0"},
		{header{Kind: 40, Lane: Express, BodyLen: MaxBody + 1}, "body of 67108865 bytes exceeds 67108864"},
		{header{Kind: 50, Lane: Express, BodyLen: 11}, "body of 11 bytes exceeds 10"},
		{header{Kind: kindAlive, Lane: Express, BodyLen: 1}, "body of 1 bytes exceeds 0"},
		{header{Kind: kindBye, Lane: Express, BodyLen: 1 << 20}, "exceeds"},
		{header{Kind: 40, Lane: Express, BodyLen: 1}, "unexpected EOF"},
		{header{Kind: 40, Lane: Express, BodySum: 1}, "body's checksum"},
	} {
		s := newStream(fakeConn{in: bytes.NewReader(tc.h.append(nil))}, Express, time.Now())
		_, _, err := s.next(&limits)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%+v: %v, want … %s …", tc.h, err, tc.want)
		}
	}
}

func TestStructureIsChecked(t *testing.T) {
	nest := func(depth int) []byte { return append(bytes.Repeat([]byte{0x91}, depth), 0xc0) }
	many := append([]byte{0xdd, 0, 0x40, 0, 0}, make([]byte, maxValues)...)
	for _, tc := range []struct {
		body []byte
		want error
	}{
		{[]byte{0xc0}, nil},
		{nest(maxDepth), nil},
		{nest(maxDepth + 1), errDeep},
		{bytes.Repeat([]byte{0x81, 0xa0}, maxDepth+1), errDeep},
		{[]byte{}, errShort},
		{[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, errShort}, // an array of four billion
		{[]byte{0xdf, 0xff, 0xff, 0xff, 0xff}, errShort},
		{[]byte{0xdb, 0xff, 0xff, 0xff, 0xff}, errShort},
		{[]byte{0xc6, 0xff, 0xff, 0xff, 0xff}, errShort},
		{[]byte{0xc9, 0xff, 0xff, 0xff, 0xff, 1}, errExtension},
		{[]byte{0x92, 0xc0}, errShort},
		{[]byte{0xcf, 0, 0}, errShort},
		{[]byte{0xd4, 1, 1}, errExtension},
		{[]byte{0x81, 0x90, 0xc0}, errMapKey},
		{[]byte{0xc1}, errUnknown},
		{many, errMany},
	} {
		if err := checkStructure(tc.body); !errors.Is(err, tc.want) {
			t.Errorf("% x…: %v, want %v", tc.body[:min(len(tc.body), 8)], err, tc.want)
		}
	}
	if err := checkStructure([]byte{0xc0, 0xc0}); err == nil {
		t.Error("a second value was accepted")
	}
}

// Whatever our encoder makes, the check lets pass.
func TestStructureOfEveryType(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, v := range []any{
		nil, true, 1, -1, 200, -200, 70_000, -70_000, 1 << 40, -1 << 40, float32(1), 2.5, "", "a", long[:40], long[:300], long,
		[]byte("b"), []byte(long[:300]), []byte(long), make([]int, 20), make([]int, 70_000), map[string]int{"a": 1},
		map[int]string{1: "a"}, struct{ A []Fact }{[]Fact{{"a", "b"}}}, time.Second, [16]byte{1},
	} {
		body, err := msgpack.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkStructure(body); err != nil {
			t.Errorf("%T: %v", v, err)
		}
		if body, err = encode(v); err == nil && v != nil {
			err = checkStructure(body)
		}
		if err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}

func TestHandshakeOfAnotherVersion(t *testing.T) {
	a := newIdentity(Config{Rank: 1, RunID: "r"})
	b := newIdentity(Config{Rank: 0, RunID: "r"})

	h := hello{version: ProtocolVersion + 1, role: roleJoin, lane: Express, from: 1, run: a.run}
	if _, err := b.admit(fakeConn{in: bytes.NewReader(h.append(nil))}); err == nil || err.Error() != "it speaks protocol 2, this is 1" {
		t.Errorf("admit: %v", err)
	}

	answer := append([]byte(handshakeMagic), 0, ProtocolVersion+1, byte(CodeAccepted))
	answer = append(answer, make([]byte, challengeSize-len(answer))...)
	err := a.greet(fakeConn{in: bytes.NewReader(answer)}, roleJoin, Express, 0)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != CodeVersion || !strings.Contains(err.Error(), "speaks protocol 2, this is 1") {
		t.Errorf("greet: %v", err)
	}

	err = a.greet(fakeConn{in: bytes.NewReader(bytes.Repeat([]byte("HTTP/1.1 400 Bad Request\r\n"), 10))}, roleJoin, Express, 0)
	if err == nil || !strings.Contains(err.Error(), "is not distgo") {
		t.Errorf("greet: %v", err)
	}
}

// Changing any one byte of a handshake, in either direction, ends it on at least one side, and never lets the acceptor admit
// a changed hello.
func TestHandshakeIsBoundToEveryByte(t *testing.T) {
	a := newIdentity(Config{Rank: 1, RunID: "r", Secret: []byte("0123456789abcdef")})
	b := newIdentity(Config{Rank: 0, RunID: "r", Secret: []byte("0123456789abcdef")})
	for _, direction := range []int{helloSize + proofMsgSize, challengeSize + verdictSize} {
		for at := -1; at < direction; at++ {
			dialler, acceptor := net.Pipe()
			change := func(b []byte, from int) {
				if at >= from && at < from+len(b) {
					b[at-from] ^= 0x40
				}
			}
			dc, ac := &changing{Conn: dialler}, &changing{Conn: acceptor}
			if direction == helloSize+proofMsgSize {
				dc.change = change
			} else {
				ac.change = change
			}
			var greeted error
			done := make(chan struct{})
			go func() {
				defer close(done)
				greeted = a.greet(loopback{dc}, roleMesh, Bulk, 0)
				dialler.Close()
			}()
			h, admitted := b.admit(loopback{ac})
			acceptor.Close()
			<-done
			if at == -1 {
				if greeted != nil || admitted != nil || h.from != 1 || h.lane != Bulk || h.role != roleMesh {
					t.Fatalf("unchanged: %v, %v", greeted, admitted)
				}
				continue
			}
			if greeted == nil || direction == helloSize+proofMsgSize && admitted == nil {
				t.Errorf("byte %d of %d changed: greet %v, admit %v", at, direction, greeted, admitted)
			}
		}
	}
}

// changing alters what is written.
type changing struct {
	net.Conn
	change  func(b []byte, from int)
	written int
}

func (c *changing) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	if c.change != nil {
		c.change(b, c.written)
	}
	c.written += len(b)
	return c.Conn.Write(b)
}

type loopback struct{ net.Conn }

func (loopback) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Root names the ranks of its own machine by nothing: everyone knows root's machine by the address that works from there.
func TestTableGivesRootsMachineByItsAddressFromHere(t *testing.T) {
	m := meeting{cfg: Config{Rank: 2, Size: 4}, infos: make([]PeerInfo, 4)}
	root := newStream(remote{"10.0.0.1:61440"}, Express, time.Now())
	err := m.learn(&tableBody{Peers: []tableEntry{{Port: 61440}, {Port: 1001}, {}, {IP: "10.0.0.7", Port: 1003}}}, root)
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[int]string{0: "10.0.0.1:61440", 1: "10.0.0.1:1001", 3: "10.0.0.7:1003"} {
		if m.infos[r].Addr != want {
			t.Errorf("rank %d is at %s, want %s", r, m.infos[r].Addr, want)
		}
	}
	if err := m.learn(&tableBody{Peers: make([]tableEntry, 3)}, root); err == nil {
		t.Error("a table of another size was accepted")
	}
	if err := m.learn(&tableBody{Peers: []tableEntry{{IP: "example.org"}, {}, {}, {}}}, root); err == nil {
		t.Error("a name was accepted as an address")
	}
}

type remote struct{ addr string }

func (r remote) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", r.addr)
	if err != nil {
		panic(err)
	}
	return a
}
func (remote) Read([]byte) (int, error)         { panic("not for reading") }
func (remote) Write([]byte) (int, error)        { panic("not for writing") }
func (remote) Close() error                     { return nil }
func (remote) LocalAddr() net.Addr              { return nil }
func (remote) SetDeadline(time.Time) error      { return nil }
func (remote) SetReadDeadline(time.Time) error  { return nil }
func (remote) SetWriteDeadline(time.Time) error { return nil }

func TestRankOutOfRangeIsRefused(t *testing.T) {
	m := meeting{cfg: Config{Size: 3, Host: "node001"}, infos: make([]PeerInfo, 3), streams: make([][lanes]*stream, 3)}
	table := tableBody{Peers: make([]tableEntry, 3)}
	e := event{from: 3, stream: newStream(remote{"10.0.0.4:5"}, Express, time.Now()), join: &joinBody{Size: 3, Host: "node004"}}
	err := m.enrol(e, map[Rank]bool{0: true}, &table)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != CodeRange || err.Error() != "rank 3 (node004) wants to join a world of 3 ranks: ranks are 0 to 2" {
		t.Error(err)
	}
}

// Silence is what the reader waited for, less what this process slept through.
func TestSilence(t *testing.T) {
	s := time.Second
	for _, tc := range []struct {
		express, bulk, now, awake, want time.Duration
	}{
		{10 * s, 4 * s, 16 * s, 0, 6 * s},       // the later lane counts
		{4 * s, 10 * s, 16 * s, 0, 6 * s},       //
		{0, 4 * s, 16 * s, 0, 0},                // the express reader is in the handler
		{4 * s, 0, 16 * s, 0, 0},                //
		{4 * s, 4 * s, 60 * s, 59 * s, s},       // we were stopped until a second ago
		{4 * s, 4 * s, 60 * s, 5 * s, 55 * s},   //
		{60 * s, 60 * s, 60 * s, 59 * s, 0 * s}, //
	} {
		p := &peer{links: [lanes]*link{{stream: &stream{}}, {stream: &stream{}}}}
		p.links[0].waitingSince.Store(int64(tc.express))
		p.links[1].waitingSince.Store(int64(tc.bulk))
		if got := p.silence(tc.now, tc.awake); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
		p.links[0].readEnds.Store(true)
		p.links[1].readEnds.Store(true)
		if got := p.silence(tc.now, tc.awake); got != 0 {
			t.Errorf("a peer that nobody listens to is silent for %s", got)
		}
	}
}

// An unreadable file is told from a broken connection.
func TestSendfileErrorsAreToldApart(t *testing.T) {
	if !connectionError(&net.OpError{Op: "readfrom", Err: net.ErrClosed}) {
		t.Error("a closed connection is the file's fault")
	}
	if connectionError(errors.New("input/output error")) {
		t.Error("a broken file is the connection's fault")
	}
}
