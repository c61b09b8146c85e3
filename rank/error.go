package rank

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/scratch"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// Exit codes.
const (
	ExitBuilt      = 0
	ExitNotBuilt   = 1                  // the user's code does not build
	ExitUsage      = 2                  // usage or configuration
	ExitWorld      = 3                  // a rank, a node or the network failed
	ExitInternal   = 4                  // distgo is wrong
	ExitInterrupt  = exitSignalled + 2  // SIGINT
	ExitTerminated = exitSignalled + 15 // SIGTERM

	exitSignalled = 128 // and the signal's number
)

// An Error is why a run ended without a program.
type Error struct {
	Code   int
	Err    error
	Silent bool // another rank speaks of it
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal syscall.Signal }

func (e *Interrupted) Error() string {
	if e.Signal == syscall.SIGINT {
		return "interrupted"
	}
	return "ended by " + e.Signal.String()
}

// Failed puts what a command of ctx ended with into its family: that of a signal, if one
// has ended ctx meanwhile.
func Failed(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return failure(because(ctx, err))
}

// failure puts an error into its family.
func failure(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	code := ExitInternal
	var (
		interrupted *Interrupted
		refused     *toolchain.Refused
		missing     *toolchain.Missing
		flag        *toolchain.Usage
		place       *launch.Error
		directory   *scratch.Error
		keeping     *store.UsageError
		archive     *store.ArchiveError
		unbuilt     *execute.Failure
		unlike      *transport.RefusedError
		absent      *transport.MissingError
		lost        *transport.LostError
		node        *nodeError
	)
	switch {
	case errors.As(err, &interrupted):
		code = exitSignalled + int(interrupted.Signal)
	case errors.As(err, &refused) && refused.Usage:
		code = ExitUsage
	case errors.As(err, &refused), errors.As(err, &unbuilt):
		code = ExitNotBuilt
	case errors.As(err, &missing), errors.As(err, &flag), errors.As(err, &place), errors.As(err, &directory), errors.As(err, &keeping), errors.As(err, &archive), errors.As(err, &unlike):
		code = ExitUsage
	case errors.As(err, &absent), errors.As(err, &lost), errors.Is(err, transport.ErrClosed), errors.As(err, &node), isSystem(err):
		code = ExitWorld
	}
	return &Error{Code: code, Err: err}
}

// because gives an error its cause when that is the end of ctx: a go command that was ended with it says something else.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// firstCause replaces what a send says of a peer that is lost, or of a world that has ended, by what ends running. A loss
// shows to whoever sends before it is told to the inbox, and may be a consequence: of a run that is given up, ranks leave.
func firstCause(running context.Context, err error) error {
	if _, lost := errors.AsType[*transport.LostError](err); !lost && !errors.Is(err, transport.ErrClosed) {
		return err
	}
	told, cancel := context.WithTimeout(running, closeTimeout)
	defer cancel()
	<-told.Done()
	if running.Err() != nil {
		return context.Cause(running)
	}
	return err
}

// isSystem reports whether the operating system is at the bottom of err: a full
// disk, a file that cannot be read, a program that cannot be started.
func isSystem(err error) bool {
	_, ok := errors.AsType[syscall.Errno](err)
	return ok
}

// usage says that what the user asked for cannot be done.
func usage(format string, args ...any) error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// nodeError is the trouble of one rank or of the way to it.
type nodeError struct{ reason string }

func (e *nodeError) Error() string { return e.reason }

// Usage says that what the user asked for contradicts itself or cannot be done.
func Usage(err error) error { return &Error{Code: ExitUsage, Err: err} }

// Sentence is how an error is shown. The words of the go command and its tools
// stand as they are; all else says that distgo speaks.
func Sentence(err error, code int) string {
	_, refused := errors.AsType[*toolchain.Refused](err)
	if code == ExitNotBuilt || refused {
		return err.Error()
	}
	return "distgo: " + err.Error()
}
