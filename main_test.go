package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/badbubble/distgo/rank"
)

// asDistgo makes this test binary behave as distgo, also when distgo starts
// itself again.
const asDistgo = "DISTGO_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	guardian := len(os.Args) > 1 && os.Args[1] == "guard" // has no environment
	if os.Getenv(asDistgo) != "" || guardian {
		os.Exit(run(os.Args[1:]))
	}
	// Signals that this process was started to ignore, as in the background of a shell, reach what tests start.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	os.Exit(m.Run())
}

// TestScripts runs the command-line behaviour that testdata/script specifies,
// one behaviour a file.
func TestScripts(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(bin, "distgo")); err != nil {
		t.Fatal(err)
	}
	prun, err := filepath.Abs("prun.sh")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv(asDistgo, "1")
			env.Setenv("DISTGO_PIPELINE", "off") // making the compiler takes longer than all scripts together
			env.Setenv("PRUN", prun)
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("TMPDIR", env.WorkDir+"/tmp")
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB"} {
				if out, err := exec.Command("go", "env", name).Output(); err == nil {
					env.Setenv(name, strings.TrimSpace(string(out)))
				}
			}
			return errors.Join(os.Mkdir(env.WorkDir+"/home", 0o700), os.Mkdir(env.WorkDir+"/tmp", 0o700))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"alike":   alike,
			"code":    code,
			"listen":  listen,
			"scratch": noScratch,
			"sameout": sameOut,

			"together": together,
		},
	})
}

// alike checks rank.Compare's verdict: alike 'equal' A B.
func alike(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: alike VERDICT A B")
	}
	verdict, err := rank.Compare(ts.MkAbs(args[1]), ts.MkAbs(args[2]))
	ts.Check(err)
	if verdict.String() != args[0] {
		ts.Fatalf("%s and %s are %s", args[1], args[2], verdict)
	}
}

// code runs a command and checks its exit code: code 2 distgo -p nowhere.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, expected %s", got, args[0])
	}
}

// listen takes a port of this machine until the script ends, and answers there
// as anything but distgo would: listen ADDRESS-VARIABLE.
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ended := make(chan struct{})
	ts.Defer(func() { l.Close(); <-ended })
	ts.Setenv(args[0], l.Addr().String())
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the script has ended
			}
			io.WriteString(conn, strings.Repeat("220 mail.example.com ESMTP\r\n", 10))
			conn.Close()
		}
	}()
}

// together runs the ranks of a world, each with variables of its own, on the
// project hello, and checks their exit codes: together 2 'A=0 B=1' 3 'A=1'.
// The word OTHER makes it a rank of another build. What all print is stderr.
func together(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%2 != 0 {
		ts.Fatalf("usage: together CODE VARIABLES CODE VARIABLES...")
	}
	script := ""
	for i := 0; i < len(args); i += 2 {
		exe, vars := "distgo", args[i+1]
		if before, other := strings.CutSuffix(vars, " OTHER"); other {
			exe, vars = "./other", before
			script += "cat \"$(command -v distgo)\" >other; echo >>other; chmod +x other\n"
		}
		script += fmt.Sprintf("{ code=0; %s %s -p hello --meet-timeout=3s 2>words.%d || code=$?; cat words.%d >&2; test $code = %s || { echo rank $code, expected %s; exit 1; }; } & p%d=$!\n",
			vars, exe, i, i, args[i], args[i], i)
	}
	script += "failed=\n"
	for i := 0; i < len(args); i += 2 {
		script += fmt.Sprintf("wait $p%d || failed=yes\n", i)
	}
	ts.Check(ts.Exec("sh", "-c", script+"test -z \"$failed\""))
}

// noScratch checks that no run left a directory behind.
func noScratch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "gone" {
		ts.Fatalf("usage: scratch gone")
	}
	if left := leftovers(ts.Getenv("TMPDIR")); len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
}

// leftovers lists what runs left in their parent directory; the lock of a home
// that exists for the moment is not counted.
func leftovers(tmp string) []string {
	left, err := filepath.Glob(filepath.Join(tmp, "distgo-*", "*"))
	if err != nil {
		panic(err) // the pattern is wrong
	}
	return left
}

