// Package execute runs the commands of one action in a rank's scratch
// directory. It starts the compiler, the assembler, the linker and the C
// compilers as child processes, with argument lists, never through a shell;
// what cmd/go does itself (configuration files, packing archives, moving
// programs into place) it does in-process.
//
// Invariant 1: only tools on the closed list are started: the toolchain's own
// and the configured C compilers. Arguments that name response files are
// refused.
// Invariant 2: outside the scratch directory only links write, and what they
// write appears whole: it is written beside its place and renamed.
// Invariant 3: when Run, Continue or Quit returns, every process of the action has
// ended. Only Begin leaves one behind, paused, for either of these.
//
// Invariant 4: a process that is held, as its action has no threads for now, is
// suspended with its whole group, and goes on or is killed like any other.
//
// A Runner may be used from any number of goroutines, one action each. Errors:
// *Failure when a tool says that the code does not build; anything else is the
// node's or distgo's own trouble.
package execute
