package rank

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/toolchain"
)

// firstDifference names the first package, dependencies before dependents,
// whose objects below scratch are not go build's. It returns "" where they are
// all alike, or where it cannot be told.
func firstDifference(ctx context.Context, request toolchain.Request, tools *toolchain.Toolchain, p *plan.Plan, scratch string) (string, error) {
	if p.Pipelined {
		return "", nil // its objects are not the stock compiler's, and link to the same program
	}
	reference, err := tools.Objects(ctx, request)
	if err != nil {
		return "", err
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		theirs := reference[a.Package]
		if a.Kind != plan.Compile || len(theirs) != 1 {
			continue // packages that are built in variants are not told apart
		}
		ours := filepath.Join(scratch, a.Node, "_pkg_.a")
		if _, err := os.Stat(ours); err != nil {
			continue // on another rank only
		}
		alike, err := sameObjects(ours, theirs[0])
		if err != nil {
			return "", err
		}
		if !alike {
			return a.Package, nil
		}
	}
	return "", nil
}

// sameObjects compares two archives but for export data, which ours does not
// hold, and build IDs.
func sameObjects(ours, theirs string) (bool, error) {
	var members [2][]byte
	for i, path := range []string{ours, theirs} {
		archive, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		if members[i], err = objects(archive); err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
	}
	return bytes.Equal(members[0], members[1]), nil
}

var objectID = regexp.MustCompile(`(?m)^build id ".*"$`)

// objects is an archive's members, names and contents, without export data.
// See GOROOT/src/cmd/internal/archive/archive.go, go1.26.
func objects(archive []byte) ([]byte, error) {
	const magic = "!<arch>\n"
	const header, nameSize, sizeAt, sizeEnd = 60, 16, 48, 58
	rest, ok := bytes.CutPrefix(archive, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("not an archive")
	}
	var out []byte
	for len(rest) > 0 {
		if len(rest) < header {
			return nil, fmt.Errorf("archive ends within a header")
		}
		name := strings.TrimSpace(string(rest[:nameSize]))
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[sizeAt:sizeEnd])))
		if err != nil || size < 0 || size > len(rest)-header {
			return nil, fmt.Errorf("member %s has no possible size", name)
		}
		content := rest[header : header+size]
		rest = rest[min(header+size+size%2, len(rest)):]
		if name == "__.PKGDEF" {
			continue
		}
		// The ID stands in the lines that a Go object begins with.
		if end := bytes.Index(content, []byte("\n!\n")); end >= 0 {
			content = append(objectID.ReplaceAll(content[:end], nil), content[end:]...)
		}
		out = append(append(out, name...), content...)
	}
	return out, nil
}
