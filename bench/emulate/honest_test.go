package emulate

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tests of this file measure whether the cage is honest. They take minutes of a machine that does nothing else, so
// they are the slow tier: DISTGO_SLOW=1 go test -run Honest -v ./bench/emulate
//
// Whatever else the machine does only ever slows a program down, so each figure is the best of several, and what is compared
// was measured in turns.
const (
	tolerance   = 0.05
	repetitions = 3

	// spinTime is long beside the start that a thread has over its quota, which TestHonestStart measures: on a node
	// dilated four times that is 1 to 2 % of what a thread gets done. Of 800 ms it was 5 %.
	spinTime = "3200ms"

	// startAhead is the most CPU time that a thread may ever be ahead of a dilated core: what it could use of the period
	// before it began and of the one in which it ends, and the two ticks in which the kernel notices.
	startAhead = 15 * time.Millisecond
)

func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("DISTGO_SLOW") == "" {
		t.Skip("it measures for minutes: set DISTGO_SLOW=1 on a quiet machine")
	}
}

// near compares a measured ratio with what it must be.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	off := got/want - 1
	t.Logf("%-40s %7.3f, honest is %7.3f: %+.1f %%", what, got, want, 100*off)
	if !(math.Abs(off) <= tolerance) {
		t.Errorf("%s is off by %.1f %%", what, 100*off)
	}
}

func TestHonestCores(t *testing.T) {
	slow(t)
	one := []string{self(), "spin", "1", spinTime}
	for _, spec := range []Spec{
		{Nodes: 1, Cores: 1, Dilation: 1},
		{Nodes: 2, Cores: 1, Dilation: 2.5},
		{Nodes: 4, Cores: 1, Dilation: 4},
		{Nodes: 8, Cores: 1, Dilation: 4},
		{Nodes: 1, Cores: 2, Dilation: 4},
		{Nodes: 2, Cores: 2, Dilation: 4},
		{Nodes: 1, Cores: 8, Dilation: 4},
	} {
		t.Run(fmt.Sprintf("%dx%d at %g", spec.Nodes, spec.Cores, spec.Dilation), func(t *testing.T) {
			c := up(t, spec)
			cores := float64(spec.Cores)
			for _, again := range []struct {
				name     string
				commands int
				want     float64
			}{
				{"one thread", 1, spec.Dilation},
				{"C threads", spec.Cores, spec.Dilation},
				// More threads than cores share them, as on a real node.
				{"C+1 threads", spec.Cores + 1, spec.Dilation * (cores + 1) / cores},
			} {
				var bare, node []float64
				for range repetitions {
					bare = append(bare, spinTogether(t, c, true, 1, one))
					node = append(node, spinTogether(t, c, false, again.commands, one))
				}
				near(t, again.name+" on every node", slices.Max(bare)/slices.Max(node), again.want)
			}
		})
	}
}

// TestHonestStart measures how far ahead of its dilated core a thread gets once, at its start: that much a short command
// runs too fast on a node of several cores, go build's as well as distgo's.
func TestHonestStart(t *testing.T) {
	slow(t)
	one := func(d time.Duration) []string { return []string{self(), "spin", "1", d.String()} }
	for _, spec := range []Spec{{Nodes: 1, Cores: 1, Dilation: 4}, {Nodes: 1, Cores: 2, Dilation: 4}, {Nodes: 1, Cores: 8, Dilation: 4}} {
		c := up(t, spec)
		for _, wall := range []time.Duration{100 * time.Millisecond, 800 * time.Millisecond} {
			var ahead []time.Duration
			for range 10 * repetitions {
				bare := spinTogether(t, c, true, 1, one(wall))
				node := spinTogether(t, c, false, 1, one(wall))
				ahead = append(ahead, time.Duration((node/bare-1/spec.Dilation)*float64(wall)))
			}
			slices.Sort(ahead)
			middle := ahead[len(ahead)/2]
			t.Logf("%d cores, %v: %.1f ms of CPU ahead in the middle, %.1f to %.1f", spec.Cores, wall,
				1e3*middle.Seconds(), 1e3*ahead[0].Seconds(), 1e3*ahead[len(ahead)-1].Seconds())
			if middle > startAhead {
				t.Errorf("a thread gets %v of CPU ahead of its core, more than %v", middle, startAhead)
			}
		}
	}
}

// TestHonestThreads is of commands that have several threads themselves.
func TestHonestThreads(t *testing.T) {
	slow(t)
	c := up(t, Spec{Nodes: 1, Cores: 4, Dilation: 4})
	for _, threads := range []string{"1", "2", "4"} {
		var bare, node []float64
		for range repetitions {
			bare = append(bare, spinTogether(t, c, true, 1, []string{self(), "spin", "1", spinTime}))
			node = append(node, spinTogether(t, c, false, 1, []string{self(), "spin", threads, spinTime}))
		}
		near(t, "a program of "+threads+" busy threads", slices.Max(bare)/slices.Max(node), c.spec.Dilation)
	}
}

