package manifest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed programs.json
var text []byte

// A Program is what the manifest says of one program.
type Program struct {
	Name       string   `json:"name"`
	Repository string   `json:"repository"`
	Main       string   `json:"main"` // as go build is told in the checkout
	CGO        bool     `json:"cgo"`  // CGO_ENABLED
	Pins       []Pin    `json:"pins"`
	LeaveOut   []string `json:"leave_out,omitempty"` // paths that the build does not read, large or unfit
	// Prepare makes files that the build needs and the commit may lack, by path.
	Prepare map[string]string `json:"prepare,omitempty"`
}

// A Pin is one commit of a program.
type Pin struct {
	Label  string `json:"label"` // Current or Early2024
	Commit string `json:"commit"`
	Date   string `json:"date"`
	Main   string `json:"main,omitempty"` // where it differs
	Note   string `json:"note,omitempty"`
}

// The labels of pins.
const (
	Current   = "current"
	Early2024 = "2024" // as the prototype was measured
)

// Programs returns the manifest.
func Programs() ([]Program, error) {
	var programs []Program
	if err := json.Unmarshal(text, &programs); err != nil {
		return nil, fmt.Errorf("the embedded manifest: %w", err)
	}
	return programs, nil
}

// Unknown is a program or pin that the manifest does not hold.
type Unknown struct{ Reason string }

func (u *Unknown) Error() string { return u.Reason }

// A Pinned is a program at a commit.
type Pinned struct {
	Program Program
	Pin     Pin
}

// Name is what samples call it: "alist", or "alist@2024".
func (p *Pinned) Name() string {
	if p.Pin.Label == Current {
		return p.Program.Name
	}
	return p.Program.Name + "@" + p.Pin.Label
}

// Main is what to build.
func (p *Pinned) Main() string {
	if p.Pin.Main != "" {
		return p.Pin.Main
	}
	return p.Program.Main
}

// Find looks up "alist" or "alist@2024".
func Find(programs []Program, name string) (*Pinned, error) {
	name, label, ok := strings.Cut(name, "@")
	if !ok {
		label = Current
	}
	i := slices.IndexFunc(programs, func(p Program) bool { return strings.EqualFold(p.Name, name) })
	if i < 0 {
		return nil, &Unknown{fmt.Sprintf("the manifest has no program %q, it has: %s. A directory of your own is written with a slash, as ./%s",
			name, strings.Join(names(programs), ", "), name)}
	}
	p := programs[i]
	for _, pin := range p.Pins {
		if pin.Label == label {
			return &Pinned{p, pin}, nil
		}
	}
	return nil, &Unknown{fmt.Sprintf("%s has no pin %q, it has: %s", p.Name, label, strings.Join(labels(p), ", "))}
}

func names(programs []Program) (names []string) {
	for _, p := range programs {
		names = append(names, p.Name)
	}
	return names
}

func labels(p Program) (labels []string) {
	for _, pin := range p.Pins {
		labels = append(labels, pin.Label)
	}
	return labels
}
