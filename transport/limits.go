package transport

import "time"

// ProtocolVersion is raised by every change to the bytes on the wire. Ranks of different versions refuse each other;
// there is no negotiation, because a run has one executable.
const ProtocolVersion = 1

const (
	// MaxSize bounds the ranks of a world: a full mesh of 1024 ranks takes 2046 sockets per rank, which is as much as common
	// limits on open files allow, and five times the DAS-5.
	MaxSize = 1024

	// MaxBody bounds a message's body. The largest message is a plan; 10 000 actions with 5 kB of arguments each fit.
	MaxBody = 64 << 20

	// MaxBlob bounds a blob. Programs of over a gigabyte exist (unstripped, with cgo); beyond 4 GiB a Go link itself fails.
	MaxBlob = 4 << 30

	// MaxInfo bounds Config.Info: root repeats everyone's to everyone, so that it costs size² of it.
	MaxInfo = 64 << 10

	// MinSecret is 128 bits: below it a recorded handshake could be searched for its secret.
	MinSecret = 16
)

const (
	maxRunID     = 256     // far above every launcher's job and step names
	maxHost      = 256     // a DNS name has at most 253 bytes
	maxFacts     = 64      // some ten are used
	maxFactName  = 64      // they are words
	maxFactValue = 4 << 10 // flags and paths fit
	maxReason    = 4 << 10 // a sentence or two, with the last lines of a tool

	// maxJoin has room for Info, for every fact at its bound, and for msgpack's own bytes.
	maxJoin = MaxInfo + maxFacts*(maxFactName+maxFactValue+16) + 4<<10

	// maxDepth bounds nesting in a body: a decoder recurses. Messages here nest four deep.
	maxDepth = 32

	// maxValues bounds the values in a body: a one-byte nil may become a struct of a hundred bytes when it is decoded.
	// A plan of 10 000 actions with 200 arguments each has two million.
	maxValues = 4 << 20

	// maxQueuedBytes and maxQueuedFrames bound what waits for one lane of one peer. Blobs wait as unopened files and do
	// not count. A peer that far behind has stopped reading.
	maxQueuedBytes  = 256 << 20
	maxQueuedFrames = 1 << 18

	// bufferSize batches small frames into one system call; larger pieces bypass the buffer.
	bufferSize = 32 << 10

	// blobPiece is what a large blob is copied by: beyond 256 KiB throughput over loopback no longer rises.
	blobPiece = 256 << 10
)

const (
	// defaultMeetTimeout covers a batch system that starts processes a minute apart at worst on loaded nodes.
	defaultMeetTimeout = 60 * time.Second

	// defaultSilenceLimit leaves five seconds to report a frozen rank within ten, and is longer than the pauses that
	// loaded nodes and a TCP retransmission or two (0.2 + 0.4 + 0.8 + 1.6 s) cause.
	defaultSilenceLimit = 5 * time.Second

	// beatsPerLimit heartbeats fit into the silence limit, so that one may be lost and repeated by TCP, which takes three
	// seconds at most until it has worked, before a peer is. Each wakes up two processes, and a world of n ranks has n².
	beatsPerLimit = 3

	// bulkBeat is how many beats the bulk lane has one in: it tells only whether the lane is stuck.
	bulkBeat = beatsPerLimit

	// looksPerLimit is how often a rank looks for silent peers within the silence limit: that much later they are found.
	looksPerLimit = 6

	// stuckFactor silence limits without a byte on one lane, while the other shows life, and the lane will not recover: TCP
	// would have repeated lost bytes by then. It is more patient than silence is, for what fills a lane with bytes may
	// itself wait for a slow disk.
	stuckFactor = 5

	// handshakeLimit bounds how long a stranger may hold a connection. A handshake is two round trips.
	handshakeLimit = 5 * time.Second

	// meshLimit bounds how long one rank tries to reach another whose listener is known to be open: a lost SYN is
	// repeated after 1, 2 and 4 seconds.
	meshLimit = 10 * time.Second

	// rootMargin is how much longer a rank that has joined waits than root does, so that root's sentence comes first.
	rootMargin = 5 * time.Second

	// abortGrace is for telling the others why; they close as soon as they have read it.
	abortGrace = 2 * time.Second

	// pendingStrangers is how many unfinished handshakes are served at once, beside those the world itself needs.
	pendingStrangers = 64

	// parallelDials keeps a rank of a large world from opening a thousand connections in one burst.
	parallelDials = 16

	// firstRetry and lastRetry space attempts to reach root: quick while everyone starts, then once a second.
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Second

	// stagger spreads first connections to root: rank r waits (r mod 64) times this.
	stagger = 2 * time.Millisecond
)
