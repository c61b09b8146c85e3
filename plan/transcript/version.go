package transcript

import (
	"fmt"
	"go/version"
	"strings"
)

// The range of Go releases whose transcripts are covered by golden files and
// whose cmd/go/internal/work/shell.go was read. cmd/go calls the format
// provisional, so a new minor release is verified before it is let in.
const (
	oldestVerified = "go1.23"
	newestVerified = "go1.26"
)

// A VersionError says that the transcript's format has not been verified for
// a Go version.
type VersionError struct {
	GoVersion string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%q is outside the verified range %s to %s: the transcript of its go command may read differently; "+
		"use a verified toolchain, or --unverified-go goes on at your own risk", e.GoVersion, oldestVerified, newestVerified)
}

// checkVersion refuses Go versions outside the verified range. What a
// toolchain appends to its version ("go1.26.8 X:nodwarf5", "go1.26.8-acme")
// does not change the language of its transcript.
func checkVersion(goVersion string) error {
	lang := langVersion(goVersion)
	if lang == "" || version.Compare(lang, oldestVerified) < 0 || version.Compare(lang, newestVerified) > 0 {
		return &VersionError{GoVersion: goVersion}
	}
	return nil
}

// langVersion returns "go1.26" for "go1.26.8", and "" for what is no release.
func langVersion(goVersion string) string {
	v, _, _ := strings.Cut(goVersion, " ")
	v, _, _ = strings.Cut(v, "-")
	return version.Lang(v)
}
