package remote

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys returns how a host's key is checked, and which kinds of key to ask the host for: one of those that are known,
// because a host shows only one of its keys, and another kind would look like an impostor's.
func hostKeys(t Target) (ssh.HostKeyCallback, []string, error) {
	files := slices.DeleteFunc(slices.Clone(t.known), func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, &Error{fmt.Sprintf("host keys: %v", err), "mend the file", err}
	}
	name := t.Addr()
	if t.alias != "" {
		name = net.JoinHostPort(t.alias, "22")
	}
	check := func(_ string, remote net.Addr, key ssh.PublicKey) error {
		err := known(name, remote, key)
		var unlike *knownhosts.KeyError
		switch {
		case !errors.As(err, &unlike):
			return err
		case len(unlike.Want) == 0:
			return &Error{fmt.Sprintf("the key of host %s (%s %s) is in none of %s", t.Name, key.Type(), ssh.FingerprintSHA256(key), strings.Join(t.known, ", ")),
				"log in once with `ssh " + t.Name + "` and check it", err}
		}
		return &Error{fmt.Sprintf("host %s has another key (%s %s) than %s", t.Name, key.Type(), ssh.FingerprintSHA256(key), unlike.Want[0].String()),
			"it was installed anew, or somebody else answers; see `ssh " + t.Name + "`", err}
	}
	return check, algorithms(known, name), nil
}

// algorithms lists how a host may prove the keys that are known of it; nil for all that there are.
func algorithms(known ssh.HostKeyCallback, name string) []string {
	// The answer to a key that nobody can have names those that would have been right.
	impossible, err := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		panic(err) // the size is right
	}
	var unlike *knownhosts.KeyError
	if !errors.As(known(name, &net.TCPAddr{}, impossible), &unlike) {
		return nil
	}
	var names []string
	for _, k := range unlike.Want {
		switch t := k.Key.Type(); t {
		case ssh.KeyAlgoRSA:
			names = append(names, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			names = append(names, t)
		}
	}
	return names
}
