package emulate

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"1gbit": 1e9, "100mbit": 100e6, "56.5mbit": 56.5e6, "9600bit": 9600, "800kbit": 800e3, "unlimited": 0, "0": 0,
	} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", text, got, err, want)
		}
		if back, err := ParseRate(got.String()); err != nil || back != got {
			t.Errorf("ParseRate(%q) = %d, %v; want %d back", got.String(), back, err, got)
		}
	}
	for _, text := range []string{"", "1", "gbit", "-1gbit", "1gbps", "NaNbit", "Infgbit", "1 gbit", "9e9gbit", "1bit"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %d; want an error", text, got)
		}
	}
}

func TestValidateSaysWhatFits(t *testing.T) {
	good := Spec{Nodes: 8, Cores: 1, Dilation: 4, Net: 1e9, Self: []string{"distgo"}}
	if err := good.Validate(2); err != nil {
		t.Errorf("8 nodes at dilation 4 on 2 cores: %v", err)
	}
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) { s.Cores = 2 }, "dilation 8 fits"},
		{func(s *Spec) { s.Dilation = 3 }, "dilation 4 fits"},
		{func(s *Spec) { s.Dilation = 0.5 }, "dilation 0.5"},
		{func(s *Spec) { s.Dilation = math.NaN() }, "dilation NaN"},
		{func(s *Spec) { s.Nodes = 0 }, "0 nodes"},
		{func(s *Spec) { s.Nodes = 255 }, "255 nodes"},
		{func(s *Spec) { s.Cores = 0 }, "0 cores"},
		{func(s *Spec) { s.Net = -1 }, "negative"},
		{func(s *Spec) { s.Self = nil }, "own executable"},
		{func(s *Spec) { s.Slow = Slow{8, 3} }, "node 8 is to be slow"},
		{func(s *Spec) { s.Slow = Slow{-1, 3} }, "node -1 is to be slow"},
		{func(s *Spec) { s.Slow = Slow{1, 30} }, "30 times slower"},
		{func(s *Spec) { s.Slow = Slow{1, 0.5} }, "0.5 times slower"},
	} {
		bad := good
		c.change(&bad)
		if err := bad.Validate(2); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Validate(%+v) = %v; want %q in it", bad, err, c.want)
		}
	}
}

func TestParseSlow(t *testing.T) {
	for text, want := range map[string]Slow{"": {}, "3:2.5": {3, 2.5}, "0:1": {0, 1}} {
		got, err := ParseSlow(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseSlow(%q) = %+v, %v, which says %q", text, got, err, got)
		}
	}
	for _, text := range []string{"3", "3:", ":3", "x:2", "3:0.5", "3:NaN", "3:2:1", "3x2"} {
		if got, err := ParseSlow(text); err == nil || !strings.Contains(err.Error(), "as 3:2.5") {
			t.Errorf("ParseSlow(%q) = %+v, %v", text, got, err)
		}
	}
}

func TestSharesAreGrantable(t *testing.T) {
	for _, dilation := range []float64{1, 1.5, 2, 8.0 / 3, 4, 5, 7.3, 16, maxDilation} {
		for cores := 1; cores <= 16; cores++ {
			s := share{cores, dilation}
			if s.quota() < minQuota || s.period() < minPeriod || s.period() > time.Second {
				t.Errorf("%+v: quota %s in %s is outside what the kernel grants", s, s.quota(), s.period())
			}
			got := float64(s.quota()) / float64(s.period()) * dilation
			if math.Abs(got-float64(cores)) > 0.001*float64(cores) {
				t.Errorf("%+v: quota %s in %s gives %g dilated cores", s, s.quota(), s.period(), got)
			}
		}
	}
}
