package launch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// source is what one launcher's detection reads from. It writes down what was read, so that messages can name it.
type source struct {
	launcher string
	env      func(string) (string, bool)
	flags    Flags
	readFile func(string) ([]byte, error)

	from     []string
	saidRank string // "PRUN_CPU_RANK=9"
	saidSize string // "PRUN_HOSTNAMES lists 8 entries"
}

// text returns a variable. An empty one counts as unset: that is how scripts take a variable back.
func (s *source) text(name string) (string, bool) {
	v, ok := s.env(name)
	if !ok || v == "" {
		return "", false
	}
	s.note(name, v)
	return v, true
}

// note writes down where something was read from. Values are cut, because a list of hosts can be thousands long.
func (s *source) note(name, value string) {
	if said := name + "=" + abbreviate(value); !slices.Contains(s.from, said) {
		s.from = append(s.from, said)
	}
}

// number returns a variable that holds a decimal number.
func (s *source) number(name string) (int, bool, error) {
	v, ok := s.text(name)
	if !ok {
		return 0, false, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil {
		return 0, false, s.errorf("", "%s=%s is not a number", name, abbreviate(v))
	}
	return n, true, nil
}

// optional is number with a default.
func (s *source) optional(name string, absent int) (int, error) {
	n, ok, err := s.number(name)
	if err != nil || !ok {
		return absent, err
	}
	return n, nil
}

// rankAndSize reads both, or neither: a launcher that gives only one is not the one that started this process.
func (s *source) rankAndSize(p *Place, rankVar string, sizeVars ...string) (bool, error) {
	rank, ok, err := s.number(rankVar)
	if !ok || err != nil {
		return false, err
	}
	for _, sizeVar := range sizeVars {
		size, ok, err := s.number(sizeVar)
		if err != nil {
			return false, err
		}
		if ok {
			s.setRank(p, rank, rankVar)
			s.setSize(p, size, fmt.Sprintf("%s=%d", sizeVar, size))
			return true, nil
		}
	}
	return false, nil
}

func (s *source) setRank(p *Place, rank int, name string) {
	p.Rank, s.saidRank = rank, fmt.Sprintf("%s=%d", name, rank)
}

func (s *source) setSize(p *Place, size int, said string) {
	p.Size, s.saidSize = size, said
}

// key joins the values of the variables that are set: together they name the run.
func (s *source) key(names ...string) string {
	var parts []string
	for _, name := range names {
		if v, ok := s.text(name); ok {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ".")
}

func (s *source) errorf(hint, format string, args ...any) error {
	return &Error{Launcher: s.launcher, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func abbreviate(v string) string {
	const shown = 80 // about a line
	if len(v) > shown {
		return v[:shown] + "..."
	}
	return v
}

// hostsOf splits a list of hosts at spaces and commas.
func hostsOf(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}
