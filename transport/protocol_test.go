package transport

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// protocol is PROTOCOL.md cut into its sections.
func protocol(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, s := range strings.Split("\n"+string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[title] = body
	}
	return sections
}

// table reads the rows of a section's table that follows the given heading: first cell as a number or name, second as name.
func table(t *testing.T, section, heading string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(section, heading)
	if !ok {
		t.Fatalf("no table %q", heading)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(line, "|")
		key, value := strings.Trim(cells[1], " `"), strings.Trim(cells[2], " `")
		if !strings.HasPrefix(key, "--") {
			rows[key] = value
		}
	}
	return rows
}

func wantTable(t *testing.T, name string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("PROTOCOL.md, %s:\nsays  %v\nis in fact %v", name, got, want)
	}
}

// The tables of PROTOCOL.md are the constants of this package.
func TestProtocolTables(t *testing.T) {
	doc := protocol(t)

	kinds := make(map[string]string)
	for k := Kind(1); k < FirstKind; k++ {
		if _, err := parseHeader((*[HeaderSize]byte)(header{Kind: k, Lane: Express}.append(nil))); err == nil {
			kinds[fmt.Sprint(uint8(k))] = k.String()
		}
	}
	wantTable(t, "Kinds", table(t, doc["Messages"], "| kind | name | body at most | from → to |\n"), kinds)

	limits := newBodyLimits(nil)
	_, rest, _ := strings.Cut(doc["Messages"], "| kind | name | body at most | from → to |\n")
	for k := range kinds {
		n, err := strconv.Atoi(k)
		if err != nil {
			t.Fatal(err)
		}
		if row := fmt.Sprintf("| %d | %s | %d |", n, kinds[k], limits[n]); !strings.Contains(rest, row) {
			t.Errorf("PROTOCOL.md has no row %q", row)
		}
	}

	codes := make(map[string]string)
	for c := Code(1); !strings.HasPrefix(c.String(), "code "); c++ {
		codes[fmt.Sprint(uint8(c))] = c.String()
	}
	wantTable(t, "Codes", table(t, doc["Codes"], "| code | name | meaning |\n"), codes)

	wantTable(t, "lanes", table(t, doc["Roles, lanes and addresses"], "| lane | name | carries |\n"),
		map[string]string{"1": Express.String(), "2": Bulk.String()})
	wantTable(t, "roles", table(t, doc["Roles, lanes and addresses"], "| role | name | meaning |\n"),
		map[string]string{fmt.Sprint(roleJoin): "join", fmt.Sprint(roleMesh): "mesh"})

	wantTable(t, "Limits", table(t, doc["Limits"], "| limit | value | why |\n"), map[string]string{
		"protocol version": fmt.Sprint(ProtocolVersion),
		"header":           fmt.Sprint(HeaderSize),
		"body":             fmt.Sprint(MaxBody),
		"blob":             fmt.Sprint(int64(MaxBlob)),
		"ranks":            fmt.Sprint(MaxSize),
		"info":             fmt.Sprint(MaxInfo),
		"host name":        fmt.Sprint(maxHost),
		"facts":            fmt.Sprint(maxFacts),
		"fact name":        fmt.Sprint(maxFactName),
		"fact value":       fmt.Sprint(maxFactValue),
		"reason":           fmt.Sprint(maxReason),
		"msgpack depth":    fmt.Sprint(maxDepth),
		"msgpack values":   fmt.Sprint(maxValues),
		"secret":           fmt.Sprintf("at least %d", MinSecret),
		"handshake":        handshakeLimit.String(),
		"meeting":          defaultMeetTimeout.String(),
		"reaching a peer":  meshLimit.String(),
		"silence":          defaultSilenceLimit.String(),
		"heartbeat":        (defaultSilenceLimit / beatsPerLimit).Round(10 * time.Millisecond).String(),
		"stuck lane":       (defaultSilenceLimit * stuckFactor).String(),
	})

	upper := table(t, doc["Kinds of the upper layers"], "| kind | name | room |\n")
	for k := range upper {
		first, last, isRange := strings.Cut(k, "–")
		if !isRange {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || a < int(FirstKind) || b > int(LastKind) || a > b {
			t.Errorf("PROTOCOL.md: upper kind %q is not within %d to %d", k, FirstKind, LastKind)
		}
	}
}

// The boxes add up to the sizes that the code reads.
func TestProtocolBoxes(t *testing.T) {
	doc := protocol(t)
	for _, tc := range []struct {
		section, box string
		size         int
	}{
		{"Frames", "header", HeaderSize},
		{"Handshake", "hello", helloSize},
		{"Handshake", "challenge", challengeSize},
		{"Handshake", "proof", proofMsgSize},
		{"Handshake", "verdict", verdictSize},
	} {
		_, box, ok := strings.Cut(doc[tc.section], "```"+tc.box+"\n")
		box, _, _ = strings.Cut(box, "```")
		if !ok {
			t.Errorf("PROTOCOL.md has no box %s", tc.box)
			continue
		}
		next := 0
		for _, m := range regexp.MustCompile(`(?m)^ *(\d+) +(\d+) `).FindAllStringSubmatch(box, -1) {
			offset, _ := strconv.Atoi(m[1])
			width, _ := strconv.Atoi(m[2])
			if offset != next {
				t.Errorf("box %s: offset %d follows %d", tc.box, offset, next)
			}
			next = offset + width
		}
		if next != tc.size {
			t.Errorf("box %s has %d bytes, the code %d", tc.box, next, tc.size)
		}
	}
}

// The hex dump is what the code writes.
func TestProtocolExample(t *testing.T) {
	var b bytes.Buffer
	s := newStream(bufferConn{out: &b}, Bulk, time.Now())
	s.sent = 5
	body, err := encode(map[string]any{"digest": []byte{0xca, 0xfe}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.put(header{Kind: 40, Flags: flagBlob, Step: 3, BlobLen: 4}, body); err != nil {
		t.Fatal(err)
	}
	s.out.Flush()
	b.WriteString("blob")
	if want := hex.Dump(b.Bytes()); !strings.Contains(protocol(t)["Example"], want) {
		t.Errorf("PROTOCOL.md lacks the dump\n%s", want)
	}
}
