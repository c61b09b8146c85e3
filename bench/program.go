package bench

// A Program is something to build.
type Program struct {
	Name    string
	Commit  string // of its checkout; "" where there is none
	Dir     string // absolute: the module
	Main    string // what to build, as go build is told in Dir
	CGO     bool   // CGO_ENABLED
	Changed bool   // the checkout has changes
}

// environment is what both sides build it with.
func (p *Program) environment() []string {
	if p.CGO {
		return []string{"CGO_ENABLED=1"}
	}
	return []string{"CGO_ENABLED=0"}
}
