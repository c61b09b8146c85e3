package bench

import (
	"fmt"
	"io"

	"github.com/badbubble/distgo/bench/sample"
)

// Load reads sample files for showing them, and tells people of what does not count. Files that hold none that do are
// the caller's mistake.
func Load(paths []string, tell io.Writer) (*sample.Set, error) {
	set, err := sample.Load(paths)
	if err != nil {
		return nil, config("%v", err)
	}
	for _, torn := range set.Torn {
		fmt.Fprintln(tell, torn)
	}
	good := len(set.Good())
	if refused := len(set.Samples) - good; refused > 0 {
		fmt.Fprintf(tell, "%d of %d samples are refused and count for nothing\n", refused, len(set.Samples))
	}
	if good == 0 {
		return nil, config("there is no sample that counts in %v", paths)
	}
	return set, nil
}
