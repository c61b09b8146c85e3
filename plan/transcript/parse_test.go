package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const testVersion = "go1.26.8"

// parseOne reads a text that is one command, and prints it back.
func parseOne(t *testing.T, text string, exists func(string) bool) Command {
	t.Helper()
	s, err := Parse([]byte(text), Options{GoVersion: testVersion, Exists: exists})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Blocks) != 1 || len(s.Blocks[0].Commands) != 1 {
		t.Fatalf("read %+v, want one command", s.Blocks)
	}
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != text {
		t.Errorf("prints back as %q", out.String())
	}
	return s.Blocks[0].Commands[0]
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Command
	}{
		{"mkdir -p $WORK/b001/\n", Command{Op: Mkdir, Args: []string{"$WORK/b001/"}}},
		{"rm -rf $WORK/b001/\n", Command{Op: Remove, Args: []string{"$WORK/b001/"}}},
		{"echo -n > $WORK/b001/go_asm.h # internal\n",
			Command{Op: Write, Args: []string{"$WORK/b001/go_asm.h"}}},
		{"echo '# import config' > $WORK/b001/importcfg # internal\n",
			Command{Op: Write, Args: []string{"$WORK/b001/importcfg"}, Body: "# import config\n"}},
		{"echo 'it's > a' > b # internal' > $WORK/b001/x # internal\n",
			Command{Op: Write, Args: []string{"$WORK/b001/x"}, Body: "it's > a' > b # internal\n"}},
		{"cat >$WORK/b001/importcfg << 'EOF' # internal\n# EOF\nimportmap a/EOF=b/EOF\nEOF\n",
			Command{Op: Write, Args: []string{"$WORK/b001/importcfg"}, Body: "# EOF\nimportmap a/EOF=b/EOF\n"}},
		{"cat >$WORK/b001/embedcfg << 'EOF' # internal\n{\n\t\"Files\": {\n\t\t\"EOF\": \"/a/EOF\"\n\t}\n}EOF\n",
			Command{Op: Write, Args: []string{"$WORK/b001/embedcfg"}, Body: "{\n\t\"Files\": {\n\t\t\"EOF\": \"/a/EOF\"\n\t}\n}"}},
		{"mv $WORK/b001/exe/a.out my  program\n",
			Command{Op: Move, Args: []string{"$WORK/b001/exe/a.out", "my  program"}}},
		{"cp /my src/defs_linux.h $WORK/b001/defs_GOOS.h\n",
			Command{Op: Copy, Args: []string{"/my src/defs_linux.h", "$WORK/b001/defs_GOOS.h"}}},
		{"ln -s a $WORK/b001/b\n", Command{Op: Symlink, Args: []string{"a", "$WORK/b001/b"}}},
		{"go tool buildid -w $WORK/b001/_pkg_.a # internal\n",
			Command{Op: BuildID, Args: []string{"$WORK/b001/_pkg_.a"}}},
		{"/go/pkg/tool/linux_amd64/buildid -w $WORK/b001/_pkg_.a # internal\n",
			Command{Op: BuildID, Args: []string{"$WORK/b001/_pkg_.a"}}},
		{"cd /p\ngo tool pack r $WORK/b001/_pkg_.a $WORK/b001/x.o ./y.syso # internal\n",
			Command{Op: Pack, Dir: "/p", Args: []string{"$WORK/b001/_pkg_.a", "$WORK/b001/x.o", "/p/y.syso"}}},
		{"cd /p\n/go/pkg/tool/linux_amd64/pack r $WORK/b001/_pkg_.a $WORK/b001/x.o # internal\n",
			Command{Op: Pack, Dir: "/p", Args: []string{"$WORK/b001/_pkg_.a", "$WORK/b001/x.o"}}},
		{"/t/preprofile -o $WORK/b002/pgo.preprofile -i /p/default.pgo\n",
			Command{Op: Run, Args: []string{"/t/preprofile", "-o", "$WORK/b002/pgo.preprofile", "-i", "/p/default.pgo"}}},
		{"cd $WORK\ngcc ./b001/x -fno-x -c -x c - -o /dev/null || true\n",
			Command{Op: Probe, Dir: "$WORK", Args: []string{"gcc", "$WORK/b001/x", "-fno-x", "-c", "-x", "c", "-", "-o", "/dev/null"}}},
	} {
		got := parseOne(t, tt.text, nil)
		got.Line = 0
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q\nread %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
}

