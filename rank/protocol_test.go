package rank

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/badbubble/distgo/transport"
)

// kindNames are PROTOCOL.md's names for the kinds of messages.
var kindNames = map[transport.Kind]string{
	kindPlan: "plan", kindPut: "put", kindWant: "want", kindExists: "exists", kindDone: "done", kindNotify: "notify",
	kindCommit: "commit", kindFail: "fail", kindYield: "yield", kindYielded: "yielded", kindAssign: "assign",
	kindOver: "over", kindFarewell: "farewell", kindAbort: "abort",
	kindSurvey: "survey", kindHeld: "held", kindRecover: "recover", kindCutOff: "cut off",
	kindHolds: "holds", kindAsk: "ask", kindGiven: "given", kindOffer: "offer",
	kindReads: "reads", kindFiles: "files", kindFetch: "fetch", kindParcel: "parcel",
	kindHelp: "help", kindShare: "share", kindTypes: "types", kindRepeat: "repeat", kindRepeated: "repeated", kindGiveUp: "give up", kindDismiss: "dismiss", kindCompiler: "compiler",
}

// The table of upper kinds in PROTOCOL.md is this package's constants, and
// each has its paragraph.
func TestProtocol(t *testing.T) {
	kinds := kindNames
	text, err := os.ReadFile("../transport/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## Kinds of the upper layers")
	if !ok {
		t.Fatal("PROTOCOL.md has no section about the upper layers")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := strings.Count(section, "\n| ") - 1 // less the head
	if rows != len(kinds) {
		t.Errorf("PROTOCOL.md has %d upper kinds, this package %d", rows, len(kinds))
	}
	for kind, name := range kinds {
		if !strings.Contains(section, fmt.Sprintf("\n| %d | %s | ", kind, name)) {
			t.Errorf("PROTOCOL.md has no row for kind %d, %s", kind, name)
		}
		if !strings.Contains(section, "**"+name+"**") {
			t.Errorf("PROTOCOL.md does not describe %s", name)
		}
	}
}
