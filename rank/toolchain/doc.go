// Package toolchain speaks to the go command: it asks for the environment,
// captures the transcript of a build, and makes the pipelined compiler. With
// rank/execute it is the only package that starts the toolchain's programs.
//
// A Toolchain is what the go command of one directory says about itself; it is
// immutable and may be used from any goroutine. Errors: *Refused when the go
// command would not build either, in its own words; *Missing when there is no
// go command or project to ask.
package toolchain
