package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/badbubble/distgo/sync/stage/remote"
	"github.com/badbubble/distgo/sync/stage/remote/remotetest"
)

// rig is hosts with home directories of their own on this machine.
type rig struct {
	servers []*remotetest.Server
	hosts   []string
	homes   []string
	damage  atomic.Bool // digests come out wrong
	missing atomic.Bool // there is no distgo
}

func newRig(t *testing.T, n int) *rig {
	t.Helper()
	r := &rig{}
	key, pem := remotetest.NewKey(t, "")
	for range n {
		home := t.TempDir()
		s := remotetest.NewServer(t, key.PublicKey(), r.exec)
		r.servers, r.hosts, r.homes = append(r.servers, s), append(r.hosts, s.Addr), append(r.homes, home)
	}
	remotetest.Home(t, key, pem, r.servers...)
	t.Chdir(r.homes[0]) // where SFTP begins
	return r
}

func (r *rig) exec(command string, stdin io.Reader, stdout, stderr io.Writer, _ <-chan struct{}) int {
	if r.missing.Load() {
		fmt.Fprintln(stderr, "sh: not found")
		return 127
	}
	switch command {
	case `exec '/there/dist'\''go' unpack`:
		if err := Unpack(stdin); err != nil {
			fmt.Fprintln(stderr, "distgo:", err)
			return 3
		}
		return 0
	case `exec '/there/dist'\''go' digests`:
	default:
		fmt.Fprintf(stderr, "unexpected command %q\n", command)
		return 1
	}
	var out bytes.Buffer
	if err := Digests(stdin, &out); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	text := out.Bytes()
	if r.damage.Load() {
		text[len(text)-2] ^= 1
	}
	stdout.Write(text)
	return 0
}

var checked = PutOptions{Checker: "/there/dist'go"}

// put puts a tree at the same place on each host, below its own directory.
func (r *rig) put(t *testing.T, tree string) (Summary, error) {
	t.Helper()
	return Put(t.Context(), r.hosts[:1], []Item{{tree, filepath.Join(r.homes[0], "deep/down/tree")}}, checked)
}

func (r *rig) at(name string) string { return filepath.Join(r.homes[0], "deep/down/tree", name) }

// makeTree makes a tree of all sorts.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, f := range map[string]struct {
		size int
		mode fs.FileMode
	}{
		"a": {0, 0o644}, "b.sh": {10, 0o755}, "sub/c": {smallFile, 0o444}, "sub/deep/d": {smallFile + 1, 0o600},
		"sub/large": {3<<20 + 17, 0o640}, "closed/e": {5, 0o444}, "with space/and 'quotes'": {7, 0o644},
	} {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, bytes.Repeat([]byte(name), f.size/len(name)+1)[:f.size], 0o644))
		must(t, os.Chmod(path, f.mode))
		must(t, os.Chtimes(path, time.Time{}, time.Unix(1700000000+int64(f.size), 5000)))
	}
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o750))
	must(t, os.Symlink("../b.sh", filepath.Join(dir, "sub/link")))
	must(t, os.Symlink("/nowhere", filepath.Join(dir, "dangling")))
	must(t, os.Chmod(filepath.Join(dir, "closed"), 0o555))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "closed"), 0o755) })
	return dir
}

// snapshot describes a tree: what Put promises to keep.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			all[name] = info.Mode().String()
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			all[name] = "-> " + to
		default:
			sum, err := digestOf(path)
			if err != nil {
				return err
			}
			all[name] = fmt.Sprintf("%s %d %x", info.Mode(), info.ModTime().Unix(), sum[:4])
		}
		return nil
	}))
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: %s is %q, want %q", what, name, got[name], want[name])
			}
		}
		for name := range got {
			if want[name] == "" {
				t.Errorf("%s: %s is there", what, name)
			}
		}
	}
}

