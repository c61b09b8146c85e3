package toolchain

import (
	"strings"
	"testing"
)

// FuzzCFlags reads the command line of a C compiler, whatever it is.
func FuzzCFlags(f *testing.F) {
	f.Add("gcc\n-I\n/m\n-fPIC\n-m64\n-pthread\n-fmessage-length=0\n-ffile-prefix-map=$WORK/b001=/tmp/go-build\n-I\n$WORK/b001/\n" + probeFlag + "\n-o\n$WORK/b001/_x001.o\n-c\nx.c")
	f.Add("-pthread\n-fmessage-length=0\n-I\n$WORK/b001/\n-o\n" + probeFlag + "\n-c\nx.c")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		flags, ok := readCFlags(args, "/m")
		if n := len(flags.Before) + len(flags.After) + len(flags.Last); ok && n > len(args) {
			t.Errorf("%d flags in %d words", n, len(args))
		}
	})
}
