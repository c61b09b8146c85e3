package rank

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"

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
		members[i] = blankIDs(withoutExport(archive))
	}
	return bytes.Equal(members[0], members[1]), nil
}

// withoutExport takes the export data out of an archive, which it begins with.
func withoutExport(archive []byte) []byte {
	const header = 60
	members, ok := bytes.CutPrefix(archive, []byte(archiveMagic))
	if !ok || len(members) < header || !bytes.HasPrefix(members, []byte("__.PKGDEF ")) {
		return archive
	}
	size, err := strconv.Atoi(string(bytes.TrimSpace(members[48:58])))
	if err != nil || size < 0 || size > len(members)-header {
		return archive
	}
	return append([]byte(archiveMagic), members[min(header+size+size%2, len(members)):]...)
}

const archiveMagic = "!<arch>\n"
