package launch

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestParseHostList(t *testing.T) {
	for list, want := range map[string]string{
		"node001":                "node001",
		"node001,host2":          "node001 host2",
		"node[001,007-009],x":    "node001 node007 node008 node009 x",
		"b[2-3],a1":              "b2 b3 a1",
		"n[9-11]":                "n9 n10 n11",
		"n[09-11]":               "n09 n10 n11",
		"r[1-2]n[1-2]":           "r1n1 r1n2 r2n1 r2n2",
		"node[1-2]-ib.cluster,y": "node1-ib.cluster node2-ib.cluster y",
	} {
		got, err := ParseHostList(list)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", list, got, err, want)
		}
	}
	for _, bad := range []string{"", "a,", ",a", "n[1", "n1]", "n[[1]]", "n[]", "n[2-1]", "n[a-b]", "n[1-2-3]", "n[1-9999999999]",
		"n[0-99999999]", "n[0-9999]m[0-9999]", "n[-1]", "n[1,]", strings.Repeat("x", 300)} {
		if got, err := ParseHostList(bad); err == nil {
			t.Errorf("%s: %d hosts, want an error", bad, len(got))
		}
	}
}

func TestParseCounts(t *testing.T) {
	if got, err := ParseCounts("2(x3),1"); err != nil || !reflect.DeepEqual(got, []int{2, 2, 2, 1}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "2(x", "2(3)", "2(x0)", "0", "1(x99999999)", "-1", "2(x3)4"} {
		if got, err := ParseCounts(bad); err == nil {
			t.Errorf("%q: %v, want an error", bad, got)
		}
	}
}

// FuzzParseHostList checks that what is expanded is bounded, has no brackets left, and expands to itself.
func FuzzParseHostList(f *testing.F) {
	for _, seed := range []string{"node[001,007-015],x", "a,b", "r[1-2]n[1-2]", "n[1", "n[0-99999]", "]["} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		var (
			hosts []string
			err   error
		)
		if n := allocated(func() { hosts, err = ParseHostList(list) }); n > 1<<20+uint64(MaxSize)*uint64(len(list)+100) {
			t.Errorf("%q made it allocate %d bytes", list, n)
		}
		if err != nil {
			return
		}
		if len(hosts) == 0 || len(hosts) > MaxSize {
			t.Fatalf("%d hosts", len(hosts))
		}
		for _, h := range hosts {
			if h == "" || strings.ContainsAny(h, "[],") {
				t.Fatalf("host %q", h)
			}
		}
		again, err := ParseHostList(strings.Join(hosts, ","))
		if err != nil || !reflect.DeepEqual(again, hosts) {
			t.Fatalf("%q expands to %q, and that to %q (%v)", list, hosts, again, err)
		}
	})
}

func FuzzParseCounts(f *testing.F) {
	f.Add("2(x3),1")
	f.Fuzz(func(t *testing.T, list string) {
		counts, err := ParseCounts(list)
		if err == nil && (len(counts) == 0 || len(counts) > MaxSize) {
			t.Fatalf("%q: %d counts", list, len(counts))
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
