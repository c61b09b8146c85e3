package remote

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keys are what a user can prove to be him with.
type keys struct {
	signers []ssh.Signer
	unfit   []string // why others are not among them
	close   func()
}

// findKeys collects the agent's keys and those of files. The agent's come first: they cost no passphrase.
func findKeys(t Target) *keys {
	k := &keys{close: func() {}}
	files, wanted := k.files(t)
	if t.agent != "" {
		conn, err := net.Dial("unix", t.agent)
		if err != nil {
			k.unfit = append(k.unfit, fmt.Sprintf("the agent does not answer (%v)", err))
		} else {
			k.close = func() { conn.Close() }
			signers, err := agent.NewClient(conn).Signers()
			if err != nil {
				k.unfit = append(k.unfit, fmt.Sprintf("the agent: %v", err))
			}
			for _, s := range signers {
				if !t.only || slices.ContainsFunc(wanted, func(p ssh.PublicKey) bool { return same(p, s.PublicKey()) }) {
					k.signers = append(k.signers, s)
				}
			}
		}
	}
	for _, f := range files {
		if !slices.ContainsFunc(k.signers, func(s ssh.Signer) bool { return same(s.PublicKey(), f.PublicKey()) }) {
			k.signers = append(k.signers, f)
		}
	}
	return k
}

// files reads the private keys that can be read without a passphrase, and the public halves of all.
func (k *keys) files(t Target) (signers []ssh.Signer, public []ssh.PublicKey) {
	for _, path := range t.identities {
		if text, err := os.ReadFile(path + ".pub"); err == nil {
			if p, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
				public = append(public, p)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			if !os.IsNotExist(err) {
				k.unfit = append(k.unfit, err.Error())
			}
			continue
		}
		s, err := ssh.ParsePrivateKey(text)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked):
			k.unfit = append(k.unfit, path+" has a passphrase: load it into an agent with `ssh-add "+path+"`")
			if locked.PublicKey != nil {
				public = append(public, locked.PublicKey)
			}
		case err != nil:
			k.unfit = append(k.unfit, fmt.Sprintf("%s: %v", path, err))
		default:
			signers, public = append(signers, s), append(public, s.PublicKey())
		}
	}
	return signers, public
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }
