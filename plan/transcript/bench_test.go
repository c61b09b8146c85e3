package transcript

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkParse reads a text of the size that a program of a thousand
// packages has: the longest transcript in testdata, many times over under
// other names.
func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile(filepath.Join("testdata", "go1.26.8", "all.txt"))
	if err != nil {
		b.Fatal(err)
	}
	var long bytes.Buffer
	for i := 0; long.Len() < 4<<20; i++ {
		// The text's last cd differs from its first, so it repeats as it is.
		prefix := []byte{'$', 'W', 'O', 'R', 'K', '/', 'b', '1' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)}
		long.Write(bytes.ReplaceAll(text, []byte("$WORK/b"), prefix))
	}
	b.SetBytes(int64(long.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(long.Bytes(), Options{GoVersion: testVersion}); err != nil {
			b.Fatal(err)
		}
	}
}
