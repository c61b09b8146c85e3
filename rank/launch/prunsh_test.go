package launch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prunSh is prun.sh in a directory of its own, on a PATH that holds nothing but what it needs: no real prun.
type prunSh struct {
	t     *testing.T
	bin   string // the only directory of PATH
	work  string
	stdin *os.File
}

func newPrunSh(t *testing.T) *prunSh {
	t.Helper()
	p := &prunSh{t: t, bin: t.TempDir(), work: t.TempDir()}
	for _, tool := range []string{"bash", "cat", "dirname", "env", "mkfifo", "mktemp", "rm", "setpriv", "setsid", "sleep", "true"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("prun.sh needs %s: %v", tool, err)
		}
		p.link(path, tool)
	}
	script, err := filepath.Abs("../../prun.sh")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	p.write("prun.sh", string(text))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.link(exe, "program")
	return p
}

func (p *prunSh) link(path, name string) {
	p.t.Helper()
	if err := os.Symlink(path, filepath.Join(p.bin, name)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *prunSh) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.bin, name), []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *prunSh) command(args string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, "prun.sh"), strings.Fields(args)...)
	cmd.Dir = p.work
	cmd.Env = []string{"PATH=" + p.bin, "HOME=" + p.work, "PRUN_TEST=" + p.t.Name()}
	cmd.Stdin = p.stdin
	return cmd
}

// run runs prun.sh to its end and checks that it left nothing.
func (p *prunSh) run(args string) (code int, stdout, stderr string) {
	p.t.Helper()
	cmd := p.command(args)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	p.checkClean()
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

func (p *prunSh) checkClean() {
	p.t.Helper()
	if left := withEnv(p.t, "PRUN_TEST="+p.t.Name()); len(left) > 0 {
		p.t.Errorf("processes left: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(p.work, ".PRUN*")); len(left) > 0 {
		p.t.Errorf("files left: %v", left)
	}
}

func sorted(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return lines
}

func TestPrunShSizes(t *testing.T) {
	p := newPrunSh(t)
	for _, test := range []struct{ nodes, perNode int }{{1, 1}, {2, 1}, {3, 1}, {2, 2}, {1, 16}} {
		code, stdout, stderr := p.run(fmt.Sprintf("-np %d -%d -v LAUNCH_TEST_RANK=prun program %d", test.nodes, test.perNode, 5))
		size := test.nodes * test.perNode
		var want []string
		for rank := range size {
			want = append(want, fmt.Sprintf("rank %d of %d (prun) local %d of %d on node%03d, root is local, hostile 0, file true, args [5]",
				rank, size, rank%test.perNode, test.perNode, rank/test.perNode+1))
		}
		slices.Sort(want)
		if got := sorted(stdout); code != 0 || !slices.Equal(got, want) {
			t.Errorf("exit code %d\n%s\ngot  %s\nwant %s", code, stderr, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		if !strings.Contains(stderr, "\n: node001/0") {
			t.Errorf("-v does not report the hosts: %s", stderr)
		}
	}
}

func TestPrunShLabels(t *testing.T) {
	p := newPrunSh(t)
	code, stdout, stderr := p.run("-np 2 -l LAUNCH_TEST_RANK=hello DISTGO_ROOT=127.0.0.1:9 program")
	want := []string{"0: end of 0", `0: rank 0 of 2 (prun) local 0/1 in ""`, "1: end of 1", `1: rank 1 of 2 (prun) local 0/1 in ""`}
	if got := sorted(stdout); code != 0 || !slices.Equal(got, want) {
		t.Errorf("exit code %d, %s\ngot  %q\nwant %q", code, stderr, got, want)
	}
}

func TestPrunShOutputFilesAndInput(t *testing.T) {
	p := newPrunSh(t)
	in, err := os.Open(writeTemp(t, "input"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p.stdin = in
	code, stdout, stderr := p.run("-np 2 -o out LAUNCH_TEST_RANK=hello program")
	if code != 0 || stdout != "" || stderr != "" {
		t.Errorf("exit code %d, output %q, %q; want all in files", code, stdout, stderr)
	}
	for rank, input := range []string{"input", ""} {
		got, err := os.ReadFile(filepath.Join(p.work, fmt.Sprintf("out.%d", rank)))
		want := fmt.Sprintf("rank %d of 2 (prun) local 0/1 in %q\nend of %d", rank, input, rank)
		if err != nil || string(got) != want {
			t.Errorf("rank %d: %q, %v; want %q", rank, got, err, want)
		}
	}
}

func TestPrunShFailingRankEndsTheOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the grace of the others")
	}
	t.Parallel()
	p := newPrunSh(t)
	if code, stdout, stderr := p.run("-np 3 LAUNCH_TEST_RANK=prunfail program"); code != 7 {
		t.Errorf("exit code %d, want 7\n%s%s", code, stdout, stderr)
	}
}

func TestPrunShTimeLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit")
	}
	t.Parallel()
	p := newPrunSh(t)
	code, _, stderr := p.run("-np 2 -t 0:01 LAUNCH_TEST_RANK=sleep program")
	if code != 124 || !strings.Contains(stderr, "time limit of 1 seconds") {
		t.Errorf("exit code %d, want 124\n%s", code, stderr)
	}
}

func TestPrunShSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		heard := make(chan os.Signal, 1)
		signal.Notify(heard, s) // else a shell would ignore what this process was started to ignore, as under nohup
		t.Cleanup(func() { signal.Stop(heard) })
		p := newPrunSh(t)
		cmd := p.command("-np 2 LAUNCH_TEST_RANK=signal program")
		said := &waitFor{text: "ready", times: 2, then: func() { cmd.Process.Signal(s) }}
		cmd.Stdout = said
		cmd.WaitDelay = time.Minute
		_ = cmd.Run()
		p.checkClean()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(s) {
			t.Errorf("%v: exit code %d, want %d", s, code, 128+int(s))
		}
		if n := strings.Count(said.all, "interrupted"); s == syscall.SIGINT && n != 2 {
			t.Errorf("%d ranks heard of the signal, want 2", n)
		}
	}
}

