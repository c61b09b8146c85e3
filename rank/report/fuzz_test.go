package report

import (
	"bytes"
	"testing"
)

// FuzzRead reads anything as a report: an error, or one that can be summed up.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":1,"size":2,"actions":[{"id":0,"kind":"compile","package":"p","rank":0,"start":1,"end":5}],"ranks":[{"rank":0,"slots":1}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Read(bytes.NewReader(text)); err != nil {
			return
		}
	})
}
