package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A record is, little-endian:
//
//	magic 4 | length of the body 4 | CRC-32C of length and body 4 | body
//
// and its body
//
//	key 32 | stamp 8 (nanoseconds since 1970) | payload
//
// Whoever finds one damaged goes on at the next place where a magic begins a
// record whose checksum holds.
const (
	magic        = "\xd6Go\x01" // the last byte is the format's version; the first is in no text
	recordHeader = 12
	bodyHeader   = 40
	// maxRecord bounds a record with all that its tools said. An entry that
	// does not fit is not stored.
	maxRecord = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // has an instruction of its own

// appendRecord appends a record to data.
func appendRecord(data []byte, key [32]byte, stamp time.Time, payload []byte) []byte {
	start := len(data)
	data = append(data, magic...)
	data = binary.LittleEndian.AppendUint32(data, uint32(bodyHeader+len(payload)))
	data = append(data, 0, 0, 0, 0)
	data = append(data, key[:]...)
	data = binary.LittleEndian.AppendUint64(data, uint64(stamp.UnixNano()))
	data = append(data, payload...)
	binary.LittleEndian.PutUint32(data[start+8:], checksum(data[start:]))
	return data
}

// checksum covers all of a record but the magic and itself.
func checksum(record []byte) uint32 {
	return crc32.Update(crc32.Checksum(record[4:8], castagnoli), castagnoli, record[recordHeader:])
}

// record returns the record that data begins with.
func record(data []byte) ([]byte, bool) {
	if len(data) < recordHeader+bodyHeader || string(data[:4]) != magic {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(data[4:])
	if n < bodyHeader || n > maxRecord-recordHeader || int(n) > len(data)-recordHeader {
		return nil, false
	}
	data = data[:recordHeader+n]
	return data, binary.LittleEndian.Uint32(data[8:]) == checksum(data)
}

func recordKey(record []byte) [32]byte { return [32]byte(record[recordHeader:]) }

func recordStamp(record []byte) int64 {
	return int64(binary.LittleEndian.Uint64(record[recordHeader+32:]))
}

func recordPayload(record []byte) []byte { return record[recordHeader+bodyHeader:] }

// A gap is a part of a segment that is no record.
type gap struct{ start, end int }

// scan calls f with each record of data and where it begins, and returns what
// lies between them.
func scan(data []byte, f func(offset int, record []byte)) (gaps []gap) {
	for at := 0; at < len(data); {
		if r, ok := record(data[at:]); ok {
			f(at, r)
			at += len(r)
			continue
		}
		next := resume(data, at+1)
		gaps = append(gaps, gap{at, next})
		at = next
	}
	return gaps
}

// resume finds the first record at or after an offset, or the end.
func resume(data []byte, at int) int {
	for at < len(data) {
		i := bytes.Index(data[at:], []byte(magic))
		if i < 0 {
			break
		}
		at += i
		if _, ok := record(data[at:]); ok {
			return at
		}
		at++
	}
	return len(data)
}
