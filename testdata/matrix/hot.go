//go:build ignore

// Writes a CPU profile in which Fib of the program "mains" is hot, of so many
// samples that it is worth inlining.
package main

import (
	"compress/gzip"
	"os"
)

func main() {
	var p []byte
	field := func(to []byte, number, wire int, body ...byte) []byte {
		to = append(to, byte(number<<3|wire))
		if wire == 2 {
			to = append(to, byte(len(body)))
		}
		return append(to, body...)
	}
	p = field(p, 1, 2, 0x08, 1, 0x10, 2) // sample type: samples/count
	p = field(p, 1, 2, 0x08, 3, 0x10, 4) // sample type: cpu/nanoseconds
	// A sample: Fib called by Fib, 100 times, 100 ns.
	p = field(p, 2, 2, 0x0a, 2, 1, 1, 0x12, 2, 100, 100)
	p = field(p, 4, 2, 0x08, 1, 0x22, 4, 0x08, 1, 0x10, 10) // location 1: function 1, line 10
	p = field(p, 5, 2, 0x08, 1, 0x10, 5, 0x18, 5, 0x20, 6, 0x28, 5)
	for _, s := range []string{"", "samples", "count", "cpu", "nanoseconds", "example.com/mains/lib.Fib", "lib.go"} {
		p = field(p, 6, 2, []byte(s)...)
	}
	z := gzip.NewWriter(os.Stdout)
	if _, err := z.Write(p); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
}
