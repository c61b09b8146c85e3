package store

import (
	"encoding/binary"
	"fmt"
	"testing"
)

func TestSummary(t *testing.T) {
	x := open(t, t.TempDir())
	for _, n := range []int{0, 1, 1000} {
		for i := x.actions.len(); i < n; i++ {
			if err := x.actions.add(numbered(i), nil, false); err != nil {
				t.Fatal(err)
			}
		}
		s, err := ParseSummary(x.Summary().Bytes())
		if err != nil || s.Len() != n {
			t.Fatalf("%d keys, %v, want %d", s.Len(), err, n)
		}
		for i := range 2 * n {
			if is := s.Has(numbered(i)); is != (i < n) {
				t.Fatalf("key %d of %d: %v", i, n, is)
			}
		}
	}
}

func TestSummaryRefuses(t *testing.T) {
	large := binary.AppendUvarint(nil, 1<<summaryBits)
	half := binary.AppendUvarint(nil, 1<<(summaryBits-1))
	for name, b := range map[string][]byte{
		"cut short":  {0x80},
		"repetition": {1, 0},
		"too large":  large,
		"too far":    append(half, half...),
		"endless":    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if s, err := ParseSummary(b); err == nil {
			t.Errorf("%s: %d keys", name, s.Len())
		}
	}
}

func FuzzSummary(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0x80, 1})
	f.Add(binary.AppendUvarint([]byte{7}, 1<<summaryBits-8))
	f.Fuzz(func(t *testing.T, b []byte) {
		var (
			s   Summary
			err error
		)
		if n := allocated(func() { s, err = ParseSummary(b) }); n > 1<<16+100*uint64(len(b)) {
			t.Fatalf("%d bytes made it allocate %d", len(b), n)
		}
		if err != nil {
			return
		}
		for i := 1; i < s.Len(); i++ {
			if s.prefixes[i] <= s.prefixes[i-1] {
				t.Fatal("not ascending")
			}
		}
		back, err := ParseSummary(s.Bytes())
		if err != nil || fmt.Sprint(back) != fmt.Sprint(s) {
			t.Fatalf("%v became %v, %v", s, back, err)
		}
	})
}
