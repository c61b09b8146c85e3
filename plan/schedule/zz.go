package schedule

import (
	"fmt"
	"os"

	"github.com/badbubble/distgo/plan"
)

func (o *outcome) zz(what string) {
	if os.Getenv("DBG") == "" {
		return
	}
	a, ok := o.bound()
	p := o.plan
	fmt.Fprintf(os.Stderr, "help: %s end %.3f bound %s %v cost %.3f lead %.3f divided:", what, float64(o.end)/1e6, p.Actions[a].Package, ok, float64(p.Actions[a].Cost)/1e6, float64(p.Actions[a].Lead)/1e6)
	for x, d := range o.divided {
		fmt.Fprintf(os.Stderr, " %s/%d", p.Actions[x].Package, d.of)
	}
	fmt.Fprintln(os.Stderr)
	if what != "kept" {
		return
	}
	for n := 0; n < 40; n++ {
		act := &p.Actions[a]
		var best plan.ArtifactID = -1
		for _, in := range act.Inputs {
			if best < 0 || o.made[in] > o.made[best] {
				best = in
			}
		}
		own := int64(0)
		for _, out := range act.Outputs {
			if own == 0 || o.made[out] < own {
				own = o.made[out]
			}
		}
		fmt.Fprintf(os.Stderr, "help:   %s on %d cost %.3f lead %.3f types %.3f begun %.3f exports %.3f\n", act.Package, o.owner[a], float64(act.Cost)/1e6, float64(act.Lead)/1e6, float64(p.Types(a))/1e6, float64(o.heads.at[a])/1e6, float64(own)/1e6)
		if best < 0 {
			break
		}
		a = p.Artifacts[best].Producer
	}
}
