package transport

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// A stream is one authenticated connection, seen as frames. One goroutine may read while another writes.
type stream struct {
	conn net.Conn
	lane Lane
	in   *bufio.Reader
	out  *bufio.Writer
	read uint32 // frames read so far
	sent uint32 // frames written so far

	scratch []byte // of blobReader.WriteTo

	// waitingSince is when the reader began to wait for the network, as time since epoch, and 0 while it does not wait.
	// It is what a peer's silence is measured by: time that this side spends elsewhere does not count.
	waitingSince atomic.Int64
	epoch        time.Time
}

func newStream(conn net.Conn, lane Lane, epoch time.Time) *stream {
	s := &stream{conn: conn, lane: lane, epoch: epoch, out: bufio.NewWriterSize(conn, bufferSize)}
	s.in = bufio.NewReaderSize(waitingReader{s}, bufferSize)
	return s
}

// waitingReader reads from the connection and keeps waitingSince.
type waitingReader struct{ s *stream }

func (r waitingReader) Read(p []byte) (int, error) {
	r.s.waitingSince.Store(int64(max(time.Since(r.s.epoch), 1)))
	n, err := r.s.conn.Read(p)
	r.s.waitingSince.Store(0)
	return n, err
}

// put writes a frame's header and body into the buffer. It fills in what depends on the connection.
func (s *stream) put(h header, body []byte) (header, error) {
	h.Lane, h.Seq = s.lane, s.sent
	h.BodyLen, h.BodySum = uint32(len(body)), crc32.Checksum(body, castagnoli)
	s.sent++
	var b [HeaderSize]byte
	if _, err := s.out.Write(h.append(b[:0])); err != nil {
		return h, err
	}
	_, err := s.out.Write(body)
	return h, err
}

// putBlob writes the blob that the frame before announced. A sourceError means that the peer is not to blame.
func (s *stream) putBlob(blob *Blob) error {
	if blob.Size == 0 {
		return nil
	}
	source, err := blob.Open()
	if err != nil {
		return &sourceError{err}
	}
	defer source.Close()
	if err := s.out.Flush(); err != nil {
		return err
	}
	var n int64
	if f, ok := source.(*os.File); ok {
		// The very types that net's sendfile looks for.
		n, err = io.Copy(s.conn, &io.LimitedReader{R: f, N: blob.Size})
		if err != nil && !connectionError(err) {
			err = &sourceError{err}
		}
	} else {
		r := &recordingReader{r: source}
		n, err = io.Copy(s.conn, &io.LimitedReader{R: r, N: blob.Size})
		if r.err != nil {
			err = &sourceError{r.err}
		}
	}
	if err == nil && n < blob.Size {
		err = &sourceError{fmt.Errorf("it has %d bytes instead of %d", n, blob.Size)}
	}
	return err
}

// connectionError tells a connection's errors from those of a file copied to it, which net wraps alike.
func connectionError(err error) bool {
	for _, e := range []error{net.ErrClosed, os.ErrDeadlineExceeded, syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// recordingReader keeps the error of its source apart from that of the destination.
type recordingReader struct {
	r   io.Reader
	err error
}

func (r *recordingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// next reads a frame up to its blob. The error is io.EOF if the stream ended between frames, a badFrame if the peer broke
// the protocol, and the connection's otherwise.
func (s *stream) next(limits *bodyLimits) (header, []byte, error) {
	var b [HeaderSize]byte
	if _, err := io.ReadFull(s.in, b[:]); err != nil {
		return header{}, nil, err
	}
	h, err := parseHeader(&b)
	if err != nil {
		return h, nil, err
	}
	switch {
	case h.Lane != s.lane:
		return h, nil, badFrame(fmt.Sprintf("%s frame for the %s lane on the %s lane", h.Kind, h.Lane, s.lane))
	case h.Seq != s.read:
		return h, nil, badFrame(fmt.Sprintf("%s frame has number %d instead of %d: frames were lost or repeated", h.Kind, h.Seq, s.read))
	case int64(h.BodyLen) > int64(limits[h.Kind]):
		return h, nil, badFrame(fmt.Sprintf("%s body of %d bytes exceeds %d", h.Kind, h.BodyLen, limits[h.Kind]))
	}
	s.read++
	var body []byte
	if h.BodyLen > 0 {
		body = make([]byte, h.BodyLen)
		if _, err := io.ReadFull(s.in, body); err != nil {
			return h, nil, cutShort(err)
		}
	}
	if got := crc32.Checksum(body, castagnoli); got != h.BodySum {
		return h, nil, badFrame(fmt.Sprintf("%s body's checksum is %08x instead of %08x", h.Kind, got, h.BodySum))
	}
	return h, body, nil
}

// cutShort makes an end inside a frame different from one between frames.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A blobReader gives the receiver exactly the bytes of one blob, and remembers what the connection said.
type blobReader struct {
	s    *stream
	left int64
	err  error
}

func (r *blobReader) Read(p []byte) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.left == 0:
		return 0, io.EOF
	}
	n, err := r.s.in.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err != nil {
		r.err = cutShort(err)
		err = r.err
	}
	return n, err
}

// WriteTo is what io.Copy calls: large pieces save system calls on both sides.
func (r *blobReader) WriteTo(w io.Writer) (n int64, err error) {
	if r.s.scratch == nil && r.left > bufferSize {
		r.s.scratch = make([]byte, blobPiece)
	}
	p := r.s.scratch
	if p == nil {
		p = make([]byte, max(r.left, 1))
	}
	for {
		k, err := r.Read(p)
		if k > 0 {
			written, err := w.Write(p[:k])
			n += int64(written)
			if err != nil {
				return n, err
			}
		}
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}