func TestPut(t *testing.T) {
	r := newRig(t, 1)
	tree := makeTree(t)
	// Removing the test's directories needs those that are closed to be opened again.
	t.Cleanup(func() { os.Chmod(r.at("closed"), 0o755) })

	sum, err := r.put(t, tree)
	must(t, err)
	if sum.Files != 9 || sum.Same != 0 || sum.Bytes < 3<<20 {
		t.Errorf("the first: %+v", sum)
	}
	same(t, "after the first", snapshot(t, r.at("")), snapshot(t, tree))

	sum, err = r.put(t, tree)
	must(t, err)
	if sum.Files != 0 || sum.Same != 9 || sum.Bytes != 0 {
		t.Errorf("the second: %+v", sum)
	}

	// What has changed here or there, in every way that counts, and what is new.
	must(t, os.WriteFile(filepath.Join(tree, "a"), []byte("new"), 0o644))
	must(t, os.Chmod(filepath.Join(tree, "b.sh"), 0o700))
	must(t, os.Chmod(filepath.Join(tree, "closed"), 0o755))
	must(t, os.WriteFile(filepath.Join(tree, "closed/new"), []byte("x"), 0o400))
	must(t, os.Chmod(filepath.Join(tree, "closed"), 0o555))
	must(t, os.Remove(filepath.Join(tree, "dangling")))
	must(t, os.Symlink("elsewhere", filepath.Join(tree, "dangling")))
	must(t, os.Chtimes(r.at("sub/large"), time.Time{}, time.Unix(5, 0)))
	must(t, os.WriteFile(r.at("somebody's"), nil, 0o644))
	sum, err = r.put(t, tree)
	must(t, err)
	if sum.Files != 5 || sum.Same != 5 {
		t.Errorf("the third: %+v", sum)
	}
	must(t, os.Remove(r.at("somebody's"))) // it was left alone
	same(t, "after the third", snapshot(t, r.at("")), snapshot(t, tree))
}

// One of the hosts cannot be reached: the others get everything, and the error names it.
func TestPutToSeveral(t *testing.T) {
	r := newRig(t, 3)
	tree := makeTree(t)
	dest := filepath.Join(t.TempDir(), "tree") // all hosts are this machine
	other := remotetest.NewServer(t, r.servers[0].Key, nil)
	_, err := Put(t.Context(), []string{r.hosts[0], other.Addr}, []Item{{tree, dest}}, checked)
	var way *remote.Error
	if !errors.As(err, &way) || !strings.Contains(err.Error(), other.Addr) {
		t.Errorf("%v", err)
	}
	same(t, "the good host", snapshot(t, dest), snapshot(t, tree))
	must(t, os.Chmod(filepath.Join(dest, "closed"), 0o755))
}

// A connection that breaks half-way leaves whole files only, and the next Put goes on.
func TestPutGoesOn(t *testing.T) {
	r := newRig(t, 1)
	tree := t.TempDir()
	for i := range 400 {
		must(t, os.WriteFile(filepath.Join(tree, fmt.Sprint(i)), bytes.Repeat([]byte{byte(i)}, 10_000), 0o644))
	}
	r.servers[0].BreakAfter(2_000_000)
	if _, err := r.put(t, tree); err == nil {
		t.Fatal("the connection did not break")
	}
	r.servers[0].Settle()
	want := snapshot(t, tree)
	whole := 0
	for name, what := range snapshot(t, r.at("")) {
		if name != "." && !strings.HasPrefix(name, partPrefix) {
			whole++
			if want[name] != what {
				t.Errorf("%s is %s", name, what)
			}
		}
	}
	r.servers[0].BreakAfter(0)
	sum, err := r.put(t, tree)
	must(t, err)
	if sum.Same != whole || sum.Files != 400-whole || whole == 0 {
		t.Errorf("%d files were whole, and then %+v", whole, sum)
	}
	same(t, "at last", snapshot(t, r.at("")), want)
}

