package store

import "path/filepath"

// DefaultDir is where a user's store lies unless told otherwise:
// $XDG_CACHE_HOME/distgo, else ~/.cache/distgo. As the XDG base directory
// specification has it, a path that is not absolute counts as none.
func DefaultDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "distgo"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "distgo"), nil
	}
	return "", &UsageError{"there is no place for the store: neither XDG_CACHE_HOME nor HOME is an absolute path", "set one of them, or say --store DIR"}
}
