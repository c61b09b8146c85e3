package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/badbubble/distgo/rank"
)

// trouble is what befalls a run of real processes in a trial.
type trouble string

const (
	killed    trouble = "kill -9"
	frozen    trouble = "stopped for good"
	paused    trouble = "stopped for a while"
	fullDisk  trouble = "no space for tools"
	crash     trouble = "compiler crashes"
	bitRot    trouble = "store file damaged"
	rootDies  trouble = "kill -9 of root"
	patience          = 3 * time.Minute // for a run that takes seconds: far above, below the test binary's limit
	allGone           = 10 * time.Second
	chaosFew          = 8 // trials in CI
	seedOfOld         = "SEED"
	trialsVar         = "DISTGO_CHAOS"
)

var troubles = []trouble{killed, frozen, paused, fullDisk, crash, bitRot, rootDies}

// endings are the troubles that may end a run, and with what words: a rank that goes before it has joined is one that never
// comes, and of files that somebody writes to while a tool reads them no sound copy need be left.
var endings = map[trouble][]string{
	killed: beforeJoining,
	frozen: beforeJoining,
	paused: beforeJoining,
	bitRot: {"was changed while"},
}

var beforeJoining = []string{"never connected", "cannot connect to", "did not get through", "while the world met"}

// chaos is a program, a store that holds what it takes from the standard library, and how long an undisturbed run takes.
type chaos struct {
	t      *testing.T
	dir    string
	store  string
	exe    string
	normal map[int]time.Duration // by size
}

// trial is one run that something befalls.
type trial struct {
	seed   uint64
	size   int
	what   trouble
	victim int
	at     float64 // of the undisturbed run's duration
	length time.Duration

	struck  bool
	ended   bool // the run ended without a program, as it must, and said why
	took    time.Duration
	redone  int
	verdict string // "" for right
	said    string
}

func newTrial(seed uint64) *trial {
	rng := rand.New(rand.NewPCG(seed, 7))
	tr := &trial{seed: seed, what: troubles[seed%uint64(len(troubles))], size: 2 + rng.IntN(7), at: rng.Float64()}
	tr.victim = 1 + rng.IntN(tr.size-1)
	tr.length = time.Duration(200+rng.IntN(7000)) * time.Millisecond // around the limit of silence
	if tr.what == rootDies {
		tr.victim = 0
	}
	return tr
}

// TestChaos is make chaos: seeded trials on real processes. DISTGO_CHAOS says how many, SEED="5 47" repeats those.
func TestChaos(t *testing.T) {
	trials := chaosFew
	if n, err := strconv.Atoi(os.Getenv(trialsVar)); err == nil {
		trials = n
	} else if testing.Short() {
		t.Skip("starts dozens of processes; DISTGO_CHAOS=8 makes it run")
	}
	var seeds []uint64
	for s := range strings.FieldsSeq(os.Getenv(seedOfOld)) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, n)
	}
	for i := 0; len(seeds) < trials && os.Getenv(seedOfOld) == ""; i++ {
		seeds = append(seeds, uint64(i))
	}
	c := newChaos(t)
	var done []*trial
	for _, seed := range seeds {
		tr := newTrial(seed)
		c.run(tr)
		done = append(done, tr)
		t.Logf("SEED=%d: %s of rank %d of %d at %.0f %%: struck %v, it ended the run %v, %.1f s, undisturbed %.1f s, %d redone",
			tr.seed, tr.what, tr.victim, tr.size, 100*tr.at, tr.struck, tr.ended, tr.took.Seconds(), c.normal[tr.size].Seconds(), tr.redone)
		if tr.verdict != "" {
			t.Errorf("SEED=%d: %s of rank %d of %d: %s\n%s", tr.seed, tr.what, tr.victim, tr.size, tr.verdict, tail(tr.said))
		}
	}
	t.Logf("%d trials\n%s", len(done), histogram(done, c.normal))
}

// newChaos makes the program and builds it once, so that the store holds the standard library's part.
func newChaos(t *testing.T) *chaos {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, dir: t.TempDir(), exe: exe, normal: map[int]time.Duration{}}
	c.store = filepath.Join(c.dir, "store")
	c.write(0)
	if tr := (&trial{size: 2}); c.build(tr, c.store, nil) != nil || tr.verdict != "" {
		t.Fatalf("undisturbed: %s\n%s", tr.verdict, tr.said)
	}
	return c
}

const chaosPackages = 24

