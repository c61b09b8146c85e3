package transport

import (
	"fmt"
	"slices"
	"strings"
)

func checkFacts(facts []Fact) error {
	if len(facts) > maxFacts {
		return fmt.Errorf("%d facts exceed %d", len(facts), maxFacts)
	}
	seen := make(map[string]bool, len(facts))
	for _, f := range facts {
		if f.Name == "" || len(f.Name) > maxFactName || len(f.Value) > maxFactValue || seen[f.Name] {
			return fmt.Errorf("fact %q: names are unique and have 1 to %d bytes, values at most %d", f.Name, maxFactName, maxFactValue)
		}
		seen[f.Name] = true
	}
	return nil
}

// compareFacts lists how two ranks differ, "" if they do not. theirName and ourName name the ranks.
func compareFacts(theirName string, theirs []Fact, ourName string, ours []Fact) string {
	value := func(facts []Fact, name string) string {
		if i := slices.IndexFunc(facts, func(f Fact) bool { return f.Name == name }); i >= 0 {
			return facts[i].Value
		}
		return "(unknown)"
	}
	var differing []string
	for _, f := range slices.Concat(ours, theirs) {
		a, b := value(theirs, f.Name), value(ours, f.Name)
		line := fmt.Sprintf("%s is %s on %s and %s on %s", f.Name, a, theirName, b, ourName)
		if a != b && !slices.Contains(differing, line) {
			differing = append(differing, line)
		}
	}
	return strings.Join(differing, "; ")
}
