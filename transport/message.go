package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// A Message is what Send takes.
type Message struct {
	Kind Kind   // FirstKind to LastKind
	Step uint32 // the superstep it belongs to, 0 if none

	// Body is encoded by Send before it returns; nil is an empty body. What Decode would refuse is not sent: nesting beyond
	// 32, keys of maps other than strings and integers, a time.Time. A msgpack.RawMessage is sent as it is, unchecked and
	// uncopied, which pays when one large body goes to many.
	Body any

	Blob *Blob // optional
}

// A Blob is raw bytes that follow a message.
type Blob struct {
	Size int64
	// Open is called once, when the blob's turn has come; what it returns is closed. An *os.File goes by sendfile. A source
	// that fails or ends before Size bytes ends the world, as the stream cannot be mended.
	Open func() (io.ReadCloser, error)
}

// A Frame is what a Handler receives. Body belongs to the receiver.
type Frame struct {
	Kind     Kind
	Step     uint32
	Body     []byte
	BlobSize int64
	Blob     io.Reader // nil if none was sent; valid until Receive returns
}

// Decode decodes the body into v, after checking its structure: the msgpack library enforces no bounds of its own.
func (f Frame) Decode(v any) error {
	if len(f.Body) == 0 {
		return fmt.Errorf("decoding %s: the body is empty", f.Kind)
	}
	if err := checkStructure(f.Body); err != nil {
		return fmt.Errorf("decoding %s: %w", f.Kind, err)
	}
	if err := msgpack.Unmarshal(f.Body, v); err != nil {
		return fmt.Errorf("decoding %s: %w", f.Kind, err)
	}
	return nil
}

// encode makes a body of v that Decode will accept. Keys of maps are sorted, so that equal values give equal bytes.
func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case msgpack.RawMessage:
		return v, nil
	}
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	e.SetSortMapKeys(true)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), checkStructure(b.Bytes())
}

// check says what is wrong with a message and its encoded body.
func (m Message) check(body []byte, limits *bodyLimits) error {
	switch {
	case m.Kind < FirstKind || m.Kind > LastKind:
		return fmt.Errorf("%s is not for sending: kinds are %d to %d", m.Kind, FirstKind, LastKind)
	case len(body) > limits[m.Kind]:
		return fmt.Errorf("%s body of %d bytes exceeds %d", m.Kind, len(body), limits[m.Kind])
	case m.Blob == nil:
		return nil
	case m.Blob.Size < 0 || m.Blob.Size > MaxBlob:
		return fmt.Errorf("%s blob of %d bytes: 0 to %d are possible", m.Kind, m.Blob.Size, int64(MaxBlob))
	case m.Blob.Size > 0 && m.Blob.Open == nil:
		return errors.New("blob without a source")
	}
	return nil
}
