package launch

import (
	"strconv"
	"strings"
)

// Memory returns how many bytes of memory this rank may count on: what the node has free, less where a cgroup allows
// less, divided among the ranks on the node. It is 0 where that cannot be told. readFile is os.ReadFile or a stand-in.
func Memory(p Place, readFile func(string) ([]byte, error)) int64 {
	memory := available(readFile)
	if limit := CgroupMemory(readFile); limit > 0 {
		memory = min(memory, limit)
	}
	return memory / int64(max(1, p.LocalSize))
}

// available is the kernel's estimate of what can be had without swapping: "MemAvailable:   16316408 kB".
func available(readFile func(string) ([]byte, error)) int64 {
	text, err := readFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemAvailable:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