func TestHonestNetwork(t *testing.T) {
	slow(t)
	for _, spec := range []Spec{
		{Nodes: 2, Cores: 1, Dilation: 1, Net: 1e9},
		{Nodes: 2, Cores: 1, Dilation: 4, Net: 1e9},
		{Nodes: 2, Cores: 1, Dilation: 8, Net: 1e9},
		{Nodes: 2, Cores: 1, Dilation: 4, Net: 100e6},
	} {
		t.Run(fmt.Sprintf("%s at %g", spec.Net, spec.Dilation), func(t *testing.T) {
			c := up(t, spec)
			rate := float64(spec.Net) / spec.Dilation
			var rates []float64
			for range repetitions {
				seconds, n := transfer(t, c, max(4<<20, int(rate/8)))
				// Of a frame's 1514 bytes 1448 are the program's.
				rates = append(rates, float64(n)*8*1514/1448/seconds)
			}
			slices.Sort(rates)
			near(t, "rate over dilated rate", rates[len(rates)/2]/rate, 1)
		})
	}
}

// TestHonestCompile compares compiles of go/types: a node with the bare machine, with Go kept to as many threads on both.
// What dilation costs a compile beyond its factor is measured and printed: with slices of 2.5 ms every 10 ms, caches are
// cold at the beginning of each.
func TestHonestCompile(t *testing.T) {
	slow(t)
	argv := compileOf(t, "go/types")
	for _, node := range []struct {
		cores    int
		dilation float64
	}{{1, 1}, {1, 2}, {1, 4}, {2, 1}, {2, 2}, {2, 4}} {
		c := up(t, Spec{Nodes: 1, Cores: node.cores, Dilation: node.dilation})
		cores := strconv.Itoa(node.cores)
		var bare, emulated []float64
		for range repetitions {
			bare = append(bare, runBare(t, c, cores, argv(cores, t.TempDir())))
			emulated = append(emulated, runOn(t, c, argv(cores, ScratchDir)))
		}
		ratio := slices.Min(emulated) / slices.Min(bare)
		if what := fmt.Sprintf("compile on %d cores at %g, over the bare machine", node.cores, node.dilation); node.dilation == 1 {
			near(t, what, ratio, 1)
		} else {
			t.Logf("%-40s %7.3f, %+.1f %% beyond dilation", what, ratio, 100*(ratio/node.dilation-1))
		}
	}
}

// spinTogether starts so many of a program on every node, lets them begin at once, and returns how much a thread got
// done in a second, on average. With bare it is the machine without the nodes' limits.
func spinTogether(t *testing.T, c *Cluster, bare bool, commands int, argv []string) float64 {
	t.Helper()
	type spinner struct {
		in   *os.File
		out  *bufio.Reader
		wait func() error
	}
	var spinners []spinner
	nodes := c.spec.Nodes
	if bare {
		nodes = 1
	}
	for i := range nodes * commands {
		theirs, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, theirOut, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		s := spinner{in: in, out: bufio.NewReader(out)}
		if bare {
			cmd := bareCommand(t, c, argv)
			cmd.Stdin, cmd.Stdout, cmd.Stderr, s.wait = theirs, theirOut, os.Stderr, cmd.Wait
			err = cmd.Start()
		} else {
			var r *Running
			r, err = c.Start(t.Context(), i%nodes, Process{Argv: argv, Stdin: theirs, Stdout: theirOut, Stderr: os.Stderr})
			if err == nil {
				s.wait = r.Wait
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		theirOut.Close()
		t.Cleanup(func() { in.Close(); out.Close() })
		spinners = append(spinners, s)
	}
	for _, s := range spinners {
		if line, err := s.out.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	for _, s := range spinners {
		if _, err := io.WriteString(s.in, "\n"); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0.0
	for _, s := range spinners {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		rate, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.wait(); err != nil {
			t.Fatal(err)
		}
		sum += rate
	}
	return sum / float64(len(spinners))
}

// compileOf prepares the compile of a package of the standard library, with -c and a directory for the output to fill in.
func compileOf(t *testing.T, pkg string) func(threads, dir string) []string {
	t.Helper()
	list := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	importcfg := filepath.Join(t.TempDir(), "importcfg")
	write(t, importcfg, list("-export", "-deps", "-f", "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}", pkg))
	files := strings.Fields(list("-f", `{{range .GoFiles}}{{$.Dir}}/{{.}} {{end}}`, pkg))
	tool, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "compile").Output()
	if err != nil {
		t.Fatal(err)
	}
	return func(threads, dir string) []string {
		return append([]string{strings.TrimSpace(string(tool)), "-p", pkg, "-std", "-c=" + threads, "-importcfg", importcfg, "-o", filepath.Join(dir, "out.a")}, files...)
	}
}

// bareCommand runs a program on the bare machine, but beside the cluster's nodes: where it outweighs everything else on
// the machine, as they do.
func bareCommand(t *testing.T, c *Cluster, argv []string) *exec.Cmd {
	t.Helper()
	g := clusterGroup(c.id) + "/bare"
	if err := makeGroup(filepath.Join(c.groups.roots()[0], string(g))); err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), self(), append([]string{"bare", string(g)}, argv...)...)
}

func runBare(t *testing.T, c *Cluster, gomaxprocs string, argv []string) float64 {
	t.Helper()
	cmd := bareCommand(t, c, append([]string{self(), "timed"}, argv...))
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+gomaxprocs)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return seconds(t, string(out))
}

func runOn(t *testing.T, c *Cluster, argv []string) float64 {
	t.Helper()
	return seconds(t, output(t, c, 0, append([]string{self(), "timed"}, argv...)...))
}

func seconds(t *testing.T, text string) float64 {
	t.Helper()
	s, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
