package toolchain

import (
	"os"
	"slices"
	"strings"
)

// settings are what is asked of `go env`: what the go command exports to its
// children (MkEnv in GOROOT/src/cmd/go/internal/envcmd/env.go, go1.21 to 1.26)
// and where it found the module. Asked for everything it would start the C
// compiler to find out GOGCCFLAGS, which takes ten times as long as the rest.
// One that a version does not know is empty.
var settings = []string{
	"AR", "CC", "CGO_ENABLED", "CXX", "GCCGO",
	"GO111MODULE", "GOAUTH", "GOBIN", "GOCACHE", "GOCACHEPROG", "GODEBUG", "GOENV", "GOEXE", "GOEXPERIMENT", "GOFIPS140",
	"GOFLAGS", "GOHOSTARCH", "GOHOSTOS", "GOINSECURE", "GOMOD", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH", "GOPRIVATE",
	"GOPROXY", "GOROOT", "GOSUMDB", "GOTELEMETRY", "GOTELEMETRYDIR", "GOTMPDIR", "GOTOOLCHAIN", "GOTOOLDIR", "GOVCS", "GOVERSION", "GOWORK",
	"GOOS", "GOARCH", "GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64", "GOWASM",
}

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
		if !slices.Contains(kept, name) && value != "" {
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
