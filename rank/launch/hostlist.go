package launch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxHostName bounds one name, and with MaxSize the memory that a list can ask for. DNS allows 253 bytes.
const maxHostName = 255

// ParseHostList expands a list of hosts as Slurm writes it: "node[001,007-015],x", several brackets allowed, leading
// zeros kept. The order is that of the list. A list of more than MaxSize hosts is an error, as is an empty one.
func ParseHostList(list string) ([]string, error) {
	var hosts []string
	for rest := list; ; {
		item, tail, more, err := cutItem(rest)
		if err != nil {
			return nil, err
		}
		if hosts, err = appendExpanded(hosts, item); err != nil {
			return nil, err
		}
		if !more {
			return hosts, nil
		}
		rest = tail
	}
}

// cutItem splits at the first comma outside brackets.
func cutItem(s string) (item, tail string, more bool, err error) {
	inside := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[' && inside, c == ']' && !inside:
			return "", "", false, fmt.Errorf("unbalanced %q at byte %d", c, i)
		case c == '[' || c == ']':
			inside = c == '['
		case c == ',' && !inside:
			return s[:i], s[i+1:], true, nil
		}
	}
	if inside {
		return "", "", false, errors.New("a bracket is never closed")
	}
	return s, "", false, nil
}

// appendExpanded appends the hosts of one item. Its brackets are balanced. The last bracket turns fastest.
func appendExpanded(hosts []string, item string) ([]string, error) {
	if item == "" {
		return nil, errors.New("an empty host name")
	}
	names := []string{""}
	for item != "" {
		fixed, rest, bracket := strings.Cut(item, "[")
		suffixes := []string{""}
		item = ""
		if bracket {
			var inside string
			var err error
			inside, item, _ = strings.Cut(rest, "]")
			if suffixes, err = expandRanges(inside); err != nil {
				return nil, err
			}
		}
		if len(hosts)+len(names)*len(suffixes) > MaxSize {
			return nil, fmt.Errorf("more than %d hosts", MaxSize)
		}
		next := make([]string, 0, len(names)*len(suffixes))
		for _, n := range names {
			for _, suffix := range suffixes {
				name := n + fixed + suffix
				if len(name) > maxHostName {
					return nil, fmt.Errorf("a host name of more than %d bytes", maxHostName)
				}
				next = append(next, name)
			}
		}
		names = next
	}
	return append(hosts, names...), nil
}

// expandRanges expands what stands between two brackets: "001,007-015". The width of a range's low end is the width of
// its numbers.
func expandRanges(list string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := hostNumber(low)
		if err != nil {
			return nil, err
		}
		to, err := hostNumber(high)
		if err != nil {
			return nil, err
		}
		if to < from {
			return nil, fmt.Errorf("the range %s runs backward", part)
		}
		if to-from >= MaxSize-len(out) {
			return nil, fmt.Errorf("more than %d hosts", MaxSize)
		}
		for n := from; n <= to; n++ {
			out = append(out, fmt.Sprintf("%0*d", len(low), n))
		}
	}
	return out, nil
}

func hostNumber(s string) (int, error) {
	const maxDigits = 9 // fits an int everywhere
	if s == "" || len(s) > maxDigits || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a number of at most %d digits", abbreviate(s), maxDigits)
	}
	return strconv.Atoi(s)
}

// ParseCounts expands Slurm's counts per node: "2(x3),1" is 2, 2, 2, 1.
func ParseCounts(list string) ([]int, error) {
	var counts []int
	for part := range strings.SplitSeq(list, ",") {
		number, repeat, repeated := strings.Cut(part, "(x")
		times := 1
		if repeated {
			inner, closed := strings.CutSuffix(repeat, ")")
			if !closed {
				return nil, fmt.Errorf("%q is not of the form 2(x3)", abbreviate(part))
			}
			var err error
			if times, err = hostNumber(inner); err != nil {
				return nil, err
			}
		}
		n, err := hostNumber(number)
		if err != nil {
			return nil, err
		}
		if n < 1 || times < 1 || times > MaxSize-len(counts) {
			return nil, fmt.Errorf("%q is out of range", abbreviate(part))
		}
		for range times {
			counts = append(counts, n)
		}
	}
	return counts, nil
}
