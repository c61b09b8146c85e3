package transport

import "fmt"

// A Rank is one process of the world, 0 ≤ rank < size. Rank 0 is root.
type Rank int

// Root is the rank that everyone knows how to reach before the world exists.
const Root Rank = 0

// A Lane is one of the two connections between a pair of ranks. On the wire; append-only.
type Lane uint8

const (
	Express Lane = iota + 1 // messages and small artifacts
	Bulk                    // large artifacts
)

const lanes = 2

func (l Lane) valid() bool { return l == Express || l == Bulk }

func (l Lane) String() string {
	switch l {
	case Express:
		return "express"
	case Bulk:
		return "bulk"
	}
	return fmt.Sprintf("lane %d", uint8(l))
}

// A Kind says what a message means. On the wire; append-only. 1 to 31 are transport's own, FirstKind to LastKind belong
// to the layers above.
type Kind uint8

const (
	kindJoin  Kind = iota + 1 // joiner → root: who I am
	kindTable                 // root → joiner: who all are
	kindReady                 // joiner → root: all my links stand
	kindGo                    // root → joiner: all links of the world stand
	kindAlive                 // anyone → anyone: nothing to say
	kindBye                   // anyone → anyone: nothing more will come, and why
)

const (
	FirstKind Kind = 32
	LastKind  Kind = 127
)

func (k Kind) String() string {
	switch k {
	case kindJoin:
		return "join"
	case kindTable:
		return "table"
	case kindReady:
		return "ready"
	case kindGo:
		return "go"
	case kindAlive:
		return "alive"
	case kindBye:
		return "bye"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// bodyLimits bounds the body of every kind; transport's own have limits that nobody may change.
type bodyLimits [LastKind + 1]int

// newBodyLimits gives upper kinds MaxBody, or what limits says.
func newBodyLimits(limits map[Kind]int) bodyLimits {
	var b bodyLimits
	for k := FirstKind; k <= LastKind; k++ {
		b[k] = MaxBody
		if n, ok := limits[k]; ok {
			b[k] = n
		}
	}
	b[kindJoin] = maxJoin
	b[kindTable] = MaxBody
	b[kindBye] = maxReason + 64
	return b // ready, go and alive have no body
}
