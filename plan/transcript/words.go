package transcript

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// appendWord appends s as joinUnambiguously in cmd/go/internal/work/shell.go
// writes it: bare where that is unambiguous, else as strconv.Quote does.
func appendWord(b []byte, s string) []byte {
	if isBare(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

// isBare reports whether cmd/go prints s without quotes.
func isBare(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80:
			// Whether a rune is printable is strconv's business.
			return !strings.ContainsAny(s, " ()>;") && len(strconv.Quote(s)) == len(s)+2
		case c <= ' ' || c == '(' || c == ')' || c == '>' || c == ';' || c == '"' || c == '\\' || c == 0x7f:
			return false
		}
	}
	return s != ""
}

// A word is one argument of a printed command.
type word struct {
	text   string // unquoted
	quoted bool
}

// nextWord splits the first word off s, which is not empty. Whether the word
// had to be quoted is left to the comparison with the printed form.
func nextWord(s string) (w word, rest string, err error) {
	if s[0] != '"' {
		text, rest, more := strings.Cut(s, " ")
		if text == "" || more && rest == "" {
			return word{}, "", errors.New("stray space")
		}
		return word{text: text}, rest, nil
	}
	end := 1
	escaped := false
	for ; end < len(s) && s[end] != '"'; end++ {
		if s[end] == '\\' {
			escaped = true
			end++
		}
	}
	if end >= len(s) {
		return word{}, "", errors.New("quoted argument never ends")
	}
	text := s[1:end]
	if escaped {
		if text, err = strconv.Unquote(s[:end+1]); err != nil {
			return word{}, "", fmt.Errorf("quoted argument %s: %w", excerpt(s[:end+1]), err)
		}
	}
	switch rest = s[end+1:]; {
	case rest == "":
		return word{text: text, quoted: true}, "", nil
	case rest[0] == ' ' && len(rest) > 1:
		return word{text: text, quoted: true}, rest[1:], nil
	}
	return word{}, "", errors.New("no space after quoted argument")
}

// nextAssignment splits a leading NAME='value' or NAME="value" and the space
// after it off s, as runOut in cmd/go/internal/work/shell.go prints them. A
// value between single quotes is verbatim and may hold anything else, line
// breaks included; ok is false where s does not start with an assignment.
func nextAssignment(s string) (env, rest string, ok bool, err error) {
	n := 0
	for n < len(s) && isNameByte(s[n], n) {
		n++
	}
	if n == 0 || n+1 >= len(s) || s[n] != '=' || s[n+1] != '\'' && s[n+1] != '"' {
		return "", s, false, nil
	}
	if s[n+1] == '\'' {
		value, rest, ended := strings.Cut(s[n+2:], "'")
		if !ended || len(rest) < 2 || rest[0] != ' ' {
			return "", "", false, fmt.Errorf("value of %s never ends", s[:n])
		}
		return s[:n+1] + value, rest[1:], true, nil
	}
	line, _, _ := strings.Cut(s[n+1:], "\n")
	w, rest, err := nextWord(line)
	if err != nil {
		return "", "", false, fmt.Errorf("value of %s: %w", s[:n], err)
	}
	return s[:n+1] + w.text, s[n+1+len(line)-len(rest):], true, nil
}

// appendAssignment is the inverse of nextAssignment.
func appendAssignment(b []byte, env string) []byte {
	name, value, _ := strings.Cut(env, "=")
	b = append(append(b, name...), '=')
	if strings.Contains(value, "'") {
		b = strconv.AppendQuote(b, value)
	} else {
		b = append(append(append(b, '\''), value...), '\'')
	}
	return append(b, ' ')
}

func isNameByte(c byte, i int) bool {
	return c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || i > 0 && '0' <= c && c <= '9'
}
