package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/store"
)

// A kept compiler is a directory of the store, named after the toolchain's
// identity, with the executable and its digest; or, where the toolchain was
// refused, a file beside it that says why.
type kept struct {
	path  string
	types string // of the compiler, see Compiler
}

const (
	compilerFile  = "compile"
	digestFile    = "digest"
	partSuffix    = ".part"    // directory where it is being made
	lockSuffix    = ".lock"    // file that its maker holds locked; stays
	refusedSuffix = ".refused" // file with the reason
)

// witness is the file with what the executable looked like when this machine last
// compared its digest. On a shared file system the next machine sees another device,
// and would not find it as it was.
func (k kept) witness() string {
	host, _ := os.Hostname()
	return filepath.Join(k.path, "witness-"+host)
}

// retryAfter is how long a refused toolchain is left alone. A minute of work
// that fails the same way each time is not worth having before every build;
// but a full disk is no verdict for good.
const retryAfter = time.Hour

// lockPoll is how often a waiting process tries the lock: rarely enough to
// cost nothing, often enough not to be felt after a minute of waiting.
const lockPoll = 100 * time.Millisecond

// errAbsent says that there is neither a compiler nor a recent refusal.
var errAbsent = errors.New("no pipelined compiler is kept")

// load returns the compiler, if it is whole, or the reason of a refusal, or
// errAbsent.
func (k kept) load() (Compiler, error) {
	text, err := os.ReadFile(filepath.Join(k.path, digestFile))
	if err == nil {
		digest := strings.TrimSpace(string(text))
		if k.untouched() || k.compare(digest, time.Now()) {
			return Compiler{Path: filepath.Join(k.path, compilerFile), Digest: digest, Signal: SignalEnv, Types: k.types}, nil
		}
		return Compiler{}, errAbsent
	}
	refused, err := os.Stat(k.path + refusedSuffix)
	if err != nil || time.Since(refused.ModTime()) > retryAfter {
		return Compiler{}, errAbsent
	}
	reason, err := os.ReadFile(k.path + refusedSuffix)
	if err != nil {
		return Compiler{}, err
	}
	return Compiler{}, errors.New(string(reason))
}

// untouched reports whether executable and digest are as they were, by size, times
// and inode, when they were last compared. To read 35 MB takes a node of one core a
// hundredth of a small build.
func (k kept) untouched() bool {
	var w store.Witness
	text, err := os.ReadFile(k.witness())
	if err != nil || msgpack.Unmarshal(text, &w) != nil || len(w.Places) != 1 || len(w.Places[0].Names) != 2 {
		return false
	}
	w.Places[0].Dir = k.path // it may have another name by now
	return len(w.Changed()) == 0
}

// compare reports whether the executable, read from the time now on, has that digest.
func (k kept) compare(digest string, now time.Time) bool {
	is, err := fileDigest(filepath.Join(k.path, compilerFile))
	if err != nil || is != digest {
		return false
	}
	_ = k.remember(now) // if it cannot be remembered it is read again
	return true
}

// remember writes the witness of what has been compared, read from begun on.
func (k kept) remember(begun time.Time) error {
	w, err := store.Observe([]store.Sight{{Dir: k.path, Names: map[string]bool{compilerFile: true, digestFile: true}}}, begun, nil)
	if err != nil || len(w.Places[0].Contents) > 0 { // too young to be known by its times
		return err
	}
	text, err := msgpack.Marshal(&w)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(k.path, ".witness-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), k.witness())
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// put fills the directory, which exists, with c.
func (k kept) put(c Compiler) error {
	if err := os.Rename(c.Path, filepath.Join(k.path, compilerFile)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(k.path, digestFile), []byte(c.Digest+"\n"), 0o666)
}

// refuse remembers why there is no compiler.
func (k kept) refuse(reason error) error {
	return os.WriteFile(k.path+refusedSuffix, []byte(reason.Error()), 0o666)
}

// lock waits for the lock under which the compiler is made, and returns the
// function that gives it back. waiting is called once if somebody has it. The
// lock ends with the process however that ends.
func (k kept) lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(k.path+lockSuffix, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for first := true; ; first = false {
		got, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		if got {
			return func() { f.Close() }, nil
		}
		if first {
			waiting()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		}
	}
}

// identity names everything that the compiler and its proof depend on: the
// toolchain's version and own compiler, the edited source, the probe, and
// what both run under. So it follows from it whether there are types, too.
func identity(goCmd Go) (id, types string, err error) {
	changed, types, err := Edits(goCmd.Root)
	if err != nil {
		return "", "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "host %s/%s %s\n", runtime.GOOS, runtime.GOARCH, goCmd.experiment())
	version, err := fileDigest(filepath.Join(goCmd.Root, "VERSION"))
	if err != nil {
		return "", "", err
	}
	stock, err := toolchain.ContentID(filepath.Join(goCmd.Root, stockCompiler()))
	if err != nil { // somebody else than the go command made it
		stock, err = fileDigest(filepath.Join(goCmd.Root, stockCompiler()))
	}
	if err != nil {
		return "", "", err
	}
	fmt.Fprintf(h, "VERSION %s\ncompile %s\n", version, stock)
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		fmt.Fprintf(h, "%s %x\n", filepath.Base(name), sha256.Sum256(changed[name]))
	}
	fmt.Fprintf(h, "probe %x\n", sha256.Sum256(probe))
	return hex.EncodeToString(h.Sum(nil)), types, nil
}

// stockCompiler is below GOROOT.
func stockCompiler() string {
	return filepath.Join("pkg", "tool", runtime.GOOS+"_"+runtime.GOARCH, "compile")
}
