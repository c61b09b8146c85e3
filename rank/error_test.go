package rank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/scratch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// Every family of errors has its exit code, also beneath what callers add.
// A command that a signal ended says so, whatever it ended with itself; who has said it already is not corrected.
func TestFailed(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if code := Failed(ctx, io.ErrUnexpectedEOF).Code; code != ExitInternal {
		t.Errorf("exit code %d, expected %d", code, ExitInternal)
	}
	cancel(&Interrupted{syscall.SIGINT})
	if code := Failed(ctx, fmt.Errorf("reading: %w", ctx.Err())).Code; code != ExitInterrupt {
		t.Errorf("exit code %d after SIGINT, expected %d", code, ExitInterrupt)
	}
	if e := Failed(ctx, &Error{Code: ExitWorld, Err: io.EOF, Silent: true}); e.Code != ExitWorld || !e.Silent {
		t.Errorf("%+v is no longer what the command ended with", e)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{&execute.Failure{Output: "# p\nx.go:1: no\n"}, ExitNotBuilt},
		{&toolchain.Refused{Output: "no"}, ExitNotBuilt},
		{&toolchain.Missing{Reason: "no go"}, ExitUsage},
		{&toolchain.Usage{Reason: "-o"}, ExitUsage},
		{&launch.Error{Text: "rank 8 of 8"}, ExitUsage},
		{&scratch.Error{Text: "name", Hint: "change it"}, ExitUsage},
		{&transport.RefusedError{Code: transport.CodeFacts}, ExitUsage},
		{&store.UsageError{Text: "no place", Hint: "say --store"}, ExitUsage},
		{&store.ArchiveError{Text: "is damaged"}, ExitUsage},
		{usage("no"), ExitUsage},
		{&transport.MissingError{}, ExitWorld},
		{&transport.LostError{Peer: 2, How: transport.LossCut, Err: errors.New("closed the connection")}, ExitWorld},
		{transport.ErrClosed, ExitWorld},
		{&nodeError{"no memory"}, ExitWorld},
		{syscall.ENOSPC, ExitWorld},
		{&superstep.Error{Reason: "barrier 3 closed first"}, ExitInternal},
		{io.ErrUnexpectedEOF, ExitInternal},
		{&Interrupted{syscall.SIGINT}, ExitInterrupt},
		{&Interrupted{syscall.SIGTERM}, ExitTerminated},
		{&Interrupted{syscall.SIGHUP}, 129},
	} {
		for _, err := range []error{c.err, fmt.Errorf("sending: %w", c.err), errors.Join(c.err, errors.New("and more"))} {
			if code := failure(err).Code; code != c.code {
				t.Errorf("%T %v: exit code %d, expected %d", c.err, err, code, c.code)
			}
		}
	}
}

// What a send says of a lost peer gives way to what ends the run.
func TestFirstCause(t *testing.T) {
	lost := fmt.Errorf("sending put to rank 2: %w", &transport.LostError{Peer: 2, Err: errors.New("left before this rank did")})
	given := &Error{Code: ExitUsage, Err: errors.New("root gave up")}
	for _, err := range []error{lost, fmt.Errorf("sending done to rank 0: %w", transport.ErrClosed)} {
		running, cancel := context.WithCancelCause(t.Context())
		stop := time.AfterFunc(time.Millisecond, func() { cancel(given) }) // while it is waited for
		if got := firstCause(running, err); got != error(given) {
			t.Errorf("%v: the cause is %v", err, got)
		}
		stop.Stop()
	}
	other := errors.New("the tool is gone")
	if got := firstCause(t.Context(), other); got != other {
		t.Errorf("%v became %v", other, got)
	}
	if got := firstCause(t.Context(), nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

// A go command that was killed by an interrupt says what it likes.
func TestBecause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	refused := &toolchain.Refused{}
	if err := because(ctx, refused); err != error(refused) {
		t.Errorf("nothing has ended, but the error is %v", err)
	}
	cancel(&Interrupted{syscall.SIGINT})
	if code := failure(because(ctx, refused)).Code; code != ExitInterrupt {
		t.Errorf("exit code %d", code)
	}
	if err := because(ctx, nil); err != nil {
		t.Errorf("what went well became %v", err)
	}
}
