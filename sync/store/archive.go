package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// An archive is a tar file, compressed with zstd, of
//
//	files/<hex>   one for each file
//	actions       the records of the entries, as they stand in a segment
//
// in this order, so that whoever reads it has an entry's files before it.
const (
	archivedFile    = "files/"
	archivedEntries = "actions"
	// maxArchived bounds one file of an archive: larger than any program, and
	// than what the linker can make.
	maxArchived = 16 << 30
	// maxWindow bounds the memory for uncompressing; zstd's levels up to 19
	// need 8 MiB.
	maxWindow = 32 << 20
)

// Archived is what Export or Import did.
type Archived struct {
	Entries int
	Files   int
	Bytes   int64 // in the files
	Skipped int   // entries left out, for a file of theirs is not here, or is not in the archive
}

// Export writes the entries that want wants to an archive, with their files.
// The same entries make the same archive but for the times of their records.
func (s *Store) Export(ctx context.Context, w io.Writer, want func(Key, Entry) bool) (Archived, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Archived{}, err
	}
	x := exporter{store: s, tar: tar.NewWriter(z), done: map[Digest]bool{}}
	err = x.export(ctx, s.choose(want))
	if err == nil {
		err = x.tar.Close()
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return x.sum, fmt.Errorf("exporting: %w", err)
	}
	return x.sum, nil
}

// choose returns the keys of the entries that want wants, sorted.
func (s *Store) choose(want func(Key, Entry) bool) []Key {
	var keys []Key
	for key, e := range s.Entries() {
		if want(key, e) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

type exporter struct {
	store   *Store
	tar     *tar.Writer
	done    map[Digest]bool
	records []byte
	sum     Archived
}

func (x *exporter) export(ctx context.Context, keys []Key) error {
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, ok := x.store.Lookup(key)
		if !ok {
			x.sum.Skipped++
			continue
		}
		err := x.files(e)
		if errors.Is(err, ErrAbsent) {
			x.sum.Skipped++
			continue
		}
		if err != nil {
			return err
		}
		payload, stamp, _ := x.store.actions.payload(key)
		x.records = appendRecord(x.records, key, stamp, payload)
		x.sum.Entries++
	}
	if err := x.tar.WriteHeader(header(archivedEntries, int64(len(x.records)))); err != nil {
		return err
	}
	_, err := x.tar.Write(x.records)
	return err
}

func (x *exporter) files(e Entry) error {
	for _, o := range e.Outputs {
		if x.done[o.Digest] {
			continue
		}
		in, err := x.store.Open(o.File)
		if err != nil {
			return err
		}
		if err = x.tar.WriteHeader(header(archivedFile+o.Digest.String(), o.Size)); err == nil {
			_, err = io.Copy(x.tar, in)
		}
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
		x.done[o.Digest] = true
		x.sum.Files++
		x.sum.Bytes += o.Size
	}
	return nil
}

func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o444}
}

// Import takes the entries of an archive into the store. Each file is digested
// and each record's checksum verified; what was taken in before something was
// found wrong stays. Whoever made the archive is trusted with what the entries'
// keys stand for: import only from those whose programs you would run.
func (s *Store) Import(ctx context.Context, r io.Reader) (Archived, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return Archived{}, err
	}
	defer z.Close()
	var sum Archived
	if err := s.importTar(ctx, tar.NewReader(z), &sum); err != nil {
		return sum, fmt.Errorf("importing: %w", unsound(ctx, err))
	}
	return sum, nil
}

// unsound puts down to the archive what neither the system nor ctx is to blame for.
func unsound(ctx context.Context, err error) error {
	_, system := errors.AsType[syscall.Errno](err)
	_, known := errors.AsType[*ArchiveError](err)
	if system || known || ctx.Err() != nil {
		return err
	}
	return &ArchiveError{"cannot be read, " + err.Error()}
}

func (s *Store) importTar(ctx context.Context, t *tar.Reader, sum *Archived) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return &ArchiveError{"has no entries; it is cut short, or none of distgo's"}
		}
		if err != nil {
			return err
		}
		if h.Name == archivedEntries {
			return s.importEntries(t, sum)
		}
		hex, ok := strings.CutPrefix(h.Name, archivedFile)
		if !ok || h.Typeflag != tar.TypeReg || h.Size > maxArchived {
			return &ArchiveError{fmt.Sprintf("is none of distgo's, it has %.100q", h.Name)}
		}
		want, err := ParseDigest(hex)
		if err != nil {
			return err
		}
		f, err := s.PutReader(t)
		if err != nil {
			return err
		}
		if f.Digest != want {
			return &ArchiveError{fmt.Sprintf("is damaged, its file %s has the digest %s", want, f.Digest)}
		}
		sum.Files++
		sum.Bytes += f.Size
	}
}

func (s *Store) importEntries(r io.Reader, sum *Archived) error {
	data, err := io.ReadAll(io.LimitReader(r, maxSegment+1))
	if err != nil {
		return err
	}
	if len(data) > maxSegment {
		return &ArchiveError{"has more entries than a store can hold"}
	}
	gaps := scan(data, func(_ int, r []byte) {
		e, derr := decodeEntry(recordPayload(r))
		if derr == nil {
			derr = s.Commit(recordKey(r), e)
		}
		switch {
		case derr == nil:
			sum.Entries++
		case errors.Is(derr, ErrAbsent):
			sum.Skipped++
		case err == nil:
			err = derr
		}
	})
	if len(gaps) > 0 {
		err = errors.Join(err, &ArchiveError{fmt.Sprintf("is damaged, %d of its records", len(gaps))})
	}
	return err
}
