package remotetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Exec runs a command on the server and returns its exit code. kill is closed when the client asks for it by a KILL.
type Exec func(command string, stdin io.Reader, stdout, stderr io.Writer, kill <-chan struct{}) int

// Server is one host.
type Server struct {
	Addr string // 127.0.0.1:port
	Key  ssh.PublicKey

	exec     Exec
	listener net.Listener
	config   *ssh.ServerConfig
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	gone   *sync.Cond // a connection has ended
	conns  map[net.Conn]bool
	logins int
	drop   int64 // bytes after which connections break; 0: never
}

// Home makes the home directory of a user of the servers: a key that they let in and known_hosts. It becomes this
// process's HOME, without an agent.
func Home(t testing.TB, key ssh.Signer, pemKey []byte, servers ...*Server) string {
	t.Helper()
	home := t.TempDir()
	dir := filepath.Join(home, ".ssh")
	var known strings.Builder
	for _, s := range servers {
		fmt.Fprintln(&known, knownhosts.Line([]string{s.Addr}, s.Key))
	}
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known.String()), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "id_ed25519"), pemKey, 0o600))
	setenv(t, "HOME", home)
	setenv(t, "SSH_AUTH_SOCK", "")
	return home
}

func setenv(t testing.TB, name, value string) {
	t.(interface{ Setenv(string, string) }).Setenv(name, value)
}

// NewKey makes a user's key.
func NewKey(t testing.TB, passphrase string) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return signer, pem.EncodeToMemory(block)
}

// NewServer starts a host that lets user in. exec may be nil. Files are this machine's; its home directory is where the
// test is. It ends with the test.
func NewServer(t testing.TB, user ssh.PublicKey, exec Exec) *Server {
	t.Helper()
	host, _ := NewKey(t, "")
	s := &Server{Key: host.PublicKey(), exec: exec, conns: map[net.Conn]bool{}}
	s.gone = sync.NewCond(&s.mu)
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	s.config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.listener, s.Addr = l, l.Addr().String()
	s.running.Go(s.acceptLoop)
	t.Cleanup(func() {
		l.Close()
		s.Break()
		s.running.Wait()
	})
	return s
}

// Break cuts all connections.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// BreakAfter cuts each new connection when so many bytes have come; 0 takes that back.
func (s *Server) BreakAfter(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop = n
}

// Settle waits until nothing is done for any connection any more.
func (s *Server) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.gone.Wait()
	}
}

// Logins counts those who were let in.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

func (s *Server) acceptLoop() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.drop > 0 {
			conn = &fragile{conn, s.drop}
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.running.Go(func() {
			s.serve(conn)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.gone.Broadcast()
			s.mu.Unlock()
		})
	}
}

// fragile breaks after some bytes.
type fragile struct {
	net.Conn
	left int64
}

func (f *fragile) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if f.left -= int64(n); f.left < 0 {
		f.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *Server) serve(conn net.Conn) {
	inner, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.logins++
	s.mu.Unlock()
	var open sync.WaitGroup
	defer open.Wait()
	defer inner.Close()
	open.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		switch c.ChannelType() {
		case "session":
			if channel, requests, err := c.Accept(); err == nil {
				open.Go(func() { s.session(channel, requests) })
			}
		case "direct-tcpip":
			open.Go(func() { forward(c) })
		default:
			c.Reject(ssh.UnknownChannelType, "not here")
		}
	}
}

func (s *Server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	kill := make(chan struct{})
	var killed sync.Once
	var work sync.WaitGroup
	defer work.Wait()
	defer channel.Close()
	for r := range requests {
		var text struct{ Value string }
		switch {
		case r.Type == "exec" && s.exec != nil && ssh.Unmarshal(r.Payload, &text) == nil:
			r.Reply(true, nil)
			work.Go(func() {
				code := s.exec(text.Value, channel, channel, channel.Stderr(), kill)
				channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
				channel.Close()
			})
		case r.Type == "signal":
			killed.Do(func() { close(kill) })
		case r.Type == "subsystem" && ssh.Unmarshal(r.Payload, &text) == nil && text.Value == "sftp":
			r.Reply(true, nil)
			work.Go(func() {
				if server, err := sftp.NewServer(channel); err == nil {
					server.Serve()
				}
				channel.Close()
			})
		default:
			r.Reply(false, nil)
		}
	}
}

// forward connects a client onward, as a jump host does.
func forward(c ssh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if err := ssh.Unmarshal(c.ExtraData(), &to); err != nil {
		c.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	if err != nil {
		c.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer conn.Close()
	channel, requests, err := c.Accept()
	if err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { ssh.DiscardRequests(requests) })
	both.Go(func() { io.Copy(conn, channel); conn.Close() })
	both.Go(func() { io.Copy(channel, conn); channel.Close() })
	both.Wait()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
