package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSimulation(t *testing.T) {
	s := &Simulation{File: "simulate/testdata/wego-4x1-f2.json", Dilation: 2, Net: "1gbit", Ranks: []int{1, 4, 16}, Cores: []int{1, 2}, Figures: filepath.Join(t.TempDir(), "figures")}
	var out bytes.Buffer
	if err := s.Run(&out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3+1+6 {
		t.Errorf("%d lines:\n%s", lines, &out)
	}
	for _, file := range []string{"wego-simulated.png", "wego-simulated.svg"} {
		if info, err := os.Stat(filepath.Join(s.Figures, file)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte(`{"schema":99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Simulation){
		"no such file":                 func(s *Simulation) { s.File = "nosuch.json" },
		"schema 99":                    func(s *Simulation) { s.File = other },
		"0 ranks or cores":             func(s *Simulation) { s.Ranks = []int{0} },
		"dilation 0.5 is less than 1":  func(s *Simulation) { s.Dilation = 0.5 },
		"1gibbet":                      func(s *Simulation) { s.Net = "1gibbet" },
		"5000 ranks or cores: both ar": func(s *Simulation) { s.Cores = []int{5000} },
	} {
		spoiled := *s
		spoil(&spoiled)
		sentence(t, spoiled.Run(&out), want)
	}
}