// sameOut checks that two files hold the same blocks, in any order.
func sameOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sameout A B")
	}
	a, b := blocks(ts.ReadFile(args[0])), blocks(ts.ReadFile(args[1]))
	if !slices.Equal(a, b) {
		ts.Fatalf("%s:\n%s\n%s:\n%s", args[0], strings.Join(a, ""), args[1], strings.Join(b, ""))
	}
}

// blocks splits the words of a build at their headers and sorts them.
func blocks(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") || len(all) == 0 {
			all = append(all, "")
		}
		all[len(all)-1] += line
	}
	slices.Sort(all)
	return all
}

// TestKilled ends a world of three ranks in every way that a user or a node
// can, and looks for what is left.
func TestKilled(t *testing.T) {
	project := t.TempDir()
	writeFile(t, filepath.Join(project, "go.mod"), "module example.com/slow\n\ngo 1.23\n")
	writeFile(t, filepath.Join(project, "main.go"), "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n")
	for _, how := range []struct {
		name   string
		victim string // which process: the starter, or a rank
		signal syscall.Signal
		code   int
		says   string // a pattern
	}{
		{"interrupt", "starter", syscall.SIGINT, rank.ExitInterrupt, ""},
		{"terminate", "starter", syscall.SIGTERM, rank.ExitTerminated, ""},
		{"kill root", "0", syscall.SIGKILL, 128 + int(syscall.SIGKILL), ""},
		{"kill rank 2", "2", syscall.SIGKILL, rank.ExitBuilt, `going on without rank 2 \(.*\n(.*\n)*distgo: \d+ actions go to other ranks, \d+ of them are executed again`},
		{"freeze rank 1", "1", syscall.SIGSTOP, rank.ExitBuilt, `going on without rank 1 \(.*: .*was silent for \d+(\.\d)?s`},
		{"kill rank 1, loss aborts", "1", syscall.SIGKILL, rank.ExitWorld, `rank 1 \(`},
	} {
		t.Run(how.name, func(t *testing.T) {
			tmp := t.TempDir()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			args := []string{"-n", "3", "-x", "-p", project, "-a"}
			if strings.Contains(how.name, "abort") {
				args = append(args, "--on-loss=abort")
			}
			cmd := exec.CommandContext(ctx, exe, args...)
			cmd.Env = append(os.Environ(), asDistgo+"=1", "TMPDIR="+tmp, "DISTGO_PIPELINE=off", "CGO_ENABLED=0")
			words, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// The build is under way when the ranks have started some tools.
			text := readUntil(t, words, func(s string) bool { return strings.Count(s, "/compile ") >= 6 })
			victim := cmd.Process.Pid
			if how.victim != "starter" {
				victim = rankProcess(t, tmp, how.victim)
			}
			struck := time.Now()
			if err := syscall.Kill(victim, how.signal); err != nil {
				t.Fatal(err)
			}
			text += readUntil(t, words, nil)
			err = cmd.Wait()
			if how.signal == syscall.SIGSTOP {
				syscall.Kill(victim, syscall.SIGKILL) // fails when distgo did it, as it should
			}
			if code := cmd.ProcessState.ExitCode(); code != how.code {
				t.Errorf("exit code %d, expected %d (%v)\n%s", code, how.code, err, tail(text))
			}
			if !regexp.MustCompile(how.says).MatchString(text) {
				t.Errorf("it does not say %s:\n%s", how.says, tail(text))
			}
			if how.code == rank.ExitBuilt {
				struck = time.Now() // the build went on; what counts is what its end left
			}
			gone := time.Since(struck)
			for len(marked(tmp)) > 0 || len(leftovers(tmp)) > 0 {
				if gone = time.Since(struck); gone > 10*time.Second {
					t.Fatalf("after %s: processes %v, files %v\n%s", gone, marked(tmp), leftovers(tmp), tail(text))
				}
				syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000}) // poll processes that are not ours to wait for
			}
			if gone > 10*time.Second {
				t.Errorf("it took %s to end", gone)
			}
			left, _ := filepath.Glob(filepath.Join(project, "*slow*"))
			if how.code != rank.ExitBuilt && len(left) > 0 {
				t.Errorf("a program was left: %v", left)
			}
			if how.code == rank.ExitBuilt {
				program := filepath.Join(project, "slow")
				reference := filepath.Join(tmp, "reference")
				build := exec.Command("go", "build", "-o", reference, ".")
				build.Dir = project
				build.Env = append(os.Environ(), "CGO_ENABLED=0")
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("go build: %v\n%s", err, out)
				}
				if verdict, err := rank.Compare(program, reference); err != nil || verdict == rank.Different {
					t.Errorf("after the loss the program is %s: %v", verdict, err)
				}
				if err := os.Remove(program); err != nil {
					t.Error(err)
				}
			}
			t.Logf("everything was gone after %s; said:\n%s", gone.Round(time.Millisecond), tail(text))
		})
	}
}

