package emulate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for distgo ("enter") and for the programs that nodes run.
func TestMain(m *testing.M) {
	words := os.Args[1:]
	if len(words) == 0 {
		os.Exit(m.Run())
	}
	var err error
	switch words[0] {
	case "enter":
		err = Enter(words[1:])
	case "bare":
		err = bareMain(group(words[1]), words[2:])
	case "timed":
		err = timedMain(words[1:])
	case "spin":
		err = spinMain(words[1], words[2])
	case "threads":
		err = threadsMain(words[1])
	case "receive":
		err = receiveMain(words[1])
	case "send":
		err = sendMain(words[1], words[2])
	case "own":
		err = ownMain()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bareMain becomes a program in a group that limits nothing.
func bareMain(g group, argv []string) error {
	gs, err := machineGroups()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := gs.join(g); err != nil {
		return err
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// timedMain runs a program and prints its seconds, which leave out what it took to get where it runs.
func timedMain(argv []string) error {
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	start := time.Now()
	err := cmd.Run()
	fmt.Println(time.Since(start).Seconds())
	return err
}

// spinMain computes in so many threads for a time, and prints how much a thread got done in a second, on average. It
// begins when standard input gives a line, so that several of them begin together.
func spinMain(threads, duration string) error {
	n, err := strconv.Atoi(threads)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(n)
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	start := time.Now()
	var all sync.WaitGroup
	var done atomic.Int64
	for range n {
		all.Go(func() { done.Add(spin(start.Add(d))) })
	}
	all.Wait()
	fmt.Println(float64(done.Load()) / float64(n) / time.Since(start).Seconds())
	return nil
}

// threadsMain prints in which control groups so many busy threads end up.
func threadsMain(threads string) error {
	n, err := strconv.Atoi(threads)
	if err != nil {
		return err
	}
	var all, begun sync.WaitGroup
	lines := make([]string, n)
	begun.Add(n)
	for i := range n {
		all.Go(func() {
			runtime.LockOSThread() // a thread for each, which ends with it
			begun.Done()
			begun.Wait() // none has the group of one that has ended
			spin(time.Now().Add(20 * time.Millisecond))
			text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/cgroup", syscall.Gettid()))
			lines[i] = fmt.Sprint(string(text), err, "\n")
		})
	}
	all.Wait()
	for _, line := range lines {
		fmt.Print(line)
	}
	return nil
}

// spin computes until a time, in registers only, so that no thread can disturb another but by its core.
func spin(until time.Time) (done int64) {
	for x := uint64(1); time.Now().Before(until); done++ {
		for range 10_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		if x == 0 {
			panic("xorshift has no way to 0: this keeps the compiler from dropping the loop")
		}
	}
	return done
}

// receiveMain takes one connection and prints how long it took from the first megabyte to the last byte, and how many
// bytes that were.
func receiveMain(address string) error {
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.CopyN(io.Discard, conn, 1<<20); err != nil {
		return err
	}
	start := time.Now()
	n, err := io.Copy(io.Discard, conn)
	fmt.Println(time.Since(start).Seconds(), n)
	return err
}

func sendMain(address, bytes string) error {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	chunk := make([]byte, 64<<10)
	for ; n > 0; n -= len(chunk) {
		if _, err := conn.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// ownMain is a cluster's owner that waits to be killed.
func ownMain() error {
	ctx := context.Background()
	c, err := Up(ctx, Spec{Name: "owned", Nodes: 2, Cores: 1, Dilation: 4, Self: []string{self()}})
	if err != nil {
		return err
	}
	if _, err := c.Start(ctx, 1, Process{Argv: []string{"sleep", "1000"}}); err != nil {
		return err
	}
	fmt.Println(c.id)
	select {}
}

// self is this executable, by a path that holds in every directory.
func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}