// TestQuoting prints arguments the way cmd/go does and reads them again.
func TestQuoting(t *testing.T) {
	words := []string{
		"/t/link", "-o", "$WORK/b001/exe/a.out", "", " ", `"`, `\`, "$HOME it's", "a;b", "a=>b", "(", "tab\t", "nl\n",
		"é", "\u200b", "\xff", "a é", "#", "||", "'", "./x y", "'.'",
	}
	env := []string{"A=", "B='", "C=line\nbreak \" .\\", "D=it's\n"}
	var line []byte
	for _, e := range env {
		line = appendAssignment(line, e)
	}
	for i, w := range words {
		if i > 0 {
			line = append(line, ' ')
		}
		line = appendWord(line, w)
	}
	c := parseOne(t, "cd .\n"+string(line)+"\n", nil)
	if !reflect.DeepEqual(c.Args, words) {
		t.Errorf("read  %q\nwrote %q", c.Args, words)
	}
	if !reflect.DeepEqual(c.Env, env) {
		t.Errorf("read  %q\nwrote %q", c.Env, env)
	}
}

func TestUndot(t *testing.T) {
	asked := []string{}
	exists := func(path string) bool {
		asked = append(asked, path)
		return path == "/ws/ab/x.go" || path == "/ws/a.b/x.go"
	}
	for _, tt := range []struct{ dir, printed, want string }{
		{"/ws/a", ".", "/ws/a"},
		{"/ws/a", "./x.go", "/ws/a/x.go"},
		{"/ws/a", ".b/x.go", "/ws/ab/x.go"},
		{"/ws/a", ".c/x.go", ".c/x.go"},
		{"/ws/a", "..b/x.go", "/ws/a.b/x.go"},
		{"/ws/a", "../x.go", "../x.go"},
		{"/ws/a", "x/./y", "x/./y"},
		{"/ws/a", "./$WORK/b001/x.go", "$WORK/b001/x.go"},
		{".", "./x.go", "./x.go"},
		{"$WORK/b001", "./x.c", "$WORK/b001/x.c"},
		{"$WORK/b100", ".0/x.c", "$WORK/b1000/x.c"},
		{"$WORK/b100", ".x/y", ".x/y"},
		{"$WORK/b001/exe/", "./a.out", "$WORK/b001/exe/a.out"},
		{"$WORK/b001/exe/", ".a", ".a"},
		{"/ws/a", `"x y./z"`, "x y./z"},
		{"/ws/a", `"x .y"`, "x .y"},
		{"$WORK/b001", `"x ./y"`, "x ./y"},
	} {
		c := parseOne(t, "cd "+tt.dir+"\nTERM='dumb' /t/cgo -objdir $WORK/b7/ -- "+tt.printed+"\n", exists)
		if got := c.Args[len(c.Args)-1]; got != tt.want {
			t.Errorf("in %s, %s is read as %s, want %s", tt.dir, tt.printed, got, tt.want)
		}
	}
	if len(asked) == 0 {
		t.Error("Exists was never asked")
	}
}

// TestRootDirectory: cmd/go prints neither cd nor dots for what runs in /.
func TestRootDirectory(t *testing.T) {
	text := "cd /p\n/t/asm -o $WORK/b001/x.o ./x.s\n/t/compile -o $WORK/b001/_pkg_.a /p/x.go\n"
	s := mustParse(t, []byte(text), testVersion)
	if got := s.Blocks[0].Commands[1].Dir; got != "/" {
		t.Errorf("the compile runs in %q", got)
	}
}

func TestBlocks(t *testing.T) {
	text := `go: downloading example.com/x v1.0.0
mkdir -p $WORK/b002/
cd $WORK
gcc -fx -c -x c - -o /dev/null || true
cd /p
TERM='dumb' /t/cgo -objdir $WORK/b002/ ./x.go
mkdir -p $WORK/b003/

#
# example.com/y
#

echo -n > $WORK/b003/go_asm.h # internal

#
# example.com/x
#

example.com/x
echo -n > $WORK/b002/go_asm.h # internal
mkdir -p /out dir/
mv $WORK/b003/exe/a.out /out dir/y
`
	s := mustParse(t, []byte(text), testVersion)
	var got []string
	for _, b := range s.Blocks {
		for _, c := range b.Commands {
			got = append(got, fmt.Sprintf("%s %s %s %d", b.Node, b.Package, opNames[c.Op], c.Line))
		}
	}
	want := []string{
		"b002 example.com/x mkdir 2", "b002 example.com/x probe 4", "b002 example.com/x run 6", "b002 example.com/x write 20",
		"b003 example.com/y mkdir 7", "b003 example.com/y write 13", "b003 example.com/y mkdir 21", "b003 example.com/y move 22",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTrialLink: the repeated line has the true arguments, is not executed,
// and says of the line before that it may fail.
func TestTrialLink(t *testing.T) {
	text := "cd /ws/a\n" +
		"TERM='dumb' gcc -I ./x -o $WORK/b003/_cgo_.o -L ./lib ./y\n" +
		"gcc -I /ws/a/x -o $WORK/b003/_cgo_.o -L ./lib /ws/a/y # test for internal linking errors (succeeded)\n"
	s := mustParse(t, []byte(text), testVersion)
	link, test := s.Blocks[0].Commands[0], s.Blocks[0].Commands[1]
	want := []string{"gcc", "-I", "/ws/a/x", "-o", "$WORK/b003/_cgo_.o", "-L", "./lib", "/ws/a/y"}
	if link.Op != Run || !link.MayFail || link.Dir != "/ws/a" || !reflect.DeepEqual(link.Args, want) {
		t.Errorf("the link is read as %+v", link)
	}
	if test.Op != Probe || test.MayFail {
		t.Errorf("its repetition is read as %+v", test)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"mkdir -p $WORK/b001/\nx.go:3:1: syntax error\n", `go1.26 transcript:2: unknown line "x.go:3:1: syntax error"`},
		{"# example.com/x\n", `transcript:1: unknown line "# example.com/x"`},
		{"\n#\n# x\n", "empty line that begins no package's header"},
		{"\n", "empty line"},
		{"go: warning: x\n", `the go command says "go: warning: x"`},
		{"mkdir -p $WORK/b001/\ngo: downloading x v1\n", "transcript:2: unknown line"},
		{"mkdir -p $WORK/b001/", "the text ends within the line"},
		{"mkdir -p /out/\n", "the text ends before the action"},
		{"cd /p\n", "transcript:2: nothing after cd"},
		{"cd /p\nmkdir -p $WORK/b001/\n", "misread"},
		{"cd \nmkdir -p $WORK/b001/\n", "misread"},
		{"cd " + strings.Repeat("x", maxDir+1) + "\n", "directory of 4097 bytes"},
		{"mkdir -p $WORK/b001/\ncat >$WORK/b001/x << 'EOF' # internal\na\nbEOF\n", "transcript:2: here-document for $WORK/b001/x never ends"},
		{"cat >$WORK/b001/x <<EOF\nEOF\n", "unknown line"},
		{"cat /cache/x-d  # internal\n", `stray space in "cat /cache/x-d  # internal"`},
		{"echo 'a' > $WORK/b001/x\n", "unknown line"},
		{"touch x\n", "unknown line"},
		{"rm -rf $WORK/b001/ /x\n", "cannot tell one file from several"},
		{"mv /a b /c\n", "cannot tell the two files"},
		{"mv $WORK/b001/a b $WORK/b001/c\n", "cannot tell the two files"},
		{"cp /a b /c\n", "cannot tell the two files"},
		{"/t/compile  -o $WORK/b001/x\n", "stray space"},
		{"/t/compile -o $WORK/b001/x \n", "stray space"},
		{"/t/compile -o $WORK/b001/x a;b\n", "misread"},
		{"/t/compile -o $WORK/b001/x \"y\"\n", "misread"},
		{"/t/compile -o $WORK/b001/x \"y\n", "quoted argument never ends"},
		{"/t/compile -o $WORK/b001/x \"\\x\"\n", "quoted argument"},
		{"/t/compile -o $WORK/b001/x > y\n", "misread"},
		{"/t/garble /t/compile -o $WORK/b001/x\n", "unknown line"},
		{"compile -o $WORK/b001/x\n", "unknown line"},
		{"TERM='dumb gcc\n", "value of TERM never ends"},
		{"TERM='dumb' \n", "no program"},
		{"cd /ws/a\nTERM='dumb' gcc -o $WORK/b001/x \"-DX=a ./b\"\n", "may have named /ws/a or not"},
		{"gcc -o $WORK/b001/x # test for internal linking errors (succeeded)\n", "without the link"},
		{"TERM='dumb' gcc -o $WORK/b001/x a\ngcc -o $WORK/b001/x b # test for internal linking errors (succeeded)\n", "not the link on the line before"},
		{"\n#\n# x\n#\n\nmkdir -p $WORK/b001/\n\n#\n# y\n#\n\nrm -rf $WORK/b001/\n", `second header "y" for b001, which is "x"`},
	} {
		_, err := Parse([]byte(tt.text), Options{GoVersion: testVersion})
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q\ngives %v\nwant  %s", tt.text, err, tt.want)
		}
	}
}

func TestVersions(t *testing.T) {
	for v, ok := range map[string]bool{
		"go1.22.12": false, "go1.23": true, "go1.23.12": true, "go1.26.8": true, "go1.26rc1": true, "go1.26.8 X:nodwarf5": true,
		"go1.26.8-acme": true, "go1.27.0": false, "go1.27rc1": false, "devel go1.27-0123abcd Tue": false, "": false, "1.26.8": false,
	} {
		_, err := Parse(nil, Options{GoVersion: v})
		var versionErr *VersionError
		if (err == nil) != ok || !ok && (!errors.As(err, &versionErr) || !strings.Contains(err.Error(), "--unverified-go")) {
			t.Errorf("%q: %v", v, err)
		}
		if _, err := Parse(nil, Options{GoVersion: v, Unverified: true}); err != nil {
			t.Errorf("%q, unverified: %v", v, err)
		}
	}
}
