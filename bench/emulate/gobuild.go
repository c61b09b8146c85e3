package emulate

import (
	"fmt"
	"strconv"
	"strings"
)

// GoBuild is what makes a `go build` on a node a fair baseline: the environment, which Start gives it anyway, and the
// flags. Its tools run through Cage, as distgo's do; since the tools say the same of themselves through it, action IDs
// and the program are those of a build without. GOFLAGS is left alone.
//
// A C compiler that the go command starts itself does not pass through -toolexec. On nodes of several cores, give
// cgo programs CC and CXX with the words of ToolExec before the compiler's own.
func (c *Cluster) GoBuild() (env, flags []string) {
	cores := strconv.Itoa(c.spec.Cores)
	env = []string{"GOMAXPROCS=" + cores}
	flags = []string{"-p", cores}
	if toolexec := c.ToolExec(); toolexec != "" {
		flags = append(flags, "-toolexec", toolexec)
	}
	return env, flags
}

// ToolExec is the command, quoted as the go command quotes, that puts a tool in the cage; "" on nodes of one core, where
// the node is the cage.
func (c *Cluster) ToolExec() string {
	if c.spec.Cores == 1 {
		return ""
	}
	return quoteWords(append(append([]string{}, c.spec.Self...), "cage"))
}

// checkWords says which word of a command the go command could not read back.
func checkWords(words []string) error {
	for _, word := range words {
		if strings.Contains(word, "'") && strings.Contains(word, `"`) {
			return fmt.Errorf("the go command cannot be told of %q, which has both kinds of quotes", word)
		}
	}
	return nil
}

// quoteWords joins words for cmd/internal/quoted.Split, which knows two kinds of quotes and no escapes.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		switch {
		case strings.Contains(word, "'"):
			quoted[i] = `"` + word + `"`
		case word == "" || strings.ContainsAny(word, " \t\n\r\""):
			quoted[i] = "'" + word + "'"
		default:
			quoted[i] = word
		}
	}
	return strings.Join(quoted, " ")
}
