package plan

import "testing"

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
		{"cut off", "package p\n\nfunc f() {\n\tif", 0, 1},
	} {
		if s := MeasureGo([]byte(test.text)); s != (Source{int64(len(test.text)), test.code, test.funcs}) {
			t.Errorf("%s: %+v, want %d bytes of code in %d functions", test.name, s, test.code, test.funcs)
		}
	}
}
