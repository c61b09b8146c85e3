package launch

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// What a process was started to ignore, as under nohup, it goes on ignoring.
func TestNotify(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	heard := make(chan os.Signal, 2)
	Notify(heard)
	defer signal.Stop(heard)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case s := <-heard:
		if s != syscall.SIGTERM {
			t.Errorf("%s was heard", s)
		}
	case <-time.After(10 * time.Second):
		t.Error("SIGTERM was not heard")
	}
}
