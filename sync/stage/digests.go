package stage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
)

// DigestsArgument is the argument by which distgo is told to compute digests.
const DigestsArgument = "digests"

// maxPath bounds a path: Linux's is 4096 bytes.
const maxPath = 4096

// Digests is what distgo does on a node for Put: it reads paths from r, one a line, and writes for each a line with the
// digest of what is there now, or "-" and why there is none.
func Digests(r io.Reader, w io.Writer) error {
	type answer struct{ text chan string }
	answers := make(chan answer, 2*runtime.NumCPU()) // bounds the files that are read side by side
	var readErr error
	go func() {
		defer close(answers)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxPath+1)
		for lines.Scan() {
			a := answer{make(chan string, 1)}
			path := lines.Text()
			answers <- a
			go func() {
				sum, err := digestOf(path)
				if err != nil {
					a.text <- "- " + strings.ReplaceAll(err.Error(), "\n", " ")
					return
				}
				a.text <- hex.EncodeToString(sum[:])
			}()
		}
		readErr = lines.Err()
	}()
	out := bufio.NewWriter(w)
	var writeErr error
	for a := range answers { // to the end, so that nothing is left running
		if _, err := fmt.Fprintln(out, <-a.text); err != nil && writeErr == nil {
			writeErr = err
		}
	}
	return errors.Join(readErr, writeErr, out.Flush())
}

// verify lets the node read what was sent and compares digests.
func (n *node) verify(ctx context.Context, checker string, files []*entry) error {
	var list strings.Builder
	var sent []*entry
	for _, f := range files {
		if f.mode.IsRegular() {
			sent = append(sent, f)
			list.WriteString(f.node + "\n")
		}
	}
	s, err := n.client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	var answers, words bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader(list.String()), &answers, &words
	// Here and there at once. What was just sent is still in memory on both sides.
	var own sync.WaitGroup
	own.Go(func() {
		_ = each(ctx, sent, func(e *entry) error { _, err := e.digest(); return err }) // asked again below
	})
	err = s.Run("exec " + quote(checker) + " " + DigestsArgument)
	own.Wait()
	if err := n.ran(err, &words); err != nil {
		return fmt.Errorf("comparing digests: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(answers.String(), "\n"), "\n")
	for i, f := range sent {
		want, err := f.digest()
		if err != nil {
			return err
		}
		if i >= len(lines) || lines[i] != hex.EncodeToString(want[:]) {
			got := "nothing"
			if i < len(lines) {
				got = lines[i]
			}
			return fmt.Errorf("%s did not arrive as it was sent (%s): stage it again", f.node, got)
		}
	}
	return nil
}