func TestPrunShKilledTakesTheRanksAlong(t *testing.T) {
	p := newPrunSh(t)
	cmd := p.command("-np 2 LAUNCH_TEST_RANK=signal program")
	said := &waitFor{text: "ready", times: 2, then: func() { cmd.Process.Kill() }}
	cmd.Stdout = said
	_ = cmd.Run() // returns when the last rank has let go of the output
	if !strings.Contains(said.all, "ready") || cmd.ProcessState.ExitCode() != -1 {
		t.Errorf("it was not killed: %v", cmd.ProcessState)
	}
}

func TestPrunShPassesOn(t *testing.T) {
	p := newPrunSh(t)
	p.write("distgo", "#!/usr/bin/env bash\necho distgo \"$@\"\n")
	if code, stdout, stderr := p.run("--emulate -np 8 --rate 1gbit prog"); code != 0 || stdout != "distgo bench cluster run -np 8 --rate 1gbit prog\n" {
		t.Errorf("--emulate: exit code %d, %q, %s", code, stdout, stderr)
	}
	p.link("prun.sh", "prun") // under its own name on PATH it must not call itself
	if code, stdout, stderr := p.run("-np 1 LAUNCH_TEST_RANK=hello program"); code != 0 || !strings.HasPrefix(stdout, "rank 0 of 1") {
		t.Errorf("as prun: exit code %d, %q, %s", code, stdout, stderr)
	}
	if err := os.Remove(filepath.Join(p.bin, "prun")); err != nil {
		t.Fatal(err)
	}
	p.write("prun", "#!/usr/bin/env bash\necho real \"$@\"\nexit 5\n")
	if code, stdout, stderr := p.run("-script x -np 2 ./prog"); code != 5 || stdout != "real -script x -np 2 ./prog\n" {
		t.Errorf("real prun: exit code %d, %q, %s", code, stdout, stderr)
	}
}

func TestPrunShUsage(t *testing.T) {
	p := newPrunSh(t)
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"-np 2":                               {2, "no program"},
		"program":                             {2, "-np is missing"},
		"-np x program":                       {2, "-np x"},
		"-np 0 program":                       {2, "-np 0"},
		"-17 -np 2 program":                   {2, "unknown option -17"},
		"-np 2 -t 1:x prog":                   {2, "-t 1:x"},
		"-np 2 -t":                            {2, "-t needs a value"},
		"-np 2 nonesuch":                      {127, "nonesuch: command not found"},
		"-np 1 -v -native -w -reserve 9 true": {0, "-reserve 9 means nothing"},
	} {
		code, _, stderr := p.run(args)
		if code != want.code || !strings.Contains(stderr, want.says) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", args, code, stderr, want.code, want.says)
		}
	}
	if code, stdout, _ := p.run("-h"); code != 0 || !strings.HasPrefix(stdout, "usage: ") {
		t.Errorf("-h: exit code %d, %q", code, stdout)
	}
}
