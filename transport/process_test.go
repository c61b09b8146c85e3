package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/badbubble/distgo/transport"
)

// rankVariable makes the test binary one rank of a world of processes: "rank size address".
const rankVariable = "TRANSPORT_TEST_RANK"

func TestMain(m *testing.M) {
	if v := os.Getenv(rankVariable); v != "" {
		if err := runRank(v); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runRank meets, says so on standard output, and reports losses there until its standard input ends.
func runRank(v string) error {
	var rank, size int
	var root string
	if _, err := fmt.Sscan(v, &rank, &size, &root); err != nil {
		return err
	}
	w, err := transport.Meet(context.Background(), transport.Config{
		Rank: transport.Rank(rank), Size: size, RunID: "processes", Secret: []byte("only for tests, and long enough"), Root: root,
	})
	if err != nil {
		return err
	}
	w.Start(handlerFuncs{lost: func(r transport.Rank, cause error) {
		var lost *transport.LostError
		errors.As(cause, &lost)
		fmt.Println("lost", r, lost.How)
	}})
	fmt.Println("met")
	bufio.NewReader(os.Stdin).ReadString('\n')
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return w.Close(ctx)
}

// A process that is killed, or frozen, is found by all others within the ten seconds that the README promises.
func TestDeadAndFrozenProcessesAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the silence limit, 6 s, in real time")
	}
	const size, victim = 4, 2
	for _, tc := range []struct {
		signal syscall.Signal
		how    transport.Loss
	}{{syscall.SIGKILL, transport.LossCut}, {syscall.SIGSTOP, transport.LossSilent}} {
		t.Run(tc.signal.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			port := freePort(t)
			var ranks []*process
			for r := range size {
				ranks = append(ranks, startRank(t, ctx, r, size, "127.0.0.1:"+strconv.Itoa(port)))
			}
			for _, p := range ranks {
				p.wantLine(t, "met")
			}
			begin := time.Now() // a promise about real time
			if err := ranks[victim].cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			for r, p := range ranks {
				if r != victim {
					p.wantLine(t, fmt.Sprintf("lost %d %d", victim, tc.how))
				}
			}
			t.Logf("found after %s", time.Since(begin))
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("found after %s", d)
			}
			ranks[victim].cmd.Process.Kill()
			for _, p := range ranks {
				p.stdin.Close()
			}
			for r, p := range ranks {
				for line := range p.lines {
					t.Errorf("rank %d also says %q", r, line)
				}
				if err := p.cmd.Wait(); (err != nil) != (r == victim) {
					t.Errorf("rank %d: %v", r, err)
				}
			}
		})
	}
}

// freePort is a port that was free a moment ago: root must listen on a port that the others know.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type process struct {
	cmd   *exec.Cmd
	stdin interface{ Close() error }
	lines chan string
}

func startRank(t *testing.T, ctx context.Context, rank, size int, root string) *process {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", rankVariable, rank, size, root))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin, lines: make(chan string, 16)} // a rank says a few lines
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

func (p *process) wantLine(t *testing.T, want string) {
	t.Helper()
	if line := <-p.lines; line != want {
		t.Errorf("a rank says %q, not %q", line, want)
	}
}
