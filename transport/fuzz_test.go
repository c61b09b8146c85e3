package transport

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// FuzzStream reads arbitrary bytes as frames. What is accepted must be written back as the same bytes.
func FuzzStream(f *testing.F) {
	frame := func(h header, body, blob string) []byte {
		var b bytes.Buffer
		s := newStream(bufferConn{out: &b}, Express, time.Now())
		s.put(h, []byte(body))
		s.out.Flush()
		b.WriteString(blob)
		return b.Bytes()
	}
	f.Add(frame(header{Kind: kindAlive}, "", ""))
	f.Add(frame(header{Kind: 40, Step: 7}, "\xa5hello", ""))
	f.Add(frame(header{Kind: 41, Flags: flagBlob, BlobLen: 4}, "\xc0", "blob"))
	f.Add(frame(header{Kind: kindBye}, "\x82\xa4code\x0b\xa6reason\xa0", ""))
	f.Add([]byte("dgof"))
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := newBodyLimits(nil)
		for k := range limits {
			limits[k] = min(limits[k], 1<<16) // a fuzzer's memory is small
		}
		in := newStream(fakeConn{in: bytes.NewReader(data)}, Express, time.Now())
		var again bytes.Buffer
		out := newStream(bufferConn{out: &again}, Express, time.Now())
		for {
			h, body, err := in.next(&limits)
			if err != nil {
				break
			}
			blob, err := io.ReadAll(&blobReader{s: in, left: int64(h.BlobLen)})
			if err != nil {
				break
			}
			if _, err := out.put(h, body); err != nil {
				t.Fatal(err)
			}
			out.out.Write(blob)
		}
		out.out.Flush()
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("% x\nwas read and written as\n% x", data, again.Bytes())
		}
	})
}

type bufferConn struct {
	fakeConn
	out *bytes.Buffer
}

func (c bufferConn) Write(b []byte) (int, error) { return c.out.Write(b) }

// FuzzDecode decodes arbitrary bodies into the types that transport uses, and into what upper layers may use. It must not
// panic, and not allocate much more than the body's size allows.
func FuzzDecode(f *testing.F) {
	for _, v := range []any{
		joinBody{Size: 3, Host: "node001", Port: 1, Facts: []Fact{{"a", "b"}}, Info: []byte("info")},
		tableBody{Peers: []tableEntry{{Host: "node001", IP: "10.0.0.1", Port: 5}}},
		farewell{CodeDone, ""}, map[string]any{"a": []any{1, 2.5, "x", nil, true}}, []string{"a"}, time.Second,
	} {
		b, err := encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, 0x90, 0xc0})
	f.Fuzz(func(t *testing.T, body []byte) {
		accepted := len(body) > 0 && checkStructure(body) == nil
		var (
			j joinBody
			b tableBody
			w farewell
			a any
			m map[string]any
			s []string
			n struct {
				A []struct{ B map[int][]byte }
				C *time.Time
				D [4]uint16
			}
			r msgpack.RawMessage
		)
		for _, v := range []any{&j, &b, &w, &a, &m, &s, &n, &r} {
			var err error
			if n := allocated(func() { err = (Frame{Kind: 40, Body: body}).Decode(v) }); n > 1<<20+1000*uint64(len(body)) {
				t.Errorf("%d bytes made %T allocate %d", len(body), v, n)
			}
			if err == nil && !accepted {
				t.Errorf("%T was decoded from a malformed body", v)
			}
		}
		if accepted && !bytes.Equal(r, body) && body[0] != 0xc0 { // msgpack makes nil an empty RawMessage
			t.Errorf("the structure check saw one value, msgpack % x", r)
		}
	})
}

// FuzzAdmit lets arbitrary bytes knock. Nobody who does not know the secret may come in.
func FuzzAdmit(f *testing.F) {
	id := newIdentity(Config{Rank: 0, RunID: "r", Secret: []byte("0123456789abcdef")})
	good := hello{version: ProtocolVersion, role: roleJoin, lane: Express, from: 1, run: id.run}
	f.Add(good.append(nil))
	f.Add(append(good.append(nil), make([]byte, proofMsgSize)...))
	f.Add(append(good.append(nil), append([]byte{byte(CodeAccepted)}, id.prove(diallerProves, nil, good.append(nil), nil)...)...))
	f.Add([]byte(handshakeMagic))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := fakeConn{in: bytes.NewReader(said)}
		if h, err := id.admit(conn); err == nil {
			t.Errorf("rank %d was admitted", h.from)
		}
		if read := len(said) - conn.in.Len(); read > helloSize+proofMsgSize {
			t.Errorf("%d bytes of a stranger were read", read)
		}
	})
}

// FuzzGreet lets arbitrary bytes answer. Nobody who does not know the secret may pass for a rank.
func FuzzGreet(f *testing.F) {
	id := newIdentity(Config{Rank: 1, RunID: "r", Secret: []byte("0123456789abcdef")})
	answer := append([]byte(handshakeMagic), 0, ProtocolVersion, byte(CodeAccepted), 0)
	f.Add(append(answer, make([]byte, nonceSize+proofSize+verdictSize)...))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		if id.greet(fakeConn{in: bytes.NewReader(said)}, roleJoin, Express, 0) == nil {
			t.Error("a stranger passed for root")
		}
	})
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
