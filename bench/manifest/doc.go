// Package manifest knows the programs of the 2024 measurements and fetches them: which repository and commit, what is
// built in it, and what has to be prepared. bench measures what it resolves.
//
//   - Invariant 1: a fetched program is the commit of its pin, with nothing changed but what the manifest prepares.
//   - Invariant 2: git and the go command are asked as their user would: git's url.<base>.insteadOf, credentials, GOPROXY
//     and GOFLAGS mean what they mean there.
//
// The manifest is embedded and immutable. Fetch may be used from one goroutine for one destination.
//
// Errors: *Unknown for what the manifest does not hold; everything else carries what git or the go command said.
package manifest
