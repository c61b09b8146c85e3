package emulate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for distgo ("enter", "cage") and for the programs that nodes run.
func TestMain(m *testing.M) {
	words := os.Args[1:]
	if len(words) == 0 {
		os.Exit(m.Run())
	}
	var err error
	switch words[0] {
	case "enter":
		err = Enter(words[1:])
	case "cage":
		err = Cage(words[1:])
	case "spin":
		err = spinMain(words[1], words[2])
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

// spinMain does an amount of work in each of so many threads and prints the time it took. The work starts when standard
// input ends or gives a line, so that several of them start together.
func spinMain(threads, work string) error {
	n, err := strconv.Atoi(threads)
	if err != nil {
		return err
	}
	rounds, err := strconv.Atoi(work)
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
	for range n {
		all.Go(func() { spin(rounds) })
	}
	all.Wait()
	fmt.Println(time.Since(start).Seconds())
	return nil
}

// sink keeps the compiler from seeing that spinning is for nothing.
var sink sync.Map

// spin computes in registers only, so that no thread can disturb another but by its core.
func spin(rounds int) {
	x := uint64(rounds) | 1
	for range rounds {
		for range 1000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
	}
	sink.Store(x, true)
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
	c, err := Up(ctx, Spec{Name: "owned", Nodes: 2, Cores: 1, Dilation: 4, Self: []string{os.Args[0]}})
	if err != nil {
		return err
	}
	if _, err := c.Start(ctx, 1, Process{Argv: []string{"sleep", "1000"}}); err != nil {
		return err
	}
	fmt.Println(c.id)
	select {}
}
