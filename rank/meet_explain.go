package rank

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/badbubble/distgo/transport"
)

// explain adds to the reason why the world did not come together from where this rank took its numbers, and what can be
// done. Of what root told, only root and the rank that it is about speak.
func (r *run) explain(err error) error {
	var (
		refused *transport.RefusedError
		missing *transport.MissingError
		p       = r.cfg.Place
		hints   []string
		code    = ExitUsage
	)
	switch {
	case errors.As(err, &missing):
		code = ExitWorld
		hints = r.missingHints(missing)
	case errors.As(err, &refused):
		switch refused.Code {
		case transport.CodeSize, transport.CodeRange, transport.CodeDuplicate:
			hints = []string{r.sources(), "start all ranks by one launcher, or give --rank, --size and --root; distgo whoami tells what each finds"}
		case transport.CodeFacts:
			if r.isRoot() {
				hints = []string{"the same executable has to run on all nodes; distgo stage puts it there"}
			}
		case transport.CodeFailed:
			code = ExitWorld
		case transport.CodeSecret:
			hints = []string{"ranks without a home directory in common need DISTGO_SECRET, the same 64 hex digits on every node (openssl rand -hex 32)"}
		case transport.CodeRun, transport.CodeNotMe:
			hints = []string{r.sources(), "give this run another port with --root=host:port on every rank, or end what uses this one"}
		}
		if byRoot(refused.Code) && !r.isRoot() {
			if len(hints) == 0 || !strings.Contains(refused.Reason, fmt.Sprintf("rank %d ", p.Rank)) {
				return &Error{Code: code, Err: err, Silent: true}
			}
			return &Error{Code: code, Err: errors.New(hints[0])} // root says the rest
		}
	default:
		if failure(err).Code == ExitInternal { // of no family: a connection that did not come about, or did not last
			return &Error{Code: ExitWorld, Err: err}
		}
		return err
	}
	for _, hint := range hints {
		err = fmt.Errorf("%w\ndistgo: %s", err, hint)
	}
	return &Error{Code: code, Err: err}
}

// byRoot reports that a refusal is one that root makes, and speaks of itself.
func byRoot(code transport.Code) bool {
	switch code {
	case transport.CodeSize, transport.CodeRange, transport.CodeDuplicate, transport.CodeFacts, transport.CodeFailed:
		return true
	}
	return false
}

// sources says from where this rank took its numbers.
func (r *run) sources() string {
	p := r.cfg.Place
	return fmt.Sprintf("rank %d took its rank and the size of %d from %s: %s", p.Rank, p.Size, p.Launcher, strings.Join(p.From, " "))
}

func (r *run) missingHints(missing *transport.MissingError) []string {
	meets := fmt.Sprintf("the ranks meet %s", r.meeting)
	if r.isRoot() {
		return []string{r.sources(), meets, "the missing ranks say themselves what went wrong, if they were started; more time: --meet-timeout=5m"}
	}
	hints := []string{r.sources(), meets}
	var (
		unknown *net.DNSError
		failed  *net.OpError
		slow    net.Error
	)
	local := r.cfg.Place.LocalSize == r.cfg.Place.Size
	switch {
	case errors.As(missing, &unknown):
		return append(hints, "rank 0's host name means nothing here: give its address with --root=address:port on every rank")
	case errors.As(missing, &slow) && slow.Timeout(), errors.Is(missing, syscall.EHOSTUNREACH), errors.Is(missing, syscall.ENETUNREACH):
		return append(hints, "a firewall may be between the nodes, or the address is of another network: --iface chooses one, --root=host:port a port")
	case errors.As(missing, &failed) && isLoopback(failed.Addr) && !local:
		return append(hints, "a loopback address is this node itself: if root is on another, give its address with --root=address:port on every rank")
	}
	return append(hints, "is rank 0 running? If it is elsewhere, give its address with --root=host:port on every rank")
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
