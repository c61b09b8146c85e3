package store

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func child(t *testing.T, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestKilledWriters kills writers at arbitrary moments. What they said they had
// entered must be there and right, and nothing may be damaged.
func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	const rounds = 10
	entered := map[uint64]bool{}
	for seed := range uint64(rounds) {
		cmd := child(t, "STORE_TEST=write", "STORE_DIR="+dir, fmt.Sprint("STORE_SEED=", seed))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + rand.New(rand.NewPCG(seed, 2)).IntN(40) {
			if !lines.Scan() {
				break
			}
			note(t, entered, lines.Text())
		}
		cmd.Process.Kill()
		for lines.Scan() {
			note(t, entered, lines.Text())
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("seed %d: the writer was not killed: %v", seed, cmd.ProcessState)
		}

		x := open(t, dir)
		for number := range entered {
			if _, ok := x.Lookup(scribbleKey(number)); !ok {
				t.Errorf("seed %d: action %d was entered, and is gone", seed, number)
			}
		}
		for number := range uint64(1000) {
			e, ok := x.Lookup(scribbleKey(number))
			if !ok {
				continue
			}
			in, err := x.Open(e.Outputs[0].File)
			if err != nil {
				t.Errorf("seed %d: action %d: %v", seed, number, err)
				continue
			}
			var b bytes.Buffer
			if _, err := b.ReadFrom(in); err != nil || !bytes.Equal(b.Bytes(), scribble(number)) {
				t.Errorf("seed %d: action %d has another's output, %v", seed, number, err)
			}
			in.Close()
		}
		if v, err := x.Verify(t.Context()); err != nil || v.Damaged > 0 || v.Incomplete > 0 {
			t.Errorf("seed %d: verified %+v, %v", seed, v, err)
		}
		x.named(0, "")
		x.Close()
	}
	if len(entered) < rounds {
		t.Errorf("only %d actions were entered", len(entered))
	}
}

func note(t *testing.T, entered map[uint64]bool, line string) {
	number, err := strconv.ParseUint(line, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	entered[number] = true
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t, "STORE_TEST=full", "STORE_DIR="+dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	x := open(t, dir)
	if n := x.actions.len(); n != want || n == 0 {
		t.Errorf("%d entries were stored, want %d", n, want)
	}
	v, err := x.Verify(t.Context())
	if err != nil || v.Damaged > 0 || v.Incomplete > 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
	x.named(0, "")
	if left, _ := os.ReadDir(dir + "/tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if Full(os.ErrNotExist) || !Full(fmt.Errorf("storing: %w", &os.PathError{Err: syscall.ENOSPC})) {
		t.Error("Full cannot tell")
	}
}