// write makes the program of a seed: packages in layers, each with some work for the compiler, and all of them another
// package than that of another seed.
func (c *chaos) write(seed uint64) {
	writeFile(c.t, filepath.Join(c.dir, "prog", mkdir(c.t, c.dir, "prog"), "go.mod"), "module example.com/chaos\n\ngo 1.23\n")
	main := "package main\n\nimport (\n"
	body := ""
	for i := range chaosPackages {
		var b strings.Builder
		fmt.Fprintf(&b, "package p%d\n\n", i)
		use := strconv.FormatUint(seed, 10)
		for _, d := range []int{i - 4, i - 7} {
			if d >= 0 {
				fmt.Fprintf(&b, "import \"example.com/chaos/p%d\"\n", d)
				use += fmt.Sprintf(" + p%d.F0(1)", d)
			}
		}
		for f := range 24 {
			fmt.Fprintf(&b, "\n//go:noinline\nfunc F%d(n int) (s int) {\n\tm := map[int]string{n: \"x\"}\n\tfor i := range n {\n\t\ts += i*%d ^ len(m[i])\n\t}\n\treturn s + %s\n}\n", f, f+i, use)
		}
		writeFile(c.t, filepath.Join(c.dir, "prog", mkdir(c.t, c.dir, "prog", fmt.Sprintf("p%d", i)), "p.go"), b.String())
		main += fmt.Sprintf("\t\"example.com/chaos/p%d\"\n", i)
		body += fmt.Sprintf("\tprintln(p%d.F3(7))\n", i)
	}
	writeFile(c.t, filepath.Join(c.dir, "prog", "main.go"), main+")\n\nfunc main() {\n"+body+"}\n")
}

// mkdir makes a directory and returns its last part below the second.
func mkdir(t *testing.T, parts ...string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(parts...), 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parts[2:]...)
}

// wrapper stands between distgo and its tools: it plays the node that has no space, and the compiler that crashes once.
const wrapper = `#!/bin/sh
case "$*" in *-$(cat "$0.victim")-??????????/*)
	if [ -e "$0.full" ]; then echo "compile: writing output: write x: no space left on device" >&2; exit 1; fi
	if [ -e "$0.crash" ] && mkdir "$0.crashed" 2>/dev/null; then kill -SEGV $$; fi;;
esac
exec "$@"
`

var chaosFlags = []string{"-trimpath", "-ldflags=-buildid="}

// build runs distgo and, when its time has come, strike; it fills in what came out.
func (c *chaos) build(tr *trial, store string, strike func(pid func(int) int, wrap string) error) error {
	tmp := c.t.TempDir()
	wrap, out := filepath.Join(tmp, "wrap"), filepath.Join(tmp, "program")
	for name, text := range map[string]string{"": wrapper, ".victim": strconv.Itoa(tr.victim)} {
		if err := os.WriteFile(wrap+name, []byte(text), 0o700); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	args := []string{"-n", strconv.Itoa(tr.size), "-p", filepath.Join(c.dir, "prog"), "-m", ".", "-o", out, "--slots", "1", "--store", store, "--meet-timeout=15s", "--"}
	cmd := exec.CommandContext(ctx, c.exe, append(args, chaosFlags...)...)
	cmd.Env = append(os.Environ(), asDistgo+"=1", "TMPDIR="+tmp, "DISTGO_PIPELINE=off", "CGO_ENABLED=0", "DISTGO_TOOLEXEC="+wrap)
	var words bytes.Buffer
	cmd.Stderr = &words
	cmd.WaitDelay = allGone
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var stopped int
	if strike != nil {
		timer := time.NewTimer(time.Duration(tr.at * float64(c.normal[tr.size])))
		defer timer.Stop()
		select {
		case <-timer.C:
			err := strike(func(r int) int { stopped = processOf(tmp, strconv.Itoa(r)); return stopped }, wrap)
			tr.struck = err == nil
		case err := <-ended:
			ended <- err
		}
	}
	err := <-ended
	tr.took, tr.said = time.Since(begun), words.String()
	if tr.what == frozen && stopped > 0 {
		syscall.Kill(stopped, syscall.SIGKILL) // fails when distgo did it
	}
	for over := time.Now(); len(marked(tmp)) > 0 || len(leftovers(tmp)) > 0; {
		if time.Since(over) > allGone {
			tr.verdict = fmt.Sprintf("left after %s: processes %v, files %v", allGone, marked(tmp), leftovers(tmp))
			return nil
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000}) // poll processes that are not ours to wait for
	}
	for line := range strings.Lines(tr.said) {
		var moved, redone int
		if n, _ := fmt.Sscanf(line, "distgo: %d actions go to other ranks, %d of them are executed again", &moved, &redone); n == 2 {
			tr.redone += redone
		}
	}
	if tr.what == rootDies && tr.struck {
		return nil // there is no program
	}
	if code := cmd.ProcessState.ExitCode(); code == rank.ExitWorld && slices.ContainsFunc(endings[tr.what], func(why string) bool { return strings.Contains(tr.said, why) }) {
		tr.ended = true
		return nil
	}
	if err != nil {
		tr.verdict = fmt.Sprintf("it ended with %v", err)
		return nil
	}
	reference := filepath.Join(tmp, "reference")
	build := exec.Command("go", append(append([]string{"build"}, chaosFlags...), "-o", reference, ".")...)
	build.Dir = filepath.Join(c.dir, "prog")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	if verdict, err := rank.Compare(out, reference); err != nil || verdict != rank.Same {
		tr.verdict = fmt.Sprintf("the program is %s: %v", verdict, err)
	}
	return nil
}

