package plan

import (
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan/transcript"
)

func TestMeasureGo(t *testing.T) {
	for _, test := range []struct {
		name, text  string
		code, funcs int64
	}{
		{"nothing", "package p\n\nvar table = [...]byte{1, 2, 3}\n", 0, 0},
		{"a body", "package p\n\nfunc f() {\n\treturn\n}\n", int64(len("\n\treturn")), 1},
		{"one line, no body, a method", "package p\n\nfunc f() {}\nfunc g()\nfunc (t *T) h() (n int) {\n\treturn 1\n}\n", int64(len("\n\treturn 1")), 3},
		{"a literal is code of its function", "package p\n\nfunc f() {\n\tg(func() {\n\t})\n}\n", int64(len("\n\tg(func() {\n\t})")), 1},
		{"parameters on lines of their own", "package p\n\nfunc f(\n\ta int,\n) (n int) {\n\treturn\n}\n", int64(len("\n\treturn")), 1},
		{"parameters, no body", "package p\n\nfunc f(\n\ta int,\n)\nfunc g() {\n\treturn\n}\n", int64(len("\n\treturn")), 2},
		{"carriage returns", "package p\r\n\r\nfunc f() {\r\n\treturn\r\n}\r\n", int64(len("\n\treturn\r")), 1},
		{"comments are no code", "package p\n\nfunc f() {\n\t// f returns.\n\treturn // now\n}\n", int64(len("\n\t\n\treturn ")), 1},
		{"cut off", "package p\n\nfunc f() {\n\tif", 0, 1},
	} {
		if s := MeasureGo([]byte(test.text)); s != (Source{Bytes: int64(len(test.text)), Code: test.code, Funcs: test.funcs}) {
			t.Errorf("%s: %+v, want %d bytes of code in %d functions", test.name, s, test.code, test.funcs)
		}
	}
}

func TestMeasureLongLiterals(t *testing.T) {
	file := strings.Repeat(`\x1f\x8b`, 4<<10)
	text := "package p\n\nvar file = []byte(\"" + file + "\")\n\nfunc f() {\n\treturn\n}\n"
	s := MeasureGo([]byte(text))
	if s.Text < int64(len(file)-2<<10) || s.Text > int64(len(file)) || s.Funcs != 1 {
		t.Errorf("%+v, want %d bytes of text", s, len(file))
	}
	if got, want := s.Times(3), (Source{3 * s.Bytes, 3 * s.Code, 3 * s.Text, 3}); got != want {
		t.Errorf("three times %+v is %+v", s, got)
	}
}

// A package of files in literals has next to nothing left to do when its export data is ready.
func TestTextIsRead(t *testing.T) {
	source := Source{Bytes: 70 << 20, Text: 70<<20 - 10<<10, Code: 5 << 10, Funcs: 17}
	p := &Plan{Actions: []Action{{Kind: Compile, Steps: []transcript.Command{{Op: transcript.Run, Args: []string{"compile", "p.go"}}}}}}
	a := &p.Actions[0]
	a.Cost, a.Text = estimate(a, func(string) Source { return source })
	p.Pipeline()
	if left := a.Cost - a.Lead; left <= 0 || left > a.Cost/50 {
		t.Errorf("after %d of %d µs the export data is there", a.Lead, a.Cost)
	}
}

// BenchmarkMeasureGo is of a file as large as the largest that people write, a tenth of runtime.
func BenchmarkMeasureGo(b *testing.B) {
	text := []byte("package p\n" + strings.Repeat("\nfunc f(x int) (y int) {\n\tif x > 0 { // so\n\t\ty = g(x)\n\t}\n\treturn y\n}\n", 4<<10))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if s := MeasureGo(text); s.Funcs != 4<<10 {
			b.Fatal(s)
		}
	}
}
