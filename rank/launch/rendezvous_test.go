package launch

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRootAddrs(t *testing.T) {
	step := Place{Launcher: "slurm", Size: 4, RunKey: "42.3", Hosts: []string{"node001", "", "", ""}, LocalSize: 2}
	addrs := step.RootAddrs()
	if len(addrs) != portTries {
		t.Fatalf("%d addresses, want %d", len(addrs), portTries)
	}
	for i, a := range addrs {
		host, port, err := splitRoot(a)
		if err != nil || host != "node001" || len(port) != 5 || port < "61440" || port > "65535" {
			t.Errorf("address %s, %v; want node001 with a port from 61440", a, err)
		}
		if listen := step.ListenAddrs()[i]; listen != ":"+port {
			t.Errorf("root listens on %s where joiners look for port %s", listen, port)
		}
	}
	other := step
	other.RunKey = "42.4"
	if reflect.DeepEqual(addrs, other.RootAddrs()) {
		t.Errorf("two runs share the ports %v", addrs)
	}
	for _, test := range []struct {
		p            Place
		join, listen string // the first of each
	}{
		{Place{Size: 2, Root: "node9:7000", RunKey: "x"}, "node9:7000", ":7000"},
		{Place{Size: 2, Root: "127.0.0.1:7000"}, "127.0.0.1:7000", "127.0.0.1:7000"},
		{Place{Size: 2, Root: "localhost:7000"}, "localhost:7000", "localhost:7000"},
		{Place{Size: 2, LocalSize: 2}, "", "127.0.0.1:0"},
		{Place{Size: 2, RunKey: "x"}, "", ":0"},
		{Place{Size: 2, Hosts: []string{"a", "b"}}, "", ":0"},
	} {
		join := append(test.p.RootAddrs(), "")[0]
		if join != test.join || test.p.ListenAddrs()[0] != test.listen {
			t.Errorf("%+v: join at %q, listen on %q; want %q, %q", test.p, join, test.p.ListenAddrs()[0], test.join, test.listen)
		}
	}
	here := Place{Size: 2, LocalSize: 2, RunKey: "x"}
	if !reflect.DeepEqual(here.RootAddrs(), here.ListenAddrs()) || !strings.HasPrefix(here.RootAddrs()[0], "127.0.0.1:") {
		t.Errorf("all here: join at %v, listen on %v", here.RootAddrs(), here.ListenAddrs())
	}
}

func TestRendezvous(t *testing.T) {
	dir := t.TempDir()
	p := Place{Launcher: "openmpi", Size: 2, RunKey: "ns"}
	root, joiner := NewRendezvous(dir, p), NewRendezvous(dir, p)
	if err := root.Publish([]string{"10.0.0.1:9"}); err != nil { // by a root that was killed
		t.Fatal(err)
	}
	stale, err := joiner.Await(t.Context(), nil)
	if err != nil || len(stale) != 1 {
		t.Fatal(stale, err)
	}
	got := make(chan []string, 1)
	go func() {
		addrs, err := joiner.Await(t.Context(), stale)
		if err != nil {
			t.Error(err)
		}
		got <- addrs
	}()
	want := []string{"10.0.0.1:10", "[fd00::1]:10"}
	if err := root.Publish(want); err != nil {
		t.Fatal(err)
	}
	if addrs := <-got; !reflect.DeepEqual(addrs, want) {
		t.Errorf("got %v, want %v", addrs, want)
	}
	if err := errors.Join(root.Withdraw(), root.Withdraw()); err != nil {
		t.Error(err)
	}
	if left := mustList(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func mustList(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRendezvousIgnoresStrangers(t *testing.T) {
	dir := t.TempDir()
	p := Place{Launcher: "openmpi", Size: 2, RunKey: "ns"}
	other := p
	other.RunKey = "another"
	if err := NewRendezvous(dir, other).Publish([]string{"10.0.0.1:9"}); err != nil {
		t.Fatal(err)
	}
	r := NewRendezvous(dir, p)
	stop := errors.New("stop")
	for _, content := range []string{"", "garbage\n", r.head, r.head + "10.0.0.1:9", r.head + "not an address\n", r.head + strings.Repeat("x", 2*rendezvousMax)} {
		if err := os.WriteFile(filepath.Join(dir, r.name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		if addrs, err := r.Await(ctx, nil); !errors.Is(err, stop) {
			t.Errorf("%.40q: %v, %v; want to wait on", content, addrs, err)
		}
	}
	if err := r.Publish([]string{strings.Repeat("x", rendezvousMax)}); err == nil {
		t.Error("a file too large was written")
	}
}

func TestRendezvousClearsWhatKilledRootsLeft(t *testing.T) {
	dir := t.TempDir()
	r := NewRendezvous(dir, Place{RunKey: "ns"})
	for name, age := range map[string]time.Duration{rendezvousPrefix + "old": 25 * time.Hour, rendezvousPrefix + "young": time.Hour, "other": 99 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish([]string{"a:1"}); err != nil {
		t.Fatal(err)
	}
	if left, want := mustList(t, dir), []string{r.name, rendezvousPrefix + "young", "other"}; len(left) != len(want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

func TestOrderAddrs(t *testing.T) {
	addr := func(iface, ip string) ownAddr { return ownAddr{iface, net.ParseIP(ip)} }
	own := []ownAddr{addr("lo", "127.0.0.1"), addr("docker0", "172.17.0.1"), addr("eth0", "fd00::2"), addr("eth0", "10.141.0.83"),
		addr("ib0", "10.149.0.83"), addr("br0", "192.168.1.2")}
	orderAddrs(own)
	for iface, want := range map[string]string{
		"":              "10.149.0.83 10.141.0.83 192.168.1.2 fd00::2 172.17.0.1 127.0.0.1",
		"eth0":          "10.141.0.83 fd00::2",
		"10.149.0.0/16": "10.149.0.83",
		"nonesuch0":     "",
	} {
		wanted, err := parseIface(iface)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, a := range own {
			if wanted(a) {
				got = append(got, a.ip.String())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("iface %q: %v, want %s", iface, got, want)
		}
	}
}

func TestOwnAddrs(t *testing.T) {
	for listen, all := range map[string]bool{"127.0.0.1:0": false, ":0": true} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs, err := OwnAddrs(l.Addr(), "")
		if err != nil || len(addrs) == 0 || (!all && len(addrs) != 1) {
			t.Fatalf("%s: %v, %v", listen, addrs, err)
		}
		c, err := net.Dial("tcp", addrs[len(addrs)-1])
		if err != nil {
			t.Errorf("%s: nobody listens on %v: %v", listen, addrs, err)
			continue
		}
		c.Close()
	}
	if _, err := OwnAddrs(&net.TCPAddr{Port: 9}, "nonesuch0"); err == nil {
		t.Error("an interface that is not there was found")
	}
}
