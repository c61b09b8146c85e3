package emulate

import "strconv"

// GoBuild is what makes a `go build` on a node a fair baseline: the environment, which Start gives it anyway, and the
// flags. GOFLAGS is left alone.
func (c *Cluster) GoBuild() (env, flags []string) {
	cores := strconv.Itoa(c.spec.Cores)
	return []string{"GOMAXPROCS=" + cores}, []string{"-p", cores}
}