// run makes a trial, and before it, where none was made, an undisturbed run of the same size.
func (c *chaos) run(tr *trial) {
	fresh := func() string {
		store := filepath.Join(c.t.TempDir(), "store")
		if err := os.CopyFS(store, os.DirFS(c.store)); err != nil {
			c.t.Fatal(err)
		}
		return store
	}
	check := func(err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	if c.normal[tr.size] == 0 {
		calm := &trial{size: tr.size}
		c.write(1_000_000 + uint64(tr.size))
		check(c.build(calm, fresh(), nil))
		if calm.verdict != "" {
			c.t.Fatalf("undisturbed, %d ranks: %s\n%s", tr.size, calm.verdict, calm.said)
		}
		c.normal[tr.size] = calm.took
	}
	c.write(2_000_000 + tr.seed)
	store := fresh()
	check(c.build(tr, store, func(pid func(int) int, wrap string) error {
		switch tr.what {
		case killed, rootDies:
			return send(pid(tr.victim), syscall.SIGKILL)
		case frozen:
			return send(pid(tr.victim), syscall.SIGSTOP)
		case paused:
			victim := pid(tr.victim)
			err := send(victim, syscall.SIGSTOP)
			time.AfterFunc(tr.length, func() { syscall.Kill(victim, syscall.SIGCONT) }) // it may be gone by then
			return err
		case fullDisk:
			return os.WriteFile(wrap+".full", nil, 0o600)
		case crash:
			return os.WriteFile(wrap+".crash", nil, 0o600)
		}
		return damage(store, tr.seed)
	}))
	if tr.what == rootDies && tr.struck && tr.verdict == "" {
		again := &trial{size: tr.size}
		check(c.build(again, store, nil))
		tr.verdict, tr.said = again.verdict, tr.said+again.said
	}
}

func send(pid int, s syscall.Signal) error {
	if pid == 0 {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, s)
}

// damage inverts a byte of some files of a store.
func damage(store string, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 8))
	return filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || rng.IntN(10) > 0 {
			return nil // files come and go
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		os.Chmod(path, 0o600)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil
		}
		defer f.Close()
		defer os.Chmod(path, info.Mode())
		i := rng.IntN(len(text))
		_, err = f.WriteAt([]byte{text[i] ^ 0x40}, int64(i))
		return err
	})
}

// processOf is the process of a rank of the run in tmp, 0 if it has none.
func processOf(tmp, number string) int {
	for _, pid := range processes() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		vars := strings.Split(string(env), "\x00")
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if slices.Contains(vars, "TMPDIR="+tmp) && slices.Contains(vars, "DISTGO_RANK="+number) && !strings.Contains(string(args), "\x00guard\x00") && strings.Contains(string(args), "\x00-n\x00") {
			return pid
		}
	}
	return 0
}

// histogram says what was hit, when, and what it cost.
func histogram(trials []*trial, normal map[int]time.Duration) string {
	type row struct {
		trials, struck, ended, right, redone int
		lost                                 []time.Duration
		when                                 [4]int // quarters of the undisturbed run
	}
	rows := map[trouble]*row{}
	sizes := map[int]int{}
	for _, tr := range trials {
		r := rows[tr.what]
		if r == nil {
			r = &row{}
			rows[tr.what] = r
		}
		r.trials++
		sizes[tr.size]++
		r.redone += tr.redone
		if tr.verdict == "" {
			r.right++
		}
		if tr.ended {
			r.ended++
		} else if tr.struck {
			r.struck++
			r.when[int(tr.at*4)]++
			r.lost = append(r.lost, tr.took-normal[tr.size])
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %6s %6s %6s %6s  %-15s %7s %8s %8s\n", "what", "trials", "ended", "struck", "right", "by quarter", "redone", "median", "most")
	for _, what := range slices.Sorted(maps.Keys(rows)) {
		r := rows[what]
		slices.Sort(r.lost)
		median, most := time.Duration(0), time.Duration(0)
		if n := len(r.lost); n > 0 {
			median, most = r.lost[n/2], r.lost[n-1]
		}
		fmt.Fprintf(&b, "%-20s %6d %6d %6d %6d  %-15s %7d %7.1fs %7.1fs\n", what, r.trials, r.ended, r.struck, r.right, fmt.Sprint(r.when), r.redone, median.Seconds(), most.Seconds())
	}
	fmt.Fprintf(&b, "trials by number of ranks: %v; undisturbed: %v", sizes, normal)
	return b.String()
}
