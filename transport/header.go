package transport

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// HeaderSize is the number of bytes before a frame's body. See PROTOCOL.md, "Frames".
const HeaderSize = 36

// frameMagic begins every frame. It finds out at once when a stream has lost step.
const frameMagic = "dgof"

// flagBlob says that a blob follows the body, even an empty one.
const flagBlob = 1 << 0

// header is a frame's fixed part, in the order of the wire.
type header struct {
	Flags   uint8
	Kind    Kind
	Lane    Lane
	Step    uint32
	Seq     uint32 // counts the frames of one connection in one direction, from 0
	BodyLen uint32
	BlobLen uint64
	BodySum uint32 // CRC-32C of the body
}

// castagnoli is CRC-32C, for which amd64 and arm64 have instructions.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append writes the header with its own checksum, which comes last so that lengths are trusted only when it is right.
func (h header) append(b []byte) []byte {
	start := len(b)
	b = append(b, frameMagic...)
	b = append(b, ProtocolVersion, byte(h.Kind), h.Flags, byte(h.Lane))
	b = binary.BigEndian.AppendUint32(b, h.Step)
	b = binary.BigEndian.AppendUint32(b, h.Seq)
	b = binary.BigEndian.AppendUint32(b, h.BodyLen)
	b = binary.BigEndian.AppendUint64(b, h.BlobLen)
	b = binary.BigEndian.AppendUint32(b, h.BodySum)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseHeader reads what append wrote and checks all that can be checked without knowing the connection.
func parseHeader(b *[HeaderSize]byte) (header, error) {
	if string(b[:4]) != frameMagic {
		return header{}, badFrame(fmt.Sprintf("a frame begins with % x instead of % x", b[:4], frameMagic))
	}
	if got, want := crc32.Checksum(b[:32], castagnoli), binary.BigEndian.Uint32(b[32:]); got != want {
		return header{}, badFrame(fmt.Sprintf("a header's checksum is %08x instead of %08x", got, want))
	}
	if b[4] != ProtocolVersion {
		return header{}, badFrame(fmt.Sprintf("a frame has version %d instead of %d", b[4], ProtocolVersion))
	}
	h := header{
		Kind:    Kind(b[5]),
		Flags:   b[6],
		Lane:    Lane(b[7]),
		Step:    binary.BigEndian.Uint32(b[8:]),
		Seq:     binary.BigEndian.Uint32(b[12:]),
		BodyLen: binary.BigEndian.Uint32(b[16:]),
		BlobLen: binary.BigEndian.Uint64(b[20:]),
		BodySum: binary.BigEndian.Uint32(b[28:]),
	}
	switch {
	case h.Kind == 0 || h.Kind > LastKind || h.Kind > kindBye && h.Kind < FirstKind:
		return h, badFrame(fmt.Sprintf("a frame of unknown %s", h.Kind))
	case h.Flags&^flagBlob != 0:
		return h, badFrame(fmt.Sprintf("%s frame with unknown flags %#x", h.Kind, h.Flags))
	case h.Flags&flagBlob != 0 && h.Kind < FirstKind:
		return h, badFrame(fmt.Sprintf("%s frame with a blob", h.Kind))
	case h.BlobLen > MaxBlob:
		return h, badFrame(fmt.Sprintf("%s blob of %d bytes exceeds %d", h.Kind, h.BlobLen, int64(MaxBlob)))
	case h.BlobLen > 0 && h.Flags&flagBlob == 0:
		return h, badFrame(fmt.Sprintf("%s blob of %d bytes without the blob flag", h.Kind, h.BlobLen))
	}
	return h, nil
}
