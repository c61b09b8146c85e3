package emulate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's process events connector (linux/cn_proc.h), in the order of its structures: a netlink header, a
// connector header, an event.
const (
	procIndex, procValue = 1, 1 // CN_IDX_PROC, CN_VAL_PROC
	procListen           = 1    // PROC_CN_MCAST_LISTEN

	netlinkHeader   = unix.NLMSG_HDRLEN
	connectorHeader = 20
	eventAt         = netlinkHeader + connectorHeader
	eventDataAt     = eventAt + 16

	// eventBuffer holds the events of a moment in which the keeper has no core: 100,000 of them.
	eventBuffer = 32 << 20
)

type procKind uint32

const (
	procAnswer procKind = 0
	procFork   procKind = 1
	procExec   procKind = 2
	procExit   procKind = 0x80000000
)

// A procEvent is what a thread did. A new thread and a new process are both a fork.
type procEvent struct {
	what   procKind
	thread int // of a fork the one that made the process: for a new thread that is not the one that made the thread
	child  int // of a fork: the new thread,
	of     int // and its process
}

// procEvents is the stream of all threads' events on this machine.
type procEvents struct {
	fd     int
	buffer [4 << 10]byte
}

// listenProcEvents subscribes. It takes root, in the machine's own namespaces, and a kernel with CONFIG_PROC_EVENTS.
func listenProcEvents() (*procEvents, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("the kernel's process events (CONFIG_PROC_EVENTS), which nodes of several cores need: %w", err)
	}
	e := &procEvents{fd: fd}
	if err := e.subscribe(); err != nil {
		return nil, errors.Join(fmt.Errorf("the kernel's process events (CONFIG_PROC_EVENTS), which nodes of several cores need: %w", err), e.close())
	}
	return e, nil
}

func (e *procEvents) subscribe() error {
	if err := unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer); err != nil {
		return err
	}
	if err := unix.Bind(e.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: procIndex}); err != nil {
		return err
	}
	request := make([]byte, eventAt+4)
	native := binary.NativeEndian
	native.PutUint32(request[0:], uint32(len(request)))
	native.PutUint16(request[4:], unix.NLMSG_DONE)
	native.PutUint32(request[netlinkHeader:], procIndex)
	native.PutUint32(request[netlinkHeader+4:], procValue)
	native.PutUint16(request[netlinkHeader+16:], 4)
	native.PutUint32(request[eventAt:], procListen)
	if err := unix.Sendto(e.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	// A kernel without the events takes the request and never answers.
	answered := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(time.Second); ; {
		n, err := unix.Poll(answered, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			return errors.New("it does not answer")
		}
		return err
	}
}

// next waits for an event. That the kernel dropped some because nobody read them is an error.
func (e *procEvents) next() (procEvent, error) {
	for {
		n, from, err := unix.Recvfrom(e.fd, e.buffer[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENOBUFS) {
			return procEvent{}, errors.New("the machine is too busy: the kernel dropped events of starting threads")
		}
		if err != nil {
			return procEvent{}, err
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue // another program may send to this socket; only the kernel is believed
		}
		return parseProcEvent(e.buffer[:n]), nil
	}
}

// parseProcEvent reads a message. What it does not know, or is too short, is an answer: nobody acts on it.
func parseProcEvent(message []byte) procEvent {
	const words = 4 * 4
	if len(message) < eventDataAt+words {
		return procEvent{}
	}
	word := func(at int) int { return int(int32(binary.NativeEndian.Uint32(message[at:]))) }
	return procEvent{
		what:   procKind(binary.NativeEndian.Uint32(message[eventAt:])),
		thread: word(eventDataAt), // its group follows: the process
		child:  word(eventDataAt + 8),
		of:     word(eventDataAt + 12),
	}
}

func (e *procEvents) close() error { return unix.Close(e.fd) }
