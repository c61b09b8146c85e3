// Package scratch is the private directory of one rank in one run, and the guardian that cleans up after a rank that
// could not do it itself.
//
// rank makes it before its first action and closes it last; rank/execute works below [Scratch.Dir] and starts every tool
// with [Scratch.Env] in its environment, which is how a tool is known for ours when its rank is gone.
//
// On disk, below the base directory (node-local, such as /tmp or /local/$USER):
//
//	distgo-<uid>/<run>-<rank>-<random>/       mode 0700
//	distgo-<uid>/<run>-<rank>-<random>.lock   flocked by the rank
//
// The guardian is the same executable started again as `distgo guard DIR`, before anything of this is made. It holds the
// read end of a pipe: a byte means that the rank has cleaned up, an end without a byte that it was killed. Where both were
// killed, the next Make below the same base does the guardian's work.
//
// Invariant 1: while a rank lives, the lock is held; whoever gets the lock of a file that is still in its place knows it to
// be dead, and alone may clean up.
// Invariant 2: the lock file is there before its directory and goes after it. A directory without one was kept on
// request and is never touched.
// Invariant 3: nothing is removed outside distgo-<uid>, which belongs to this user alone, and no symbolic link is
// followed.
// Invariant 4: a process is killed only if it is this user's and was started with the marker of a dead rank's directory.
//
// A Scratch is safe for concurrent use. Close is idempotent.
//
// Errors: a base that cannot be trusted is an *[Error] of the usage family; the rest comes from the operating system.
package scratch
