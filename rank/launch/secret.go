package launch

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// secretBits is what a secret made here holds, and minSecretBits what one given must hold at least: guessing stays out of
// reach whatever hash the handshake uses.
const (
	secretBits    = 256
	minSecretBits = 128
	maxSecretFile = 4096
)

// Secret returns the secret that the ranks of this user's runs prove knowledge of: DISTGO_SECRET, else the content of
// <configDir>/distgo/secret, which is made when it is missing. Any number of ranks may make it at once, on a shared
// file system too: all return the same. Without DISTGO_SECRET and configDir it returns nil, which is good for loopback
// only. No error holds the secret.
func Secret(env func(string) (string, bool), configDir string) ([]byte, error) {
	if v, ok := env("DISTGO_SECRET"); ok && v != "" {
		secret, err := decodeSecret([]byte(v))
		if err != nil {
			return nil, &Error{"", "DISTGO_SECRET: " + err.Error(), "make one with: openssl rand -hex 32"}
		}
		return secret, nil
	}
	if configDir == "" {
		return nil, nil
	}
	path := filepath.Join(configDir, "distgo", "secret")
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(path); err != nil {
		return nil, fmt.Errorf("making the secret (or set DISTGO_SECRET to the same 64 hex digits on every node): %w", err)
	}
	return readSecret(path)
}

// NewSecret returns a fresh secret, in hex as DISTGO_SECRET wants it.
func NewSecret() string {
	var b [secretBits / 8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

func decodeSecret(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	secret := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(secret, text); err != nil {
		return nil, errors.New("it is not hexadecimal") // the decoder's own words would quote the secret
	}
	if len(secret)*8 < minSecretBits {
		return nil, fmt.Errorf("it has %d bits, and %d is the least", len(secret)*8, minSecretBits)
	}
	return secret, nil
}

func readSecret(path string) ([]byte, error) {
	// O_NONBLOCK: a FIFO in its place must not hang us before the check below refuses it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.Mode().IsRegular():
		return nil, &Error{"", path + " is not a regular file", "remove it, and a new secret is made"}
	case int(owner) != os.Geteuid():
		return nil, &Error{"", fmt.Sprintf("%s belongs to user %d", path, owner), "remove it, and a new secret is made"}
	case info.Mode().Perm()&0o077 != 0:
		return nil, &Error{"", fmt.Sprintf("%s can be read by others (mode %04o)", path, info.Mode().Perm()),
			"remove it if others use this machine, else chmod 600 it"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return nil, err
	}
	secret, err := decodeSecret(text)
	if err != nil {
		return nil, &Error{"", path + ": " + err.Error(), "remove it, and a new one is made"}
	}
	return secret, nil
}

// makeSecret writes a whole file under a name of its own and links it into place: link(2) is atomic on NFS too, and
// unlike rename(2) it never replaces what another rank has put there first.
func makeSecret(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = io.WriteString(temp, NewSecret()+"\n")
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
