package launch

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test's own executable be a rank.
func TestMain(m *testing.M) {
	if what := os.Getenv("LAUNCH_TEST_RANK"); what != "" {
		os.Exit(rank(what))
	}
	if len(os.Args) == 2 && os.Args[1] == OrderArgument {
		args, err := Obey(os.Stdin)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(rank(args[0]))
	}
	// Signals that this process was started to ignore, as in the background of a shell, reach what tests start.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	os.Exit(m.Run())
}

func rank(what string) int {
	me := os.Getenv("DISTGO_RANK")
	switch what {
	case "hello":
		p, err := Detect(os.LookupEnv, Flags{Rank: -1, Size: -1}, os.ReadFile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		in, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%s local %d/%d in %q\n", p, p.LocalRank, p.LocalSize, in)
		fmt.Printf("end of %d", p.Rank) // without a newline
	case "prun":
		p, err := Detect(os.LookupEnv, Flags{Rank: -1, Size: -1}, os.ReadFile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		_, err = os.Stat(os.Getenv("PRUN_ENV"))
		root := "is " + p.Root
		if strings.HasPrefix(p.Root, "127.0.0.1:") {
			root = "is local"
		}
		fmt.Printf("%s local %d of %d on %s, root %s, hostile %s, file %v, args %v\n", p, p.LocalRank, p.LocalSize,
			p.Hosts[p.Rank], root, os.Getenv("SLURM_PROCID"), err == nil, os.Args[1:])
	case "prunfail":
		if os.Getenv("PRUN_CPU_RANK") == "1" {
			return 7
		}
		syscall.Pause()
	case "fail":
		if me == "1" {
			return 7
		}
		syscall.Pause() // until it is ended
	case "stopped":
		if me == "1" {
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			return 0
		}
		for !siblingStopped() {
			runtime.Gosched()
		}
	case "stubborn": // ignores requests and leaves a child in a group of its own
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		if me == "1" {
			return 7
		}
		attr := &os.ProcAttr{Files: []*os.File{nil, nil, nil}, Env: append(os.Environ(), "LAUNCH_TEST_RANK=sleep"), Sys: &syscall.SysProcAttr{Setpgid: true}}
		if _, err := os.StartProcess("/proc/self/exe", os.Args[:1], attr); err != nil {
			return 9
		}
		fmt.Println("started")
		syscall.Pause()
	case "obey":
		p, err := Detect(os.LookupEnv, Flags{Rank: -1, Size: -1}, os.ReadFile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		secret, err := Secret(os.LookupEnv, "")
		dir, _ := os.Getwd()
		fmt.Printf("%s local %d of %d at %s in %s, secret of %d bytes, %v, GOFLAGS=%s HOME=%s\n", p, p.LocalRank, p.LocalSize,
			p.Hosts[p.Rank], dir, len(secret), err, os.Getenv("GOFLAGS"), os.Getenv("HOME"))
	case "sleep":
		syscall.Pause()
	case "signal":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGINT)
		fmt.Println("ready")
		<-c
		fmt.Println("interrupted")
		return 130
	}
	return 0
}

// siblingStopped looks for a stopped process of the same parent.
func siblingStopped() bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(text), ") ")
		if strings.HasPrefix(rest, fmt.Sprintf("T %d ", os.Getppid())) {
			return true
		}
	}
	return false
}
