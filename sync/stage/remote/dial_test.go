package remote_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/badbubble/distgo/sync/stage/remote"
	"github.com/badbubble/distgo/sync/stage/remote/remotetest"
)

func echo(command string, _ io.Reader, stdout, _ io.Writer, _ <-chan struct{}) int {
	fmt.Fprint(stdout, command)
	return 0
}

// says runs a command at a host.
func says(t *testing.T, host, command string) (string, error) {
	t.Helper()
	d, err := remote.NewDialer()
	if err != nil {
		return "", err
	}
	c, err := d.Dial(t.Context(), host)
	if err != nil {
		return "", err
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		return "", err
	}
	out, err := s.Output(command)
	return string(out), err
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	var e *remote.Error
	if !errors.As(err, &e) {
		t.Errorf("%v (%T), want a *remote.Error", err, err)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want … %s …", err, text)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDial(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	s := remotetest.NewServer(t, key.PublicKey(), echo)
	home := remotetest.Home(t, key, pem, s)
	if out, err := says(t, "somebody@"+s.Addr, "hello"); err != nil || out != "hello" {
		t.Errorf("%q, %v", out, err)
	}

	// By an alias of the configuration, with an Include.
	host, port, _ := net.SplitHostPort(s.Addr)
	write(t, filepath.Join(home, ".ssh", "config"), "Include "+filepath.Join(home, ".ssh", "more")+"\n")
	write(t, filepath.Join(home, ".ssh", "more"), "Host node* !node9\n  HostName "+host+"\n  Port "+port+"\n  User somebody\n")
	if out, err := says(t, "node1", "hello"); err != nil || out != "hello" {
		t.Errorf("by an alias: %q, %v", out, err)
	}
	write(t, filepath.Join(home, ".ssh", "config"), "Match exec \"true\"\n  User x\n")
	_, err := says(t, s.Addr, "hello")
	wantError(t, err, "config")
}

// What the host shows decides whether anything is said to it.
func TestHostKeys(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	s := remotetest.NewServer(t, key.PublicKey(), echo)
	home := remotetest.Home(t, key, pem)
	_, err := says(t, s.Addr, "hello")
	wantError(t, err, "is in none of", "known_hosts", ssh.FingerprintSHA256(s.Key), "log in once with")

	other, _ := remotetest.NewKey(t, "")
	known := filepath.Join(home, ".ssh", "known_hosts")
	write(t, known, knownhosts.Line([]string{s.Addr}, other.PublicKey())+"\n")
	_, err = says(t, s.Addr, "hello")
	wantError(t, err, "has another key", "known_hosts:1")
	if s.Logins() > 0 {
		t.Error("the host was logged in to")
	}

	// A hashed name, and a key of another kind beside the right one.
	write(t, known, knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(s.Addr))}, s.Key)+"\n")
	if _, err := says(t, s.Addr, "hello"); err != nil {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	s := remotetest.NewServer(t, key.PublicKey(), echo)
	home := remotetest.Home(t, key, pem, s)
	identity := filepath.Join(home, ".ssh", "id_ed25519")

	_, lockedPEM := remotetest.NewKey(t, "secret")
	write(t, identity, string(lockedPEM))
	_, err := says(t, s.Addr, "hello")
	wantError(t, err, identity+" has a passphrase", "ssh-add "+identity)

	if err := os.Remove(identity); err != nil {
		t.Fatal(err)
	}
	_, err = says(t, s.Addr, "hello")
	wantError(t, err, "with 0 keys", "neither an agent's (SSH_AUTH_SOCK) nor a file's")

	_, anotherPEM := remotetest.NewKey(t, "")
	write(t, identity, string(anotherPEM))
	_, err = says(t, s.Addr, "hello")
	wantError(t, err, "does not let", "with 1 keys", "must work without asking")

	// Through an agent that has it, among others.
	ring := agent.NewKeyring()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ssh.ParseRawPrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []any{private, raw} {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			agent.ServeAgent(ring, conn) // ends with the connection
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	t.Setenv("SSH_AUTH_SOCK", socket)
	if out, err := says(t, s.Addr, "hello"); err != nil || out != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket+"x")
	_, err = says(t, s.Addr, "hello")
	wantError(t, err, "the agent does not answer")
}

// The way leads through two other hosts.
func TestProxyJump(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	var servers []*remotetest.Server
	for range 3 {
		servers = append(servers, remotetest.NewServer(t, key.PublicKey(), echo))
	}
	home := remotetest.Home(t, key, pem, servers...)
	host, port, _ := net.SplitHostPort(servers[0].Addr)
	config := filepath.Join(home, ".ssh", "config")
	write(t, config, fmt.Sprintf("Host inner\n  HostName %s\n  Port %s\n  ProxyJump %s,%s\n", host, port, servers[1].Addr, servers[2].Addr))
	if out, err := says(t, "inner", "hello"); err != nil || out != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	for i, s := range servers {
		if s.Logins() != 1 {
			t.Errorf("host %d was logged in to %d times", i, s.Logins())
		}
	}
	write(t, config, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
	_, err := says(t, "a", "hello")
	wantError(t, err, "does ProxyJump in ~/.ssh/config lead in a circle")
	write(t, config, "Host a\n  ProxyCommand nc %h %p\n")
	_, err = says(t, "a", "hello")
	wantError(t, err, "use ProxyJump")
}

// A host that accepts and says nothing.
func TestDialEndsWithItsContext(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	remotetest.Home(t, key, pem)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := remote.NewDialer()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			conn.Read(make([]byte, 1)) // it has begun to speak
			cancel(stop)
		}
	}()
	if _, err := d.Dial(ctx, l.Addr().String()); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestHostsAreChecked(t *testing.T) {
	key, pem := remotetest.NewKey(t, "")
	remotetest.Home(t, key, pem)
	for _, host := range []string{"", "-oProxyCommand=x", "a b", "a:0", "a:99999", "user@"} {
		_, err := says(t, host, "hello")
		wantError(t, err)
	}
}
