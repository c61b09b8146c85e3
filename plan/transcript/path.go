package transcript

import (
	"path"
	"strings"
)

// Work stands for cmd/go's temporary directory at the start of a path.
const Work = "$WORK/"

// LocalPath reports whether p, slash-separated and relative, stays below the
// directory it is joined to.
func LocalPath(p string) bool {
	return p != "" && p != "." && !strings.HasPrefix(p, "/") && path.Clean(p) == p &&
		p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\x00\\")
}

// NodeOf returns the node whose directory holds a path that starts with
// Work, "b012", or "" for other paths.
func NodeOf(p string) string {
	rest, ok := strings.CutPrefix(p, Work)
	if !ok {
		return ""
	}
	node, _, _ := strings.Cut(rest, "/")
	if len(node) < 2 || node[0] != 'b' {
		return ""
	}
	for _, c := range node[1:] {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return node
}
