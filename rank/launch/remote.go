package launch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/badbubble/distgo/sync/stage/remote"
)

// parallelLogins keeps a large world from opening all connections in one burst; sshd itself begins to refuse at ten
// that have not logged in yet (MaxStartups).
const parallelLogins = 8

// StartRemote starts one rank of exe on each of hosts through ssh, and returns when all have ended. hosts are as
// [remote.Dialer.Dial] takes them. The ranks work in the same directory as this process, with args and those variables of
// env that concern builds. Exit code, error and signals are as with [StartLocal]. A rank whose connection is lost ends.
func StartRemote(ctx context.Context, hosts []string, exe string, args, env []string, out Output) (exitCode int, err error) {
	dialer, err := remote.NewDialer()
	if err != nil {
		return 0, err
	}
	orders, err := writeOrders(dialer, hosts, args, env)
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8) // more than a user presses before they are read
	Notify(signals)
	defer signal.Stop(signals)

	clients, err := login(ctx, dialer, hosts, signals)
	if err != nil {
		return 0, err
	}
	c := newCrew(len(hosts), out)
	for rank, client := range clients {
		if err = c.startRemote(rank, client, exe, orders[rank]); err != nil {
			err = fmt.Errorf("starting rank %d of %d on %s: %w", rank, len(hosts), hosts[rank], err)
			for _, unused := range clients[rank:] {
				unused.Close()
			}
			c.kill()
			break
		}
	}
	c.watch(ctx, signals)
	if err == nil {
		err = context.Cause(ctx)
	}
	return c.exitCode, err
}

// writeOrders prepares what each rank is told.
func writeOrders(dialer *remote.Dialer, hosts, args, env []string) ([][]byte, error) {
	names := make([]string, len(hosts))
	local := 0
	for i, host := range hosts {
		t, err := dialer.Target(host)
		if err != nil {
			return nil, err
		}
		if names[i] = t.Host; isLoopback(t.Host) {
			names[i] = "127.0.0.1"
			local++
		}
	}
	if local > 0 && local < len(hosts) {
		return nil, &Error{Text: "--hosts: " + hosts[slices.Index(names, "127.0.0.1")] + " means another machine on each node", Hint: "give the name by which the others reach it"}
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	common := map[string]string{"DISTGO_SECRET": NewSecret()}
	for _, entry := range env {
		if name, value, _ := strings.Cut(entry, "="); travels(name) {
			common[name] = value
		}
	}
	common["DISTGO_RUN"] = rand.Text()
	common["DISTGO_SIZE"] = fmt.Sprint(len(hosts))
	common["DISTGO_HOSTS"] = strings.Join(names, ",")
	orders := make([][]byte, len(hosts))
	for rank := range hosts {
		common["DISTGO_RANK"] = fmt.Sprint(rank)
		text, err := json.Marshal(order{Dir: dir, Args: args, Env: common, Path: os.Getenv("PATH")})
		if err != nil {
			return nil, err
		}
		if len(text) >= maxOrder {
			return nil, fmt.Errorf("arguments and environment of %d bytes exceed %d", len(text), maxOrder)
		}
		orders[rank] = append(text, '\n')
	}
	return orders, nil
}

// travels says which variables go along: what a user sets to change a build.
func travels(name string) bool {
	return hasAnyPrefix(name, "GO", "CGO_", "DISTGO_", "LC_", "PKG_CONFIG") ||
		slices.Contains([]string{"CC", "CXX", "FC", "AR", "LANG", "TZ", "SOURCE_DATE_EPOCH"}, name)
}

// login connects to all hosts, or to none. A signal ends it.
func login(ctx context.Context, dialer *remote.Dialer, hosts []string, signals <-chan os.Signal) ([]*remote.Client, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clients, errs := make([]*remote.Client, len(hosts)), make([]error, len(hosts))
	slots := make(chan struct{}, parallelLogins)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all sync.WaitGroup
		for i, host := range hosts {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				clients[i], errs[i] = dialer.Dial(ctx, host)
			})
		}
		all.Wait()
	}()
	var ended *Ended
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case s := <-signals:
			ended = &Ended{s.(syscall.Signal)}
			cancel(ended)
		}
	}
	if ended != nil {
		errs = []error{ended}
	}
	var failed []error
	for i, err := range errs {
		// The same host or the same reason again says nothing new.
		if err != nil && !slices.ContainsFunc(failed, func(e error) bool { return e.Error() == err.Error() }) && !slices.Contains(hosts[:i], hosts[i]) {
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 {
		return clients, nil
	}
	for _, c := range clients {
		if c != nil {
			c.Close()
		}
	}
	return nil, errors.Join(failed...)
}

// session is a rank on another machine.
type session struct {
	client  *remote.Client
	ssh     *ssh.Session
	control io.WriteCloser
	stderr  io.Writer
	exe     string
	ended   chan struct{}
}

func (c *crew) startRemote(rank int, client *remote.Client, exe string, order []byte) error {
	s, err := client.NewSession()
	if err != nil {
		return err
	}
	m := &session{client: client, ssh: s, exe: exe, ended: make(chan struct{})}
	var flush func()
	_, s.Stdout, s.Stderr, flush = c.out.of(rank)
	if m.stderr = s.Stderr; m.stderr == nil {
		m.stderr = io.Discard
	}
	if m.control, err = s.StdinPipe(); err != nil {
		return err
	}
	if err := s.Start("exec " + quote(exe) + " " + OrderArgument); err != nil {
		return err
	}
	if _, err := m.control.Write(order); err != nil && !errors.Is(err, io.EOF) { // it has ended already: await says how
		return err
	}
	c.add(rank, m, flush)
	return nil
}

// quote makes a word for any shell that a user may have. Every other argument travels in the order.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func (s *session) signal(sig os.Signal) {
	n := sig.(syscall.Signal)
	if n != syscall.SIGKILL {
		_, _ = fmt.Fprintf(s.control, "%d\n", n)
		return
	}
	// A rank that does not listen: sshd ends its group, and then the connection, which may be dead.
	stop := time.AfterFunc(pipeGrace, func() { s.client.Close() })
	go func() {
		_ = s.ssh.Signal(ssh.SIGKILL)
		<-s.ended
		stop.Stop()
	}()
}

