package plan

import "go/version"

// Hidden tells which failures go build would not have come to. It prepares a
// package only after all that the package imports, where distgo runs cgo and C
// compilers as early as it can. Before go1.26 it also stops at the first C
// file that fails. By ActionID.
func (p *Plan) Hidden(failed []ActionID) []bool {
	hidden, bad := make([]bool, len(p.Actions)), make([]bool, len(p.Actions))
	for _, a := range failed {
		bad[a] = true
	}
	stops := map[string]bool{}     // nodes whose package imports one that is not built
	first := map[string]ActionID{} // by node: its first failure
	for _, id := range p.order() {
		a := &p.Actions[id]
		if bad[id] {
			if f, ok := first[a.Node]; !ok || id < f {
				first[a.Node] = id
			}
		}
		p.Dependencies(id, func(d ActionID) {
			if bad[d] {
				bad[id] = true
				if p.Actions[d].Node != a.Node {
					stops[a.Node] = true
				}
			}
		})
	}
	inTurn := version.Compare(p.GoVersion, "go1.26") < 0
	for _, id := range failed {
		node := p.Actions[id].Node
		hidden[id] = stops[node] || inTurn && first[node] != id
	}
	return hidden
}
