package bench

import (
	"runtime"

	"github.com/badbubble/distgo/bench/emulate"
)

// A Place is what a user says of where to measure.
type Place struct {
	Name      string   // local, emulate, prun, srun
	Exe       string   // distgo
	NodeCores int      // of a cluster's node, for prun and srun
	Dilation  float64  // for emulate; 0 leaves it to each cell
	Net       string   // for emulate: rate of a node's link
	Slow      string   // for emulate: the node that is slower than others
	Args      []string // further arguments of prun or srun
	NodeTmp   string   // for prun and srun: TMPDIR on the nodes
	Pin       bool     // for prun: use no more of a node's cores than a cell has
}

// NewLauncher makes the launcher of a place, or says what is missing for it.
func NewLauncher(p Place) (Launcher, error) {
	if p.Slow != "" && p.Name != "emulate" {
		return nil, config("--slow is about nodes of the emulated cluster: give --through=emulate too, or leave it out")
	}
	switch p.Name {
	case "local":
		return &Local{Cores: runtime.NumCPU()}, nil
	case "emulate":
		net, err := emulate.ParseRate(p.Net)
		if err != nil {
			return nil, config("%v", err)
		}
		slow, err := emulate.ParseSlow(p.Slow)
		if err != nil {
			return nil, config("%v", err)
		}
		if err := emulate.Check(); err != nil {
			return nil, config("%v", err)
		}
		return &Emulated{Exe: p.Exe, Cores: runtime.NumCPU(), Dilation: p.Dilation, Net: net, Slow: slow}, nil
	case "prun", "srun":
		return newBatch(p)
	}
	return nil, config("no launcher %q: local, emulate, prun or srun", p.Name)
}