func TestPutVerifies(t *testing.T) {
	r := newRig(t, 1)
	tree := makeTree(t)
	t.Cleanup(func() { os.Chmod(r.at("closed"), 0o755) })
	r.damage.Store(true)
	if _, err := r.put(t, tree); err == nil || !strings.Contains(err.Error(), "did not arrive as it was sent") {
		t.Errorf("%v", err)
	}
	must(t, os.WriteFile(filepath.Join(tree, "a"), []byte("new"), 0o644))
	r.missing.Store(true)
	var way *remote.Error
	if _, err := r.put(t, tree); !errors.As(err, &way) || !strings.Contains(err.Error(), "distgo does not run there (exit code 127): sh: not found") {
		t.Errorf("%v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	r := newRig(t, 1)
	tree := makeTree(t)
	must(t, os.MkdirAll(r.at("a"), 0o755)) // a directory in the place of a file
	if _, err := r.put(t, tree); err == nil || !strings.Contains(err.Error(), "a is a directory there and none here") {
		t.Errorf("%v", err)
	}
	must(t, os.Remove(r.at("a")))
	must(t, os.WriteFile(r.at("sub"), nil, 0o644)) // and the other way round
	if _, err := r.put(t, tree); err == nil || !strings.Contains(err.Error(), "sub is no directory there") {
		t.Errorf("%v", err)
	}
	if got := snapshot(t, r.at("")); len(got) != 2 {
		t.Errorf("something was put all the same: %v", got)
	}
	for _, item := range []Item{{tree, "relative"}, {filepath.Join(tree, "nothing"), ""}, {tree, "/a\nb"}} {
		if _, err := Put(t.Context(), r.hosts, []Item{item}, checked); err == nil {
			t.Errorf("%v was put", item)
		}
	}
}

// A full disk is one error that says so, before and while files are sent, and what was there stays.
func TestFullDisk(t *testing.T) {
	r := newRig(t, 1)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("mounting a small disk: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
	tree := t.TempDir()
	must(t, os.WriteFile(filepath.Join(tree, "file"), bytes.Repeat([]byte("x"), 900<<10), 0o644))
	must(t, os.WriteFile(filepath.Join(small, "file"), bytes.Repeat([]byte("o"), 800<<10), 0o644))
	_, err := Put(t.Context(), r.hosts, []Item{{tree, small}}, checked)
	var full *fullError
	if !errors.As(err, &full) || !strings.Contains(err.Error(), "has 0.2 MB left and 0.9 MB are to be put there") || strings.Contains(err.Error(), "\n") {
		t.Errorf("before: %v", err)
	}
	entries, err := list([]Item{{filepath.Join(tree, "file"), filepath.Join(small, "file")}})
	must(t, err)
	err = onAll(t.Context(), r.hosts, func(_ context.Context, n *node) error { return n.explain(entries[0], n.send(entries[0])) })
	if !errors.As(err, &full) {
		t.Errorf("while: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(small, "file")); err != nil || len(text) != 800<<10 || text[0] != 'o' {
		t.Errorf("the old file is gone: %d bytes, %v", len(text), err)
	}
	if names, _ := filepath.Glob(filepath.Join(small, partPrefix+"*")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestClean(t *testing.T) {
	r := newRig(t, 1)
	tree := makeTree(t)
	before := snapshot(t, r.homes[0])
	must(t, os.MkdirAll(r.at("sub"), 0o755))
	must(t, os.WriteFile(r.at("sub/somebody's"), []byte("x"), 0o644))
	there := snapshot(t, r.homes[0])
	_, err := r.put(t, tree)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(tree, "a"), []byte("second"), 0o644))
	_, err = r.put(t, tree)
	must(t, err)

	// Changed since: it stays.
	must(t, os.WriteFile(r.at("b.sh"), []byte("edited there"), 0o755))
	sum, err := Clean(t.Context(), r.hosts)
	must(t, err)
	if want := []string{r.hosts[0] + ":" + r.at("b.sh")}; !slices.Equal(sum.Skipped, want) || sum.Files != 8 {
		t.Errorf("%+v, want %v to stay", sum, want)
	}
	must(t, os.Remove(r.at("b.sh")))
	same(t, "what is left", snapshot(t, r.homes[0]), there)

	sum, err = Clean(t.Context(), r.hosts)
	if err != nil || sum.Files != 0 {
		t.Errorf("again: %+v, %v", sum, err)
	}
	must(t, os.RemoveAll(filepath.Join(r.homes[0], "deep")))
	_, err = r.put(t, tree)
	must(t, err)
	_, err = Clean(t.Context(), r.hosts)
	must(t, err)
	same(t, "all of it", snapshot(t, r.homes[0]), before)
}

// A Put that was killed has left a journal and parts; Clean finds them.
func TestCleanAfterAKilledPut(t *testing.T) {
	r := newRig(t, 1)
	tree := t.TempDir()
	before := snapshot(t, r.homes[0])
	for i := range 400 {
		must(t, os.WriteFile(filepath.Join(tree, fmt.Sprint(i)), bytes.Repeat([]byte{byte(i)}, 10_000), 0o644))
	}
	r.servers[0].BreakAfter(2_000_000)
	if _, err := r.put(t, tree); err == nil {
		t.Fatal("the connection did not break")
	}
	r.servers[0].Settle()
	r.servers[0].BreakAfter(0)
	_, err := Clean(t.Context(), r.hosts)
	must(t, err)
	same(t, "what is left", snapshot(t, r.homes[0]), before)
}

func TestFetch(t *testing.T) {
	r := newRig(t, 1)
	tree := makeTree(t)
	must(t, os.Rename(tree, filepath.Join(r.homes[0], "results")))
	must(t, os.Mkdir(tree, 0o755)) // for its cleanup
	t.Cleanup(func() { os.Chmod(filepath.Join(r.homes[0], "results/closed"), 0o755) })
	must(t, os.WriteFile(filepath.Join(r.homes[0], "report.json"), []byte("{}"), 0o644))
	into := t.TempDir()
	sum, err := Fetch(t.Context(), r.hosts, []string{"results", "*.json"}, into, nil)
	must(t, err)
	if sum.Files != 8 || len(sum.Skipped) != 2 {
		t.Errorf("%+v", sum)
	}
	here := filepath.Join(into, strings.ReplaceAll(r.hosts[0], ":", "_"))
	got, want := snapshot(t, filepath.Join(here, "results")), snapshot(t, filepath.Join(r.homes[0], "results"))
	maps.DeleteFunc(want, func(_, what string) bool { return strings.HasPrefix(what, "->") })
	for _, all := range []map[string]string{got, want} { // directories are made as the user makes his
		maps.DeleteFunc(all, func(_, what string) bool { return strings.HasPrefix(what, "d") })
	}
	same(t, "fetched", got, want)
	if text, err := os.ReadFile(filepath.Join(here, "report.json")); string(text) != "{}" {
		t.Errorf("%q, %v", text, err)
	}
	sum, err = Fetch(t.Context(), r.hosts, []string{"results", "*.json"}, into, nil)
	if err != nil || sum.Files != 0 || sum.Same != 8 {
		t.Errorf("again: %+v, %v", sum, err)
	}
	if _, err := Fetch(t.Context(), r.hosts, []string{"*.none"}, into, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing to fetch: %v", err)
	}
}

// Whatever is in the way, nothing is written outside the directory.
func TestFetchStaysInside(t *testing.T) {
	r := newRig(t, 1)
	must(t, os.WriteFile(filepath.Join(r.homes[0], "file"), []byte("theirs"), 0o644))
	into, outside := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(into, hostDir(r.hosts[0]))))
	if _, err := Fetch(t.Context(), r.hosts, []string{"file"}, into, nil); err == nil {
		t.Error("a link led out")
	}
	if got := snapshot(t, outside); len(got) != 1 {
		t.Errorf("outside: %v", got)
	}
	for host, want := range map[string]string{"../x": "_x", "me@a:22": "me@a_22", "..": ""} {
		if got := hostDir(host); got != want && host != ".." || strings.Contains(got, "/") {
			t.Errorf("%s is called %s", host, got)
		}
	}
}

func TestEndsOnContext(t *testing.T) {
	r := newRig(t, 1)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := Put(ctx, r.hosts, []Item{{makeTree(t), r.at("")}}, checked); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"path":"/a/b","size":3,"time":5}` + "\n" + `{"path":"/a","dir":true}` + "\n"))
	f.Add([]byte(`{"path":"/a/../b"}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var (
			records []record
			err     error
		)
		if n := allocated(func() { records, err = parseJournal(bytes.NewReader(text)) }); n > 1<<20+1000*uint64(len(text)) {
			t.Errorf("%d bytes made it allocate %d", len(text), n)
		}
		if err != nil {
			return
		}
		for _, r := range records {
			if !filepath.IsAbs(r.Path) || filepath.Clean(r.Path) != r.Path || r.Path == "/" {
				t.Errorf("%q passes for a path", r.Path)
			}
		}
	})
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
