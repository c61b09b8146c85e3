package toolchain

import (
	"os"
	"slices"
	"strings"
)

// What of the user's environment reaches the tools. Everything else, secrets
// among it, stays where it is.
var (
	passed = []string{
		"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "TERM",
		"LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH",
		"COMPILER_PATH", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH", "CCACHE_DIR", "SYSROOT",
		"GOGC", "GOMEMLIMIT", "GODEBUG",
	}
	passedPrefix = []string{"LC_", "PKG_CONFIG", "CGO_"}
	// kept are settings of `go env` that no tool reads, some with passwords in them.
	kept = []string{
		"GOAUTH", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS",
		"GOCACHE", "GOCACHEPROG", "GOMODCACHE", "GOENV", "GOTMPDIR", "GOFLAGS", "GOTELEMETRY", "GOTELEMETRYDIR", "GOBIN", "GOPATH",
		"GOMOD", "GOWORK", "GOGCCFLAGS", "GCCGO", "GO111MODULE",
	}
)

// CommandEnv is the environment of every command of the build, on whichever
// rank it runs: what the go command exports to its children
// (GOROOT/src/cmd/go/main.go, go1.26) and what C compilers read. Sorted.
func (t *Toolchain) CommandEnv() []string {
	set := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(passed, name) || slices.ContainsFunc(passedPrefix, func(p string) bool { return strings.HasPrefix(name, p) }) {
			set[name] = value
		}
	}
	for name, value := range t.Env {
		if !slices.Contains(kept, name) {
			set[name] = value
		}
	}
	env := make([]string, 0, len(set))
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}
