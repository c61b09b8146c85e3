package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dialer connects to hosts.
type Dialer struct{ settings *settings }

// NewDialer reads the user's ssh configuration.
func NewDialer() (*Dialer, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, &Error{"this user has no home directory", "set HOME", err}
	}
	s, err := readSettings(home, "/etc/ssh/ssh_config", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, err
	}
	return &Dialer{s}, nil
}

// Target says how a host, given as [user@]name[:port], is reached.
func (d *Dialer) Target(host string) (Target, error) { return d.settings.target(host) }

// Client is a connection to a host. Closing it closes those that it goes through.
type Client struct {
	*ssh.Client
	Target Target
	via    *Client // nil: none
}

// Close ends the connection.
func (c *Client) Close() error {
	err := c.Client.Close()
	if c.via != nil {
		err = errors.Join(err, c.via.Close())
	}
	return err
}

// maxJumps bounds the way to a host: a configuration may well lead in a circle.
const maxJumps = 8

// Dial connects to a host given as [user@]name[:port].
func (d *Dialer) Dial(ctx context.Context, host string) (*Client, error) {
	c, err := d.dial(ctx, host, maxJumps)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", host, err)
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, host string, jumps int) (*Client, error) {
	t, err := d.settings.target(host)
	if err != nil {
		return nil, err
	}
	// The first jump host may itself be behind others; the later ones are reached from the one before.
	var via *Client
	for i, hop := range t.jump {
		if jumps--; jumps < 0 {
			return nil, &Error{Text: fmt.Sprintf("more than %d hosts are on the way", maxJumps), Hint: "does ProxyJump in ~/.ssh/config lead in a circle?"}
		}
		hop = strings.TrimPrefix(strings.TrimSpace(hop), "ssh://")
		next := via
		if i == 0 {
			next, err = d.dial(ctx, hop, jumps)
		} else {
			var t Target
			if t, err = d.settings.target(hop); err == nil {
				next, err = connect(ctx, t, via)
			}
		}
		if err != nil {
			if via != nil {
				via.Close()
			}
			return nil, fmt.Errorf("jump host %s: %w", hop, err)
		}
		via = next
	}
	c, err := connect(ctx, t, via)
	if err != nil && via != nil {
		via.Close()
	}
	return c, err
}

// connect makes one hop. via stays the caller's if it fails.
func connect(ctx context.Context, t Target, via *Client) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("no connection to %s within %s", t.Addr(), t.timeout))
	defer cancel()
	check, algorithms, err := hostKeys(t)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if via != nil {
		conn, err = via.DialContext(ctx, "tcp", t.Addr())
	} else {
		conn, err = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, "tcp", t.Addr())
	}
	if err != nil {
		return nil, withCause(ctx, err)
	}
	keys := findKeys(t)
	defer keys.close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	inner, channels, requests, err := ssh.NewClientConn(conn, t.Addr(), &ssh.ClientConfig{
		User: t.User, HostKeyCallback: check, HostKeyAlgorithms: algorithms,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
	})
	if !stop() && err == nil {
		inner.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, refusal(t, keys, withCause(ctx, err))
	}
	return &Client{ssh.NewClient(inner, channels, requests), t, via}, nil
}

func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// refusal explains why a host did not let us in.
func refusal(t Target, k *keys, err error) error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case !strings.Contains(err.Error(), "unable to authenticate"): // package ssh has no type for it
		return err
	}
	reasons := slices.Clone(k.unfit)
	if len(k.signers) == 0 {
		reasons = append(reasons, "there is no key to show: neither an agent's (SSH_AUTH_SOCK) nor a file's")
	}
	text := fmt.Sprintf("%s does not let %s in with %d keys", t.Host, t.User, len(k.signers))
	hint := "`ssh " + t.Name + " true` must work without asking for anything"
	if len(reasons) > 0 {
		hint = strings.Join(reasons, "; ")
	}
	return &Error{text, hint, err}
}
