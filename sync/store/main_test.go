package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the main function of the processes that tests start.
func TestMain(m *testing.M) {
	switch os.Getenv("STORE_TEST") {
	case "":
		os.Exit(m.Run())
	case "write":
		check(writeForever())
	case "full":
		check(writeUntilFull())
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// scribble is what the action of a number makes: up to 40 kB, for a kill to
// come in the middle of.
func scribble(number uint64) []byte {
	r := rand.New(rand.NewPCG(number, 0))
	return bytes.Repeat([]byte(fmt.Sprintln(number)), 1+r.IntN(5000))
}

func scribbleKey(number uint64) Key {
	return NewKey("scribble").Strings("number", strconv.FormatUint(number, 10)).Sum()
}

// writeForever enters one action after the other, says so, and rewrites the
// index every now and then.
func writeForever() error {
	seed, err := strconv.ParseUint(os.Getenv("STORE_SEED"), 10, 64)
	if err != nil {
		return err
	}
	s, err := Open(Options{Dir: os.Getenv("STORE_DIR")})
	if err != nil {
		return err
	}
	src := s.temp() // on the store's file system, so that it is linked
	r := rand.New(rand.NewPCG(seed, 1))
	for {
		number := r.Uint64N(1000)
		var f File
		if r.IntN(2) == 0 {
			f, err = s.PutReader(bytes.NewReader(scribble(number)))
		} else {
			os.Remove(src)
			if err = os.WriteFile(src, scribble(number), 0o644); err == nil {
				f, err = s.Put(src)
			}
		}
		if err != nil {
			return err
		}
		e := Entry{Name: "scribble", Outputs: []Output{{"out", f}}, Text: strings.Repeat("words ", r.IntN(2000))}
		if err := s.Commit(scribbleKey(number), e); err != nil {
			return err
		}
		fmt.Println(number)
		if r.IntN(2) == 0 { // so often that many a kill comes in the middle of it
			if err := s.actions.clean(nil); err != nil {
				return err
			}
		}
	}
}

// writeUntilFull runs into a limit of 64 KiB a file, which is what a process
// can have of a full disk without the rights to make one.
func writeUntilFull() error {
	signal.Ignore(syscall.SIGXFSZ)
	const limit = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	s, err := Open(Options{Dir: os.Getenv("STORE_DIR")})
	if err != nil {
		return err
	}
	if _, err := s.PutReader(bytes.NewReader(make([]byte, 2*limit))); !Full(err) {
		return fmt.Errorf("putting a large file: %v, want a full disk", err)
	}
	f, err := s.PutReader(strings.NewReader("small"))
	if err != nil {
		return fmt.Errorf("putting a small file: %v", err)
	}
	failed := 0
	for number := range uint64(30) {
		err := s.Commit(scribbleKey(number), Entry{Outputs: []Output{{"out", f}}, Text: strings.Repeat("x", 3000)})
		if err != nil && !Full(err) {
			return fmt.Errorf("entering: %v, want a full disk", err)
		}
		if err != nil {
			failed++
		}
		if _, ok := s.Lookup(scribbleKey(number)); !ok {
			return fmt.Errorf("entry %d is not known even here", number)
		}
	}
	if failed == 0 {
		return fmt.Errorf("30 large entries found place")
	}
	fmt.Println(30 - failed)
	return s.Close()
}
