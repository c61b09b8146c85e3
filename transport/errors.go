package transport

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed says that the world was closed on this side.
var ErrClosed = errors.New("the world is closed")

// A Code says why a rank refuses another, or leaves. On the wire; append-only.
type Code uint8

const (
	CodeAccepted  Code = iota + 1 // not an error: the handshake succeeded
	CodeVersion                   // protocol versions differ
	CodeRun                       // the connection belongs to another run
	CodeSecret                    // the secrets differ, or one side has none
	CodeNotMe                     // the connection was meant for another rank
	CodeSize                      // the two think the world has different sizes
	CodeRange                     // rank ≥ size
	CodeDuplicate                 // that rank has joined already
	CodeFacts                     // something that must be equal on all ranks is not
	CodeFailed                    // the sentence says it all
	CodeDone                      // not an error: an orderly end
)

func (c Code) String() string {
	names := [...]string{"", "accepted", "version", "run", "secret", "not me", "size", "range", "duplicate", "facts", "failed", "done"}
	if c == 0 || int(c) >= len(names) {
		return fmt.Sprintf("code %d", uint8(c))
	}
	return names[c]
}

// A RefusedError ends Meet: one rank will not have another in the world. Reason is a full sentence that names both sides.
type RefusedError struct {
	Code   Code
	Reason string
}

func (e *RefusedError) Error() string { return e.Reason }

// A MissingError ends Meet: time is up and the world is not complete.
type MissingError struct {
	Size, Joined int           // Joined includes the reporting rank
	After        time.Duration // how long it waited
	Missing      []Rank        // those who never joined, or joined and could not reach everyone
	Reason       string        // what each of them was last known to do
	Err          error         // what failed while root was looked for; else nil
}

func (e *MissingError) Error() string { return e.Reason }
func (e *MissingError) Unwrap() error { return e.Err }

// A Loss says how a peer was lost.
type Loss uint8

const (
	LossCut      Loss = iota + 1 // its connection ended without a bye
	LossSilent                   // its connection stands and nothing comes
	LossProtocol                 // what came makes no sense
	LossLeft                     // it left by itself, before this rank did
)

// A LostError says why a peer can no longer be reached. Handler.Lost gets one, and so does whoever sends to it later.
type LostError struct {
	Peer Rank
	Host string
	How  Loss
	Err  error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s %s", nameRank(e.Peer, e.Host), e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// A badFrame is a violation of the protocol by an authenticated peer.
type badFrame string

func (e badFrame) Error() string { return string(e) }

// A sourceError is a blob that could not be read here; the peer is not to blame.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "reading the blob: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// nameRank gives "rank 3 (node047)".
func nameRank(r Rank, host string) string {
	if host == "" {
		return fmt.Sprintf("rank %d", r)
	}
	return fmt.Sprintf("rank %d (%s)", r, host)
}

// clip makes a text fit for a bye and for a terminal: bounded, valid, and without control characters but newline and tab.
func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit-len("…")] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
