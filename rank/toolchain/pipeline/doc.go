// Package pipeline makes, proves and keeps the pipelined compiler: a private
// build of cmd/compile that writes a package's export data before its back end
// begins, so that importers start while the package is still being compiled.
//
// It is made from the source in the user's own GOROOT by a handful of edits,
// each matched on the exact text it expects, and `go build -overlay`; GOROOT
// itself is only read. Given
//
//	compile -o p.x -linkobj p.a …
//
// it writes p.x under a temporary name right after escape analysis, renames
// it, writes one byte to the descriptor whose number the environment variable
// DISTGO_EXPORTED holds (if it is set), closes that descriptor, and goes on to
// p.a. A parent that reads end of file without the byte knows that no export
// data came. Errors found afterwards are printed in the stock compiler's
// words, p.x is removed again, and the exit status is the stock one's.
//
// A package's types are known before its export data, after two fifths of the time.
// They are at the end of p.x, too, for importers to read first. With DISTGO_TYPES set
// the compiler writes them to p.x.types and says so with a byte of its own; importers
// can then be begun, parse and type-check, hand out their own types, read their
// functions into the form that the back end takes, and wait three fifths of the way to
// their export data, as inlining and escape analysis need that of their imports.
// added/cmd/compile/internal/noder/distgo_types.go.txt has the details. Where the
// source does not match the edits for types, as that of go1.24, the compiler is made
// and proved without: Compiler.Types says so. Since that follows from its digest, ranks
// that have the same compiler agree.
//
// Several compilers can share one package's functions, which the back end
// compiles independently of each other. Each goes through the front end; all
// but one compile a share, write down what the back end made of it, and end;
// the one that writes the object takes over what is there and compiles the
// rest. It is never waited for, so a share that does not come costs nothing but
// time. SharesEnv has the details, added/cmd/internal/obj/distgo.go.txt what a
// share consists of.
//
// Its heap asks the kernel for huge pages, which is no part of what it writes: every
// compile is a process that faults its memory in anew. GODEBUG=disablethp=1, which the
// runtime knows, has it not ask.
//
// In distgo it stands beside the rest of rank/toolchain: every rank tells which compiler Find
// finds on its node, root asks Ensure for one when there is a plan, and gives it to those that
// lack it, who Keep it. Where Ensure declines, the build goes on with the stock compiler and the
// user reads why in one line.
//
// Invariant 1: none is kept that has not been proved on this toolchain, here or on
// the node that gave it: the probe program, compiled by it with split outputs, begun on types
// if it hands out any, and with shares, from the runtime up, equals the stock `go
// build`'s byte for byte, and runs.
//
// Invariant 2: with -linkobj given, the symbols of the objects are not
// interchangeable with the stock compiler's: content hashes go by name. Never
// link objects of both; Compiler.Digest belongs in every cache key.
//
// Invariant 3: without -linkobj it writes what the stock compiler writes, byte
// for byte. `compile -V=full` differs all the same, so cmd/go never confuses
// the two. The assembler and the linker are the stock ones: what cmd/asm
// emits has no content-addressed symbol with relocations, and the linker only
// compares hashes.
//
// Invariant 4: a compiler in the store is complete: it is moved there under
// its identity by one rename, and its digest is compared whenever it is used,
// unless it is as it was then, by size, times and inode.
//
// Every function may be called from any goroutine and process; Ensure makes
// one compiler at a time per store. All of them block and end on their
// context. Errors: a context's own error as it is; a *Difference where the
// proof failed; anything else is a toolchain that does not match, or a machine
// in trouble. Ensure remembers why a build or proof failed for an hour, so
// that the builds of that hour do not each try again.
package pipeline
