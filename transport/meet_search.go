package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A search is a joiner's way to root where the address is not certain: several are tried in turn until the handshake says
// that the right process answered. One attempt runs at a time, because root takes a second join of a rank for an intruder.
type search struct {
	*meeting
	tried   []string      // where someone else answered
	failed  []failure     // what went wrong last at each address, in the order of their first attempts
	refused *RefusedError // the most telling of the refusals
	doubt   time.Time     // since when there is a refusal that root itself would give
}

type failure struct {
	addr string
	err  error
}

const (
	// doubtLimit is how long the search goes on after a refusal that may be root's own or that of a stranger on a port
	// where root was looked for. Root, which starts listening before it does anything else, is up by then.
	doubtLimit = 10 * time.Second

	// firstPatience is for one attempt of the first round; on a local network a handshake takes a few milliseconds.
	firstPatience = time.Second
)

// dialRoot tries until root answers: it may start later than we.
func (m *meeting) dialRoot(ctx context.Context) (*stream, error) {
	limited, cancel := context.WithTimeoutCause(ctx, m.cfg.MeetTimeout, errMeetTimeout)
	defer cancel()
	pause(limited, time.Duration(m.cfg.Rank%64)*stagger)
	s := &search{meeting: m}
	root, err := s.run(limited)
	var refused *RefusedError
	switch {
	case err == nil:
		return root, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s gave up looking for root%s: %w", m.infos[m.cfg.Rank], s.places(), context.Cause(ctx))
	case errors.As(err, &refused):
		return nil, err
	case limited.Err() == nil:
		return nil, fmt.Errorf("%s is looking for root: %w", m.infos[m.cfg.Rank], err)
	case !s.doubt.IsZero():
		return nil, s.refused
	}
	return nil, &MissingError{Size: m.cfg.Size, Joined: 1, After: m.cfg.MeetTimeout, Missing: []Rank{Root}, Err: s.failures(err), Reason: fmt.Sprintf(
		"%s could not reach root%s within %s: %s", m.infos[m.cfg.Rank], s.places(), m.cfg.MeetTimeout, s.why(err))}
}

// run returns root's express lane. Its error is a refusal that no further search can mend, or the last one's when ctx is done.
func (s *search) run(ctx context.Context) (*stream, error) {
	for round, wait := 0, firstRetry; ; round, wait = round+1, min(2*wait, lastRetry) {
		addrs, err := s.ask(ctx)
		if err != nil {
			return nil, err
		}
		if s.exhausted(addrs) {
			if s.refused != nil {
				return nil, s.refused
			}
			return nil, errors.New("there is no address to try")
		}
		for _, addr := range addrs {
			if slices.Contains(s.tried, addr) {
				continue
			}
			root, err := s.attempt(ctx, Root, addr, roleJoin, Express, patience(round, len(addrs)))
			if err == nil {
				return root, nil
			}
			s.weigh(ctx, addr, err)
		}
		switch {
		case s.certain(addrs):
			return nil, s.refused
		case s.exhausted(addrs): // FindRoot may know more when it hears of it
		case !pause(ctx, wait/2+rand.N(wait)):
			return nil, context.Cause(ctx)
		}
	}
}

// exhausted reports that someone else answered at every address.
func (s *search) exhausted(addrs []string) bool {
	return !slices.ContainsFunc(addrs, func(a string) bool { return !slices.Contains(s.tried, a) })
}

// ask returns where root may be by now.
func (s *search) ask(ctx context.Context) ([]string, error) {
	if s.cfg.FindRoot == nil {
		return []string{s.cfg.Root}, nil
	}
	return s.cfg.FindRoot(ctx, s.tried)
}

// weigh decides what a failure at one address says about the others.
func (s *search) weigh(ctx context.Context, addr string, err error) {
	i := slices.IndexFunc(s.failed, func(f failure) bool { return f.addr == addr })
	switch {
	case i < 0:
		s.failed = append(s.failed, failure{addr, err})
	case ctx.Err() == nil: // else the search has ended, which says nothing about the address
		s.failed[i].err = err
	}
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return // nobody is there yet, or nobody who speaks
	}
	switch refused.Code {
	case CodeVersion, CodeSecret:
		// Root would say so if it were of another version or had another secret, but so would someone else's root.
		if s.doubt.IsZero() {
			s.doubt = time.Now()
		}
		s.refused = refused
	default:
		s.tried = append(s.tried, addr)
		if s.refused == nil {
			s.refused = refused
		}
	}
}

// certain reports that a refusal must be root's own: there is nowhere else to look, or looking was in vain for a while.
func (s *search) certain(addrs []string) bool {
	return !s.doubt.IsZero() && (len(addrs) == 1 || time.Since(s.doubt) > doubtLimit)
}

// patience is how long one attempt may take. Where there are several addresses, one that swallows packets must not keep
// the search from the others; later rounds are patient with slow nodes.
func patience(round, addrs int) time.Duration {
	if addrs == 1 {
		return handshakeLimit
	}
	return min(firstPatience<<min(round, 8), handshakeLimit)
}

// places lists where the search has been.
func (s *search) places() string {
	const shown = 4 // enough to see the pattern
	if len(s.failed) == 0 {
		return ""
	}
	var list []string
	for _, f := range s.failed[:min(shown, len(s.failed))] {
		list = append(list, f.addr)
	}
	if n := len(s.failed) - shown; n > 0 {
		list = append(list, fmt.Sprintf("%d more", n))
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// why is what went wrong, each thing once: many addresses fail in few ways. last is what ended the search.
func (s *search) why(last error) string {
	var reasons, causes []string
	for _, f := range s.failed {
		if cause := innermost(f.err).Error(); !slices.Contains(causes, cause) {
			reasons, causes = append(reasons, f.err.Error()), append(causes, cause)
		}
	}
	if last != errMeetTimeout || len(reasons) == 0 {
		reasons = append(reasons, last.Error())
	}
	return strings.Join(reasons, "; ")
}

// failures are all that went wrong.
func (s *search) failures(last error) error {
	errs := []error{last}
	for _, f := range s.failed {
		errs = append(errs, f.err)
	}
	return errors.Join(errs...)
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
