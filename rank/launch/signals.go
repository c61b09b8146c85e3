package launch

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify has the signals that end a run sent to c, but for those that this process was started to ignore, as SIGHUP under
// nohup and SIGINT in the background of a shell.
func Notify(c chan<- os.Signal) {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// Ended says that a signal came before the ranks were started.
type Ended struct{ Signal syscall.Signal }

func (e *Ended) Error() string { return "ended by " + e.Signal.String() }
