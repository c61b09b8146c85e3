package emulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	maxNodes    = 254 // addresses of 10.141.0.0/24
	maxCores    = 1024
	maxDilation = 100 // beyond it the kernel's least quota, 1 ms, makes periods longer than a command

	// minPeriod and minQuota make the time slices of a dilated core. Slices should be short, since a node runs
	// undilated within one. Tried: at 5 ms nodes lose 4 %, at 10 ms 2 %, as the scheduler's tick of 4 ms is about as
	// long. The kernel grants no quota below 1 ms.
	minPeriod = 10 * time.Millisecond
	minQuota  = time.Millisecond
)

// Spec describes an emulated cluster. Up checks it.
type Spec struct {
	Name     string   // for people, in messages; may be empty
	Nodes    int      // 1 to 254
	Cores    int      // of each node
	Dilation float64  // F >= 1: everything takes F times as long as on real cores
	Net      Rate     // of each node's link, each way, undilated
	Slow     Slow     // the node whose cores are slower than the others', if there is one
	Self     []string // the command through which this executable reaches Enter, without that word
}

// Validate says why the cluster cannot be made on a machine with that many cores, or nil.
func (s Spec) Validate(cores int) error {
	switch {
	case s.Nodes < 1 || s.Nodes > maxNodes:
		return fmt.Errorf("%d nodes: an emulated cluster has 1 to %d", s.Nodes, maxNodes)
	case s.Cores < 1 || s.Cores > maxCores:
		return fmt.Errorf("%d cores: an emulated node has 1 to %d", s.Cores, maxCores)
	case !(s.Dilation >= 1 && s.Dilation <= maxDilation):
		return fmt.Errorf("dilation %g: time can run 1 to %d times slower", s.Dilation, maxDilation)
	case s.Net < 0:
		return fmt.Errorf("network rate %d bit/s is negative", s.Net)
	case s.Slow.Times != 0 && !(s.Slow.Times >= 1 && s.Dilation*s.Slow.Times <= maxDilation):
		return fmt.Errorf("a node cannot be %g times slower than others that are %g times slower than real cores: time can run 1 to %d times slower", s.Slow.Times, s.Dilation, maxDilation)
	case s.Slow.Times != 0 && (s.Slow.Node < 0 || s.Slow.Node >= s.Nodes):
		return fmt.Errorf("node %d is to be slow, and %s are numbered from 0", s.Slow.Node, count(s.Nodes, "node"))
	case len(s.Self) == 0:
		return fmt.Errorf("emulated cluster %q does not know the command of its own executable", s.Name)
	}
	// The comparison forgives rounding of a dilation such as 8/3.
	if need := s.realCores(); need > float64(cores)+1e-6 {
		fits := math.Ceil(float64(s.Nodes*s.Cores) / float64(cores))
		return fmt.Errorf("%s of %s at dilation %g would need %.3g real cores and this machine has %d: dilation %g fits",
			count(s.Nodes, "node"), count(s.Cores, "core"), s.Dilation, need, cores, fits)
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Slow says which node's cores are how many times slower than the others'. Its zero value is that none is.
type Slow struct {
	Node  int // from 0
	Times float64
}

// ParseSlow reads what String writes, as 3:2.5.
func ParseSlow(text string) (s Slow, err error) {
	if text == "" {
		return Slow{}, nil
	}
	node, times, ok := strings.Cut(text, ":")
	if s.Node, err = strconv.Atoi(node); ok && err == nil {
		s.Times, err = strconv.ParseFloat(times, 64)
	}
	if !ok || err != nil || !(s.Times >= 1) {
		return Slow{}, fmt.Errorf("%q does not say which node is slow: give its number, from 0, and how many times slower it is, as 3:2.5", text)
	}
	return s, nil
}

func (s Slow) String() string {
	if s.Times == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%g", s.Node, s.Times)
}

// share is what a node gets.
func (s Spec) share(node int) share {
	of := share{s.Cores, s.Dilation}
	if s.Slow.Times != 0 && node == s.Slow.Node {
		of.dilation *= s.Slow.Times
	}
	return of
}

// Hostname is node i's, i from 0: node001 is the first, as on DAS-5.
func (s Spec) Hostname(node int) string { return fmt.Sprintf("node%03d", node+1) }

// Address is node i's address in the cluster's network.
func (s Spec) Address(node int) string { return fmt.Sprintf("10.141.0.%d", node+1) }

// realCores are what the whole cluster may take of the machine.
func (s Spec) realCores() float64 { return float64(s.Nodes*s.Cores) / s.Dilation }

// A share is the part of the machine's time that a control group gets.
type share struct {
	cores    int // 0 means no limit of its own
	dilation float64
}

// period is the length of a time slice: the shortest in which one dilated core gets the least quota there is.
func (s share) period() time.Duration {
	return max(minPeriod, time.Duration(math.Ceil(s.dilation*float64(minQuota)/1e6))*time.Millisecond)
}

// quota is the CPU time that the group gets in each period.
func (s share) quota() time.Duration {
	return time.Duration(float64(s.cores) / s.dilation * float64(s.period())).Round(time.Microsecond)
}
