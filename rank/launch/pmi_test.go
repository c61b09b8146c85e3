package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// pmiServer is a launcher with n ranks, as much of it as PMI-1 shows.
type pmiServer struct {
	mu      sync.Mutex
	values  map[string]string
	waiting []net.Conn
	size    int
}

func newPMIServer(n int) *pmiServer {
	return &pmiServer{values: map[string]string{}, size: n}
}

// connect returns a rank's end of the line.
func (s *pmiServer) connect(t *testing.T) net.Conn {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(ours); lines.Scan(); {
			s.answer(ours, lines.Text())
		}
	}()
	t.Cleanup(func() { theirs.Close(); ours.Close(); <-done })
	return theirs
}

func (s *pmiServer) answer(c net.Conn, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	words, _ := parsePMI(line)
	switch words["cmd"] {
	case "init":
		fmt.Fprintln(c, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0")
	case "get_maxes":
		fmt.Fprintln(c, "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=64")
	case "get_my_kvsname":
		fmt.Fprintln(c, "cmd=my_kvsname kvsname=kvs_1_0")
	case "put":
		s.values[words["key"]] = words["value"]
		fmt.Fprintln(c, "cmd=put_result rc=0 msg=success")
	case "barrier_in":
		if s.waiting = append(s.waiting, c); len(s.waiting) == s.size {
			for _, w := range s.waiting {
				fmt.Fprintln(w, "cmd=barrier_out")
			}
			s.waiting = nil
		}
	case "get":
		if v, ok := s.values[words["key"]]; ok {
			fmt.Fprintf(c, "cmd=get_result rc=0 msg=success value=%s\n", v)
		} else {
			fmt.Fprintln(c, "cmd=get_result rc=-1 msg=key_not_found value=unknown")
		}
	case "finalize":
		fmt.Fprintln(c, "cmd=finalize_ack")
	}
}

func TestPMIMeeting(t *testing.T) {
	const size = 3
	s := newPMIServer(size)
	want := []string{"10.0.0.1:7", "10.0.0.2:7"}
	var wg sync.WaitGroup
	for rank := range size {
		conn := s.connect(t)
		wg.Go(func() {
			pmi, err := NewPMI(t.Context(), conn)
			if err != nil {
				t.Error(err)
				return
			}
			m := &Meeting{pmi: pmi}
			if rank == 0 {
				// What does not fit a value is left out from the end.
				err = m.Publish(t.Context(), append(want[:2:2], strings.Repeat("f", 60)+":7"))
			} else {
				var addrs []string
				if addrs, err = m.Await(t.Context(), nil); !reflect.DeepEqual(addrs, want) {
					t.Errorf("rank %d got %v, want %v", rank, addrs, want)
				}
				if addrs, _ = m.Await(t.Context(), want); !reflect.DeepEqual(addrs, want) {
					t.Errorf("rank %d got %v the second time", rank, addrs)
				}
			}
			if err := errors.Join(err, m.Close(t.Context(), Place{Rank: rank})); err != nil {
				t.Errorf("rank %d: %v", rank, err)
			}
		})
	}
	wg.Wait()
}

func TestPMIErrors(t *testing.T) {
	s := newPMIServer(2)
	p, err := NewPMI(t.Context(), s.connect(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.KVS != "kvs_1_0" {
		t.Errorf("space %q", p.KVS)
	}
	if _, err := p.Get(t.Context(), "absent"); err == nil || !strings.Contains(err.Error(), "key_not_found") {
		t.Errorf("get of what nobody put: %v", err)
	}
	for _, bad := range [][2]string{{"", "v"}, {"a b", "v"}, {"a=b", "v"}, {"k", ""}, {"k", "v\ncmd=abort"}, {strings.Repeat("k", 64), "v"}, {"k", strings.Repeat("v", 64)}} {
		if err := p.Put(t.Context(), bad[0], bad[1]); err == nil {
			t.Errorf("put of %q was sent", bad)
		}
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := p.Barrier(ctx); !errors.Is(err, stop) { // the other rank never comes
		t.Errorf("barrier: %v, want the context's cause", err)
	}
}

func TestPMIDistrustsTheLauncher(t *testing.T) {
	for _, answer := range []string{
		"cmd=barrier_out\n", "cmd=response_to_init rc=1\n", "hello\n", "\n", strings.Repeat("x", 2*pmiLine) + "\n", "cmd=response_to_init rc=0", "=\n",
	} {
		ours, theirs := net.Pipe()
		go func() {
			bufio.NewReader(ours).ReadString('\n')
			ours.Write([]byte(answer))
			ours.Close()
		}()
		if _, err := NewPMI(t.Context(), theirs); err == nil {
			t.Errorf("%.40q was accepted", answer)
		}
		theirs.Close()
	}
}

func TestOpenMeeting(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	mpi := Place{Launcher: "openmpi", Rank: 1, Size: 2, RunKey: "ns", LocalSize: 1}
	root := mpi
	root.Rank = 0
	m, _, err := OpenMeeting(ctx, root, environ(), dir)
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := OpenMeeting(ctx, mpi, environ(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Publish(ctx, []string{"10.0.0.1:7"}); err != nil {
		t.Fatal(err)
	}
	if addrs, err := j.Await(ctx, nil); err != nil || len(addrs) != 1 || addrs[0] != "10.0.0.1:7" {
		t.Errorf("through the file: %v, %v", addrs, err)
	}
	if err := errors.Join(j.Close(ctx, mpi), m.Close(ctx, root)); err != nil || len(mustList(t, dir)) > 0 {
		t.Errorf("%v, left %v", err, mustList(t, dir))
	}

	given := Place{Size: 2, Root: "127.0.0.1:5", RunKey: "x"}
	m, _, err = OpenMeeting(ctx, given, environ("PMI_FD=99"), dir)
	if err != nil {
		t.Fatal(err)
	}
	if addrs, err := m.Await(ctx, nil); err != nil || addrs[0] != given.Root {
		t.Errorf("told by the launcher: %v, %v", addrs, err)
	}
	if _, _, err := OpenMeeting(ctx, mpi, environ(), ""); err == nil || !strings.Contains(err.Error(), "DISTGO_ROOT") {
		t.Errorf("without a directory: %v, want the remedy", err)
	}
	for _, fd := range []string{"x", "1", "999"} {
		var usage *Error
		if _, _, err := OpenMeeting(ctx, mpi, environ("PMI_FD="+fd), dir); !errors.As(err, &usage) {
			t.Errorf("PMI_FD=%s: %v", fd, err)
		}
	}
}

func FuzzParsePMI(f *testing.F) {
	for _, seed := range []string{"cmd=get_result rc=0 msg=success value=v\n", "cmd=", "=", "a b", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		answer, err := parsePMI(line)
		if err != nil {
			return
		}
		for key, value := range answer {
			if key == "" || strings.ContainsAny(key, " =\n") || strings.ContainsAny(value, " \n") {
				t.Fatalf("%q holds %q=%q", line, key, value)
			}
		}
	})
}