// TestKilledInTheMiddle kills a run that has finished some of its actions. The next one executes the others.
func TestKilledInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the runtime")
	}
	project, tmp := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(project, "go.mod"), "module example.com/cut\n\ngo 1.23\n")
	writeFile(t, filepath.Join(project, "main.go"), "package main\n\nfunc main() { println() }\n")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	distgo := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), exe, args...)
		cmd.Dir = project
		cmd.Env = append(os.Environ(), asDistgo+"=1", "TMPDIR="+tmp, "DISTGO_PIPELINE=off", "CGO_ENABLED=0")
		return cmd
	}
	build := []string{"--store=" + filepath.Join(tmp, "store"), "--slots=1", "-x", "-o", filepath.Join(tmp, "made")}
	cut := distgo(build...)
	words, err := cut.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	const begun = 12
	text := readUntil(t, words, func(s string) bool { return strings.Count(s, "/compile ") >= begun })
	if err := cut.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	text += readUntil(t, words, nil)
	_ = cut.Wait()
	for struck := time.Now(); len(marked(tmp)) > 0 || len(leftovers(tmp)) > 0; {
		if time.Since(struck) > 10*time.Second {
			t.Fatalf("processes %v, files %v", marked(tmp), leftovers(tmp))
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000}) // poll processes that are not ours to wait for
	}

	stat, err := distgo("cache", "stat", build[0]).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, stat)
	}
	kept := 0
	if _, err := fmt.Sscanf(string(stat[strings.Index(string(stat), "store: "):]), "store: %d", &kept); err != nil || kept < begun/2 {
		t.Fatalf("of %d actions begun %d were kept: %v\n%s", strings.Count(text, "/compile "), kept, err, stat)
	}
	said, err := distgo(build...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if want := fmt.Sprintf("; %d of ", kept); !strings.Contains(string(said), want) {
		t.Errorf("the store kept %d actions, and not all were taken from it:\n%s", kept, tail(string(said)))
	}
	goBuild := exec.Command("go", "build", "-o", filepath.Join(tmp, "reference"), ".")
	goBuild.Dir, goBuild.Env = project, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := goBuild.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if verdict, err := rank.Compare(filepath.Join(tmp, "made"), filepath.Join(tmp, "reference")); err != nil || verdict == rank.Different {
		t.Errorf("the program is %s: %v", verdict, err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readUntil reads until what was read satisfies enough, or to the end.
func readUntil(t *testing.T, r interface{ Read([]byte) (int, error) }, enough func(string) bool) string {
	t.Helper()
	var text strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if enough != nil && enough(text.String()) {
			return text.String()
		}
		if err != nil {
			if enough != nil {
				t.Fatalf("the build ended before it was under way:\n%s", tail(text.String()))
			}
			return text.String()
		}
	}
}

// rankProcess finds the process of a rank of the run in tmp.
func rankProcess(t *testing.T, tmp, number string) int {
	t.Helper()
	for _, pid := range processes() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		vars := strings.Split(string(env), "\x00")
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if slices.Contains(vars, "TMPDIR="+tmp) && slices.Contains(vars, "DISTGO_RANK="+number) && !strings.Contains(string(args), "\x00guard\x00") && strings.Contains(string(args), "\x00-n\x00") {
			return pid
		}
	}
	t.Fatalf("no process of rank %s", number)
	return 0
}

// marked lists the processes that carry tmp in their environment: ranks,
// guardians and tools of the run.
func marked(tmp string) []string {
	var found []string
	for _, pid := range processes() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if strings.Contains(string(env), tmp) {
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			found = append(found, fmt.Sprintf("%d %.80s", pid, strings.ReplaceAll(string(args), "\x00", " ")))
		}
	}
	return found
}

func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		panic(err) // Linux without /proc
	}
	var pids []int
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	kept := slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "/pkg/tool/") })
	return strings.Join(kept[max(0, len(kept)-8):], "\n")
}