func (s *session) await() int {
	err := s.ssh.Wait()
	close(s.ended)
	s.client.Close()
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Signal() != "":
		return 128 + signalNumber(exit.Signal())
	case errors.As(err, &exit):
		if code := exit.ExitStatus(); code == 126 || code == 127 { // the shell's, not distgo's
			fmt.Fprintf(s.stderr, "distgo: %s is not on %s, or not for it: distgo stage puts it there\n", s.exe, s.client.Target.Name)
			return usageCode
		}
		return exit.ExitStatus()
	}
	fmt.Fprintf(s.stderr, "distgo: the connection to %s was lost: %v\n", s.client.Target.Name, lossReason(err))
	return lostCode
}

func lossReason(err error) error {
	var missing *ssh.ExitMissingError
	if errors.As(err, &missing) || errors.Is(err, net.ErrClosed) {
		return errors.New("it closed without saying how distgo ended there")
	}
	return err
}

func signalNumber(name string) int {
	for n, s := range map[syscall.Signal]ssh.Signal{
		syscall.SIGABRT: ssh.SIGABRT, syscall.SIGFPE: ssh.SIGFPE, syscall.SIGHUP: ssh.SIGHUP, syscall.SIGILL: ssh.SIGILL,
		syscall.SIGINT: ssh.SIGINT, syscall.SIGKILL: ssh.SIGKILL, syscall.SIGPIPE: ssh.SIGPIPE, syscall.SIGQUIT: ssh.SIGQUIT,
		syscall.SIGSEGV: ssh.SIGSEGV, syscall.SIGTERM: ssh.SIGTERM,
	} {
		if string(s) == name {
			return int(n)
		}
	}
	return 0
}
