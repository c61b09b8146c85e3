package ship

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/badbubble/distgo/sync/store"
)

const (
	// maxBatch is how many bytes of small files travel together: enough for a
	// thousand sources, and few enough that the first actions need not wait.
	maxBatch = 4 << 20
	// maxPacked is the largest file that is packed, in memory; programs of the
	// toolchain are of 30 MB, and become a third. Larger ones are sent as they
	// are.
	maxPacked = 64 << 20
	// maxFile bounds what is believed of a file: what can be a blob.
	maxFile = 4 << 30
	// maxFiles bounds the files of a batch, and of a question.
	maxFiles = 1 << 16
)

// A Batch says what follows it.
type Batch struct {
	Digests [][]byte `msgpack:"d"`
	Sizes   []int64  `msgpack:"z"`           // bytes, one after the other
	Packed  bool     `msgpack:"k,omitempty"` // by zstd
}

// A Parcel is a batch with its bytes.
type Parcel struct {
	Batch
	Size int64
	Open func() (io.ReadCloser, error)
}

// named is a file to be packed.
type named struct {
	path string
	file store.File
}

// parcel packs files.
func parcel(files []named) (Parcel, error) {
	var p Parcel
	var total int64
	for _, f := range files {
		p.Digests = append(p.Digests, f.file.Digest[:])
		p.Sizes = append(p.Sizes, f.file.Size)
		total += f.file.Size
	}
	if total > max(maxBatch, maxPacked) {
		path := files[0].path
		p.Size, p.Open = total, func() (io.ReadCloser, error) { return os.Open(path) }
		return p, nil
	}
	p.Packed = true
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return p, err
	}
	for _, f := range files {
		if err := appendFile(z, f); err != nil {
			return p, errors.Join(err, z.Close())
		}
	}
	if err := z.Close(); err != nil {
		return p, err
	}
	p.Size, p.Open = int64(packed.Len()), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return p, nil
}

func appendFile(w io.Writer, f named) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(w, io.LimitReader(in, f.file.Size))
	if err == nil && n != f.file.Size {
		err = fmt.Errorf("%s changed while the build ran", f.path)
	}
	return err
}

// contents calls f with each file of a batch.
func (b *Batch) contents(blob io.Reader, f func(store.File, io.Reader) error) error {
	if len(b.Digests) != len(b.Sizes) || len(b.Digests) > maxFiles {
		return violation("a batch of %d files has %d sizes", len(b.Digests), len(b.Sizes))
	}
	var total int64
	for i, size := range b.Sizes {
		if len(b.Digests[i]) != len(store.Digest{}) || size < 0 || size > maxFile {
			return violation("a batch has a file of %d bytes with a digest of %d", size, len(b.Digests[i]))
		}
		if total += size; b.Packed && total > max(maxBatch, maxPacked) {
			return violation("a packed batch has more than %d bytes", max(maxBatch, maxPacked))
		}
	}
	if b.Packed {
		z, err := zstd.NewReader(blob, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxPacked))
		if err != nil {
			return err
		}
		defer z.Close()
		blob = z
	}
	for i, size := range b.Sizes {
		want := store.File{Digest: store.Digest(b.Digests[i]), Size: size}
		if err := f(want, io.LimitReader(blob, size)); err != nil {
			return err
		}
	}
	return nil
}
