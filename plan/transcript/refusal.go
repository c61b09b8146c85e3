package transcript

import (
	"bytes"
	"strings"
)

// Refusal returns what a go command said beside the transcript, when it found
// on the way that the build cannot be done: the lines that are no commands.
func Refusal(text []byte, opt Options) string {
	p := &parser{rest: string(text), line: 1, exists: opt.Exists, script: &Script{}}
	var words strings.Builder
	for p.rest != "" {
		rest := p.rest
		err := p.statement()
		if err == nil && p.ln.form != note && p.prints(rest[:len(rest)-len(p.rest)]) {
			continue
		}
		p.rest = rest
		line, after, _ := strings.Cut(rest, "\n")
		p.rest = after
		if !strings.HasPrefix(line, "cd ") {
			words.WriteString(line + "\n")
		}
	}
	if words.Len() == 0 {
		return string(bytes.Clone(text))
	}
	return words.String()
}
