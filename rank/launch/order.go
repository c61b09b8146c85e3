package launch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// An order is what a rank that is started through ssh reads first from its standard input, as a line of JSON: a command
// line would be seen by every user of the node, and by a shell. Numbers of signals follow, a line each, for as long as the
// starter lives.
type order struct {
	Dir  string            `json:"dir"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	Path string            `json:"path"` // the starter's PATH, searched after the node's own
}

// maxOrder bounds an order: an environment and the arguments of a command line have at most 2 MiB.
const maxOrder = 4 << 20

// OrderArgument is the argument by which distgo is told to await an order.
const OrderArgument = "ranked"

// Obey makes this process the rank that the order on stdin describes and returns the arguments to go on with. Signals
// that come on stdin later are raised here; SIGHUP when it ends, as then the starter is gone. It is for main, which ends
// when all else has: what reads stdin goes on until then.
func Obey(stdin io.Reader) (args []string, err error) {
	in := bufio.NewReader(stdin)
	line, err := readLine(in, maxOrder)
	if err != nil {
		return nil, fmt.Errorf("distgo %s is started by distgo --hosts, which says what to do: %w", OrderArgument, err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, fmt.Errorf("the order: %w", err)
	}
	for name, value := range o.Env {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	path := strings.Split(os.Getenv("PATH"), ":")
	for _, dir := range strings.Split(o.Path, ":") {
		if !slices.Contains(path, dir) {
			path = append(path, dir)
		}
	}
	if err := os.Setenv("PATH", strings.Join(path, ":")); err != nil {
		return nil, err
	}
	if err := os.Chdir(o.Dir); err != nil {
		host, _ := os.Hostname() // for the message only
		return nil, &Error{Text: fmt.Sprintf("on %s: %v", host, err), Hint: "the directory in which distgo is started must be on every node; `distgo stage --project` puts a project there"}
	}
	go relaySignals(in)
	return o.Args, nil
}

func relaySignals(in *bufio.Reader) {
	for {
		line, err := readLine(in, 16) // a number
		signal := syscall.SIGHUP
		if err == nil {
			n, err := strconv.Atoi(string(line))
			if err != nil || n < 1 || n > 31 {
				continue
			}
			signal = syscall.Signal(n)
		}
		_ = syscall.Kill(os.Getpid(), signal) // one can always signal oneself
		if err != nil {
			return
		}
	}
}

// readLine reads a line of bounded length, without its end.
func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for len(line) < limit {
		b, err := in.ReadByte()
		if err != nil {
			return nil, err
		}
		if b == '\n' {
			return line, nil
		}
		line = append(line, b)
	}
	return nil, errors.New("the line is too long")
}
