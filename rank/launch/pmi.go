package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PMI speaks version 1 of the process management interface with the launcher, in lines of text over the descriptor that
// PMI_FD names: MPICH's hydra, Intel MPI, Flux and srun --mpi=pmi2 all do. It is not safe for concurrent use.
type PMI struct {
	KVS string // the run's space of keys and values; its name is the run's own

	conn             io.ReadWriter
	lines            *bufio.Reader
	maxKey, maxValue int
}

// pmiLine bounds a line. Launchers allow about 1 kB, of which a value is the greater part.
const pmiLine = 8192

// OpenPMI opens PMI_FD, if it is set, and introduces this process; else it returns nil. The descriptor belongs to the
// PMI from then on.
func OpenPMI(ctx context.Context, env func(string) (string, bool)) (*PMI, error) {
	v, ok := env("PMI_FD")
	if !ok || v == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(v)
	if err != nil || fd < 3 {
		return nil, &Error{"pmi", "PMI_FD=" + abbreviate(v) + " is not a descriptor", "it is set by mpiexec and not to be passed on"}
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, &Error{"pmi", fmt.Sprintf("PMI_FD=%d: %v", fd, err), "it is set by mpiexec and not to be passed on"}
	}
	f := os.NewFile(uintptr(fd), "PMI_FD") // non-blocking, so that a deadline ends a read
	p, err := NewPMI(ctx, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// sealPMI keeps the launcher's line from this process's children, whether or not it is used.
func sealPMI(env func(string) (string, bool)) {
	if v, ok := env("PMI_FD"); ok {
		if fd, err := strconv.Atoi(v); err == nil && fd >= 3 {
			syscall.CloseOnExec(fd)
		}
	}
}

// NewPMI introduces this process over conn. If conn has SetDeadline, calls end with their context.
func NewPMI(ctx context.Context, conn io.ReadWriter) (*PMI, error) {
	p := &PMI{conn: conn, lines: bufio.NewReaderSize(conn, pmiLine)}
	if _, err := p.ask(ctx, "cmd=init pmi_version=1 pmi_subversion=1", "response_to_init"); err != nil {
		return nil, err
	}
	maxes, err := p.ask(ctx, "cmd=get_maxes", "maxes")
	if err != nil {
		return nil, err
	}
	if p.maxKey, err = strconv.Atoi(maxes["keylen_max"]); err == nil {
		p.maxValue, err = strconv.Atoi(maxes["vallen_max"])
	}
	if err != nil {
		return nil, fmt.Errorf("pmi: the launcher's limits: %w", err)
	}
	name, err := p.ask(ctx, "cmd=get_my_kvsname", "my_kvsname")
	if err != nil {
		return nil, err
	}
	if p.KVS = name["kvsname"]; p.KVS == "" {
		return nil, errors.New("pmi: the launcher gives the key-value space no name")
	}
	return p, nil
}

// Put stores a value. Others see it after the next barrier.
func (p *PMI) Put(ctx context.Context, key, value string) error {
	if err := p.check(key, value); err != nil {
		return err
	}
	_, err := p.ask(ctx, fmt.Sprintf("cmd=put kvsname=%s key=%s value=%s", p.KVS, key, value), "put_result")
	return err
}

// Get returns a value. A key that nobody has put is an error.
func (p *PMI) Get(ctx context.Context, key string) (string, error) {
	if err := p.check(key, "-"); err != nil {
		return "", err
	}
	answer, err := p.ask(ctx, fmt.Sprintf("cmd=get kvsname=%s key=%s", p.KVS, key), "get_result")
	if err != nil {
		return "", fmt.Errorf("%w (key %s)", err, key)
	}
	return answer["value"], nil
}

// Barrier returns when all ranks have called it.
func (p *PMI) Barrier(ctx context.Context) error {
	_, err := p.ask(ctx, "cmd=barrier_in", "barrier_out")
	return err
}

// Finalize takes leave. A process that ends without it may count as crashed.
func (p *PMI) Finalize(ctx context.Context) error {
	_, err := p.ask(ctx, "cmd=finalize", "finalize_ack")
	return err
}

// Close closes the descriptor, if that can be done.
func (p *PMI) Close() error {
	if c, ok := p.conn.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// check keeps a key or a value from becoming protocol: nothing is quoted.
func (p *PMI) check(key, value string) error {
	switch {
	case key == "" || strings.ContainsAny(key, " \t\r\n="):
		return fmt.Errorf("pmi: the key %q is empty or has spaces", key)
	case value == "" || strings.ContainsAny(value, " \t\r\n"):
		return fmt.Errorf("pmi: the value %q of %s is empty or has spaces", value, key)
	case len(key) >= p.maxKey || len(value) >= p.maxValue: // the launcher counts C's closing zero
		return fmt.Errorf("pmi: %s of %d bytes: the launcher allows keys of %d and values of %d", key, len(value), p.maxKey-1, p.maxValue-1)
	}
	return nil
}

// ask sends a line and returns the answer, which must be of the command that answers it.
func (p *PMI) ask(ctx context.Context, line, want string) (map[string]string, error) {
	command, _, _ := strings.Cut(strings.TrimPrefix(line, "cmd="), " ")
	if d, ok := p.conn.(interface{ SetDeadline(time.Time) error }); ok {
		past := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(past)
			_ = d.SetDeadline(time.Unix(1, 0)) // long past: reads and writes return
		})
		defer func() {
			if !stop() {
				<-past
				_ = d.SetDeadline(time.Time{})
			}
		}()
	}
	fail := func(err error) error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("pmi: %s: %w", command, err)
	}
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		return nil, fail(err)
	}
	text, err := p.lines.ReadSlice('\n')
	if err != nil {
		return nil, fail(err)
	}
	answer, err := parsePMI(string(text))
	if err != nil {
		return nil, fail(err)
	}
	if answer["cmd"] != want {
		return nil, fail(fmt.Errorf("the launcher answers %q, not %s", abbreviate(strings.TrimSpace(string(text))), want))
	}
	if rc := answer["rc"]; rc != "" && rc != "0" {
		return nil, fail(fmt.Errorf("the launcher answers rc=%s %s", rc, answer["msg"]))
	}
	return answer, nil
}

// parsePMI reads a line of words key=value.
func parsePMI(line string) (map[string]string, error) {
	fields := strings.Fields(line)
	answer := make(map[string]string, len(fields))
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q in the launcher's answer is not of the form key=value", abbreviate(f))
		}
		answer[key] = value
	}
	return answer, nil
}
