// Package transcript reads what `go build -a -n` prints into typed commands.
// It is the only reader of that text; everything else in plan works on what
// Parse returns.
//
// The text is not a shell script, though it looks like one. cmd/go prints it
// through one function, ShowCmd (cmd/go/internal/work/shell.go), and this
// package is the inverse of that function: it knows which of cmd/go's calls
// print which line, quotes as strconv.Quote does, and treats everything that
// none of those calls can have printed as an error. Where several texts could
// have led to the same line, see undot in dot.go.
//
// Invariant 1: what was read prints back. Parse formats each statement again
// as cmd/go would and refuses the text where the bytes differ, so that
// Script.Print always gives exactly the bytes that Parse was given.
//
// Invariant 2: every line is accounted for. It belongs to a command, to a
// package's header, or to the notes that loading packages prints (`go:
// downloading …`); anything else is a *SyntaxError that quotes it.
//
// Invariant 3: a command is in the block of the directory it works in. Since
// go1.26 cmd/go prints the parts of a package (cover, cgo, the C files, the
// compile) one by one, possibly with other packages in between: the commands
// of a block are in order, but need not have been adjacent.
//
// Invariant 4: memory is bounded by the text's size times the longest
// directory name (maxDir).
//
// # What the transcript does not say
//
// Only the path of success is printed. A cgo package is linked once for trial
// (MayFail): if a real build's trial link fails, cmd/go writes an empty file
// $WORK/bNNN/dynimportfail, packs it with the package's objects, skips
// `cgo -dynimport` and leaves _cgo_import.go out of the compile. The line
// that repeats the trial link with "# test for internal linking errors" is
// printed only to be read (a Probe): executing it would link a second time.
//
// The C header that -buildmode=c-archive and c-shared install beside the
// library is never shown, because cmd/go looks for the generated
// $WORK/bNNN/_cgo_install.h, which -n does not make; `-exportheader=` on the
// cgo line tells that there is one. Neither are the answers of pkg-config: a
// package that asks it is printed with the question and without the flags.
//
// # Concurrency and errors
//
// Parse keeps no state and may run on any goroutine; a Script is immutable.
// Errors are *VersionError (the Go version is not one that was verified;
// configuration) and *SyntaxError (a line that this package does not know:
// internal, or output of a go command that failed).
package transcript
