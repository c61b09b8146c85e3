package launch

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Hosts returns the host of each rank: from a list as in "a,b,node[01-04]", or from the text of a file with a host a line,
// as in "node01 ranks=2". A host that comes twice gets two ranks.
func Hosts(list string, file []byte) ([]string, error) {
	if list != "" {
		hosts, err := ParseHostList(list)
		if err != nil {
			return nil, &Error{Text: fmt.Sprintf("--hosts=%s: %v", abbreviate(list), err), Hint: "give names with commas between them, such as a,b or node[01-04]"}
		}
		return hosts, nil
	}
	var hosts []string
	lines := bufio.NewScanner(bytes.NewReader(file))
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		ranks := 1
		for _, w := range words[1:] {
			n, ok := strings.CutPrefix(w, "ranks=")
			var err error
			if ranks, err = strconv.Atoi(n); !ok || err != nil || ranks < 0 || ranks > MaxSize-len(hosts) {
				return nil, &Error{Text: fmt.Sprintf("line %d of the host file: %q", number, abbreviate(w)), Hint: "a line is a host, and perhaps ranks=N"}
			}
		}
		for range ranks {
			hosts = append(hosts, words[0])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, &Error{Text: "the host file names no host", Hint: "write a host a line"}
	}
	return hosts, nil
}
