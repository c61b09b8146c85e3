package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/badbubble/distgo/bench/emulate"
)

func TestParseClusterRun(t *testing.T) {
	r, err := ParseClusterRun(strings.Fields("-v -np 8 -1 -t 2:30 --cores=2 --net 100mbit --dilation 8 A=b ./distgo -np 3 -- -tags x"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Nodes != 8 || r.Cores != 2 || r.Dilation != 8 || r.Net != "100mbit" || r.Limit != 150*time.Second || !r.Verbose {
		t.Errorf("%+v", r)
	}
	if want := strings.Fields("A=b ./distgo -np 3 -- -tags x"); !slices.Equal(r.Argv, want) {
		t.Errorf("program %v", r.Argv)
	}
	for args, want := range map[string]string{
		"":                  "how many nodes",
		"-np 2":             "which program",
		"-np x ls":          "-np x",
		"-np":               "-np needs a value",
		"-np 2 -4 ls":       "--cores=4",
		"-np 2 -o out ls":   "means nothing",
		"-np 2 --what 3 ls": "unknown option --what",
		"-np 2 -t 1:2:3:4 ": "neither seconds",
	} {
		if _, err := ParseClusterRun(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestPrunLimit(t *testing.T) {
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "15:00": 15 * time.Minute, "1:00:01": time.Hour + time.Second} {
		if got, err := prunLimit(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if prunTime(14*time.Minute) != "14:00" {
		t.Error(prunTime(14 * time.Minute))
	}
}

func TestPrunVariables(t *testing.T) {
	got := strings.Join(prunVariables(emulate.Spec{Nodes: 3}), "\n")
	for _, want := range []string{"HOSTS=node001 node002 node003", "PRUN_HOSTNAMES=node001/0 node002/0 node003/0", "NHOSTS=3", "SLURM_PROCID=0"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestForeignVariables(t *testing.T) {
	for name, want := range map[string]bool{"DISTGO_RANK": true, "PRUN_CPU_RANK": true, "GOMAXPROCS": true, "OMPI_X": true, "DISTGO_SECRET": false, "GOFLAGS": false, "GOCACHE": false, "PATH": false} {
		if foreign(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
