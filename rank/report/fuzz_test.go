package report

import (
	"bytes"
	"runtime"
	"testing"
)

// FuzzRead reads anything as a report: an error at worst, in memory that the text pays for.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":1,"size":2,"actions":[{"id":0,"kind":"compile","package":"p","rank":0,"start":1,"end":5}],"ranks":[{"rank":0,"slots":1}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := allocated(func() { Read(bytes.NewReader(text)) }); n > 1<<20+1000*uint64(len(text)) {
			t.Errorf("%d bytes made it allocate %d", len(text), n)
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
