package bench

import (
	"encoding/json"
	"fmt"
	"os"
)

// graphAction is what is read of an action in the file of go build's -debug-actiongraph.
// See actionJSON in cmd/go/internal/work/action.go, go1.26.
type graphAction struct {
	Mode    string
	Package string
	Cmd     []string
}

// countActions counts the actions of a build that have something to run, and those that did run it.
func countActions(path string) (planned, ran int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	var actions []graphAction
	if err := json.Unmarshal(text, &actions); err != nil {
		return 0, 0, fmt.Errorf("reading the action graph of go build: %w", err)
	}
	for _, a := range actions {
		if a.Mode != "build" && a.Mode != "link" || a.Package == "unsafe" {
			continue
		}
		planned++
		if len(a.Cmd) > 0 {
			ran++
		}
	}
	return planned, ran, nil
}
