package launch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSecretIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	const ranks = 32
	secrets := make([][]byte, ranks)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if secrets[i], err = Secret(environ(), dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, s := range secrets {
		if len(s) != secretBits/8 || !bytes.Equal(s, secrets[0]) {
			t.Errorf("rank %d: %d bytes, the same as rank 0's: %v", i, len(s), bytes.Equal(s, secrets[0]))
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "distgo"))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the secret alone", entries, err)
	}
	info, err := os.Stat(filepath.Join(dir, "distgo", "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestSecretFromTheEnvironment(t *testing.T) {
	word := strings.Repeat("ab", 16)
	s, err := Secret(environ("DISTGO_SECRET="+word+"\n"), "/nowhere")
	if err != nil || !bytes.Equal(s, bytes.Repeat([]byte{0xab}, 16)) {
		t.Errorf("got %x, %v", s, err)
	}
	for _, bad := range []string{"correct horse battery staple", "abcd", word[1:]} {
		_, err := Secret(environ("DISTGO_SECRET="+bad), "")
		var usage *Error
		if !errors.As(err, &usage) {
			t.Errorf("%q: error %v, want an *Error", bad, err)
		} else if strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	if s, err := Secret(environ("DISTGO_SECRET="), ""); s != nil || err != nil {
		t.Errorf("without home and variable: %x, %v; want nothing", s, err)
	}
}

func TestSecretRefusesAFileOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Secret(environ(), dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "distgo", "secret")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(environ(), dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error %v, want one with a remedy", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o600)
	if _, err := Secret(environ(), dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names the file", err)
	}
}
