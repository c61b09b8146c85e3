package remote

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kevinburke/ssh_config"
)

// Error says that a host cannot be reached the way things are set up. It belongs to the usage family.
type Error struct {
	Text string
	Hint string // what to do about it
	Err  error  // may be nil
}

func (e *Error) Error() string { return e.Text + ": " + e.Hint }
func (e *Error) Unwrap() error { return e.Err }

// Target is what reaching one host takes.
type Target struct {
	Name string // as the user calls it
	Host string // name or address to dial
	Port int
	User string

	jump       []string // hosts on the way, "[user@]host[:port]", nearest first
	identities []string // files of private keys
	only       bool     // no keys of the agent but those
	known      []string // files of host keys
	alias      string   // name under which the host's key is known; "" for its own
	agent      string   // socket of the agent; "" for none
	timeout    time.Duration
}

// Addr is the address to dial.
func (t Target) Addr() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// defaultTimeout is for connecting. A name that does not answer in that time is down, or behind a firewall.
const defaultTimeout = 15 * time.Second

// settings answer what the configuration says about a host: the user's file first, then the system's.
type settings struct {
	home  string
	files []*ssh_config.Config
	agent string // SSH_AUTH_SOCK
}

func readSettings(home, system, agent string) (*settings, error) {
	s := &settings{home: home, agent: agent}
	for _, path := range []string{filepath.Join(home, ".ssh", "config"), system} {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		c, err := ssh_config.DecodeBytes(text)
		if err != nil {
			return nil, &Error{fmt.Sprintf("%s: %v", path, err), "distgo reads Host, Match host, Match all and Include; take out the rest or give hosts as user@address:port", err}
		}
		s.files = append(s.files, c)
	}
	return s, nil
}

func (s *settings) get(name, key string) (string, error) {
	for _, f := range s.files {
		if v, err := f.Get(name, key); err != nil || v != "" {
			return v, err
		}
	}
	return "", nil
}

func (s *settings) all(name, key string) ([]string, error) {
	var values []string
	for _, f := range s.files {
		v, err := f.GetAll(name, key)
		if err != nil {
			return nil, err
		}
		values = append(values, v...)
	}
	return values, nil
}

// target finds out how to reach a host given as [user@]name[:port].
func (s *settings) target(spec string) (t Target, err error) {
	name, port := spec, ""
	if i := strings.LastIndex(name, "@"); i >= 0 {
		t.User, name = name[:i], name[i+1:]
	}
	if host, p, err := net.SplitHostPort(name); err == nil {
		name, port = host, p
	}
	name = strings.Trim(name, "[]")
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \t\r\n/'\"\\") {
		return t, &Error{Text: fmt.Sprintf("%q is not a host", spec), Hint: "give it as [user@]name[:port]"}
	}
	t.Name = name
	var words struct{ host, port, user, jump, command, only, alias, agent, timeout, known, global string }
	for key, to := range map[string]*string{
		"HostName": &words.host, "Port": &words.port, "User": &words.user, "ProxyJump": &words.jump, "ProxyCommand": &words.command,
		"IdentitiesOnly": &words.only, "HostKeyAlias": &words.alias, "IdentityAgent": &words.agent, "ConnectTimeout": &words.timeout,
		"UserKnownHostsFile": &words.known, "GlobalKnownHostsFile": &words.global,
	} {
		if *to, err = s.get(name, key); err != nil {
			return t, err
		}
	}
	t.Host = name
	if words.host != "" {
		t.Host = strings.NewReplacer("%%", "%", "%h", name).Replace(words.host)
	}
	if port == "" {
		port = words.port
	}
	if port == "" {
		port = "22"
	}
	if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
		return t, &Error{Text: fmt.Sprintf("%s: port %q is not between 1 and 65535", spec, port), Hint: "give the host as [user@]name[:port]"}
	}
	if t.User == "" {
		t.User = words.user
	}
	if t.User == "" {
		if t.User, err = ownName(); err != nil {
			return t, err
		}
	}
	if words.jump != "" && words.jump != "none" {
		t.jump = strings.Split(words.jump, ",")
	} else if words.command != "" && words.command != "none" {
		return t, &Error{Text: spec + ": ~/.ssh/config has a ProxyCommand for it, and distgo runs none", Hint: "use ProxyJump"}
	}
	t.only = words.only == "yes"
	t.alias = words.alias
	if t.agent = s.agent; words.agent == "none" {
		t.agent = ""
	} else if words.agent != "" && words.agent != "SSH_AUTH_SOCK" {
		t.agent = s.expand(words.agent, t)
	}
	t.timeout = defaultTimeout
	if seconds, err := strconv.Atoi(words.timeout); err == nil && seconds > 0 {
		t.timeout = time.Duration(seconds) * time.Second
	}
	if t.identities, err = s.all(name, "IdentityFile"); err != nil {
		return t, err
	}
	if len(t.identities) == 0 {
		t.identities = []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}
	}
	for i := range t.identities {
		t.identities[i] = s.expand(t.identities[i], t)
	}
	if words.known == "" {
		words.known = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
	}
	if words.global == "" {
		words.global = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
	}
	for _, path := range strings.Fields(words.known + " " + words.global) {
		t.known = append(t.known, s.expand(path, t))
	}
	return t, nil
}

// expand replaces what OpenSSH replaces in the names of files.
func (s *settings) expand(path string, t Target) string {
	path = strings.Trim(path, `"`)
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = filepath.Join(s.home, rest)
	}
	own, _ := ownName() // only %u needs it
	return strings.NewReplacer("%%", "%", "%d", s.home, "%h", t.Host, "%n", t.Name, "%p", strconv.Itoa(t.Port), "%r", t.User, "%u", own).Replace(path)
}

func ownName() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", &Error{"this user has no name", "give hosts as user@name", err}
	}
	return u.Username, nil
}
