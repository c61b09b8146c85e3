package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// checkStructure reads msgpack without building anything: exactly one value, nested at most maxDepth deep, of at most
// maxValues parts, no declared length above what the remaining bytes can hold, map keys that are strings or integers, and
// no extension types. vmihailenco/msgpack allocates by declared lengths (its issue 401) and recurses by nesting, so it gets
// to see only bodies that have passed. Extensions are left out because it looks through their headers: what the format
// calls opaque data it may read as a map of four billion entries. So a time.Time travels as an integer.
//
// See the msgpack specification, "Formats", for the first bytes.
func checkStructure(b []byte) error {
	c := structureCheck{rest: b}
	if err := c.value(0); err != nil {
		return fmt.Errorf("malformed msgpack at byte %d: %w", len(b)-len(c.rest), err)
	}
	if len(c.rest) > 0 {
		return fmt.Errorf("%d bytes after the msgpack value", len(c.rest))
	}
	return nil
}

var (
	errShort     = errors.New("it ends too early")
	errDeep      = fmt.Errorf("nested more than %d deep", maxDepth)
	errMany      = fmt.Errorf("more than %d values", maxValues)
	errMapKey    = errors.New("map key is neither string nor integer")
	errExtension = errors.New("extension types are not used; a time travels as an integer")
	errUnknown   = errors.New("0xc1 is never used")
)

type structureCheck struct {
	rest   []byte
	values int
}

func (c *structureCheck) value(depth int) error {
	if c.values++; c.values > maxValues {
		return errMany
	}
	if len(c.rest) == 0 {
		return errShort
	}
	t := c.rest[0]
	c.rest = c.rest[1:]
	switch {
	case t <= 0x7f || t >= 0xe0: // fixint
		return nil
	case t <= 0x8f:
		return c.mapping(uint64(t&0x0f), depth)
	case t <= 0x9f:
		return c.array(uint64(t&0x0f), depth)
	case t <= 0xbf:
		return c.skip(uint64(t & 0x1f))
	}
	switch t {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return nil
	case 0xc4, 0xd9: // bin 8, str 8
		return c.sized(1)
	case 0xc5, 0xda:
		return c.sized(2)
	case 0xc6, 0xdb:
		return c.sized(4)
	case 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return errExtension
	case 0xcc, 0xd0: // 8-bit integers
		return c.skip(1)
	case 0xcd, 0xd1:
		return c.skip(2)
	case 0xca, 0xce, 0xd2: // 32-bit float and integers
		return c.skip(4)
	case 0xcb, 0xcf, 0xd3:
		return c.skip(8)
	case 0xdc, 0xdd:
		n, err := c.length(2 << (t - 0xdc))
		if err != nil {
			return err
		}
		return c.array(n, depth)
	case 0xde, 0xdf:
		n, err := c.length(2 << (t - 0xde))
		if err != nil {
			return err
		}
		return c.mapping(n, depth)
	}
	return errUnknown
}

func (c *structureCheck) array(n uint64, depth int) error {
	if depth >= maxDepth {
		return errDeep
	}
	if n > uint64(len(c.rest)) { // an element takes at least one byte
		return errShort
	}
	for range n {
		if err := c.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func (c *structureCheck) mapping(n uint64, depth int) error {
	if depth >= maxDepth {
		return errDeep
	}
	if 2*n > uint64(len(c.rest)) {
		return errShort
	}
	for range n {
		if len(c.rest) > 0 && !keyByte(c.rest[0]) {
			return errMapKey
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// keyByte reports whether a value that starts with t is a string or an integer.
func keyByte(t byte) bool {
	return t <= 0x7f || t >= 0xe0 || t >= 0xa0 && t <= 0xbf || t >= 0xcc && t <= 0xd3 || t >= 0xd9 && t <= 0xdb
}

// sized skips a value whose length is given in the next width bytes.
func (c *structureCheck) sized(width int) error {
	n, err := c.length(width)
	if err != nil {
		return err
	}
	return c.skip(n)
}

func (c *structureCheck) length(width int) (uint64, error) {
	if len(c.rest) < width {
		return 0, errShort
	}
	var b [8]byte
	copy(b[8-width:], c.rest)
	c.rest = c.rest[width:]
	return binary.BigEndian.Uint64(b[:]), nil
}

func (c *structureCheck) skip(n uint64) error {
	if n > uint64(len(c.rest)) {
		return errShort
	}
	c.rest = c.rest[n:]
	return nil
}
