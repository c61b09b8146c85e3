package toolchain

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/badbubble/distgo/plan"
)

// Files of learned C flags are named by what they depend on.

func (t *Toolchain) memory(keep, compiler string) (string, error) {
	identity, err := t.Identity()
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(compiler)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("1 %s %s %d %d %s/%s %q %q %q", identity, path, fi.Size(), fi.ModTime().UnixNano(),
		t.Env["GOOS"], t.Env["GOARCH"], t.Env["CC"], t.Env["CXX"], t.Env["FC"])
	return filepath.Join(keep, fmt.Sprintf("%x.json", sha256.Sum256([]byte(key)))), nil
}

// recall reads what was learned about a compiler, if it was.
func (t *Toolchain) recall(keep, compiler string) (flags plan.CFlags, ok bool) {
	path, err := t.memory(keep, compiler)
	if err != nil {
		return flags, false
	}
	text, err := os.ReadFile(path)
	return flags, err == nil && json.Unmarshal(text, &flags) == nil
}

// remember keeps what was learned. Runs beside this one find a whole file or
// none.
func (t *Toolchain) remember(keep, compiler string, flags plan.CFlags) error {
	path, err := t.memory(keep, compiler)
	if err != nil {
		return err
	}
	text, err := json.Marshal(flags)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(keep, "new-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
