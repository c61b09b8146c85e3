package pipeline

// SignalEnv names the environment variable that carries the number of the
// inherited descriptor on which the compiler reports its export data.
const SignalEnv = "DISTGO_EXPORTED"

// WaitEnv names the environment variable that carries the number of the
// inherited descriptor on which a compiler started ahead is told to go on.
const WaitEnv = "DISTGO_WAIT"

// edits are numbered from 1 within their file in messages.
var edits = [...]edit{
	// Write the export data when everything in it is known: inlining is
	// decided, escape analysis has left its notes, the back end has not begun.
	{
		file: "cmd/compile/internal/gc/main.go",
		old: `	loopvar.LogTransformations(transformed)
`,
		new: `	loopvar.LogTransformations(transformed)

	if base.Flag.LinkObj != "" {
		obj.HashByName = true
		if base.Errors() == 0 {
			dumpExports()
		}
	}
`,
	},
	// At the end only the link object is left to write. Export data written a
	// second time would get another fingerprint than importers have recorded.
	{
		file: "cmd/compile/internal/gc/obj.go",
		old: `	dumpobj1(base.Flag.LowerO, modeCompilerObj)
	dumpobj1(base.Flag.LinkObj, modeLinkerObj)
`,
		new: `	dumpobj1(base.Flag.LinkObj, modeLinkerObj)
`,
	},
	// Symbol indices are assigned after the back end. Early, every symbol is
	// named instead (-1), and TypeLinksym is not called: it would request a
	// type descriptor for every exported type, in time to be emitted.
	{
		file: "cmd/compile/internal/noder/linker.go",
		old: `	l.lsymIdx(w, "", reflectdata.TypeLinksym(typ))
	l.lsymIdx(w, "", reflectdata.TypeLinksym(typ.PtrTo()))
`,
		new: `	if base.Flag.LinkObj != "" {
		w.Int64(-1)
		w.Int64(-1)
	} else {
		l.lsymIdx(w, "", reflectdata.TypeLinksym(typ))
		l.lsymIdx(w, "", reflectdata.TypeLinksym(typ.PtrTo()))
	}
`,
	},
	{
		file: "cmd/compile/internal/noder/linker.go",
		old: `	linkname := name.Sym().Linkname
	if !l.lsymIdx(w, linkname, name.Linksym()) {
`,
		new: `	linkname := name.Sym().Linkname
	if base.Flag.LinkObj != "" {
		w.Int64(-1)
		w.String(linkname)
	} else if !l.lsymIdx(w, linkname, name.Linksym()) {
`,
	},
	// A content-addressable symbol (an itab, say) hashes what its relocations
	// point to: by index in the package that defines the target, by name in
	// its importers, since they were given no index. The linker would keep two
	// copies of one itab, and interface comparison would fail at run time.
	// So hash by name wherever the target has a name of its own.
	{
		file: "cmd/internal/obj/objfile.go",
		old: `const UnlinkablePkg = "<unlinkable>" // invalid package path, used when compiled without -p flag
`,
		new: `const UnlinkablePkg = "<unlinkable>" // invalid package path, used when compiled without -p flag

// HashByName makes content hashes independent of symbol indices.
var HashByName bool
`,
	},
	{
		file: "cmd/internal/obj/objfile.go",
		old: `		switch rs.PkgIdx {
		case goobj.PkgIdxHashed64:
			h.Write([]byte{0})
`,
		new: `		pkgIdx := rs.PkgIdx
		if HashByName && pkgIdx <= goobj.PkgIdxSelf && !rs.Static() {
			pkgIdx = goobj.PkgIdxNone
		}
		switch pkgIdx {
		case goobj.PkgIdxHashed64:
			h.Write([]byte{0})
`,
	},
	// Wait for the imports. The files are being parsed meanwhile, each in a
	// goroutine that keeps its errors until the loop below asks for them.
	{
		file: "cmd/compile/internal/noder/noder.go",
		old: `	var lines uint
	var m posMap
`,
		new: `	awaitImports()

	var lines uint
	var m posMap
`,
	},
	// Let nobody take this compiler for the stock one: cmd/go makes the whole
	// -V=full line part of its action IDs.
	{
		file: "cmd/internal/objabi/flag.go",
		old: `	if s == "full" {
`,
		new: `	if s == "full" {
		p += " distgo:pipelined"
`,
	},
}

// added are the files that the compiler gets beside the edits.
var added = [...]struct{ file, text string }{
	{"cmd/compile/internal/gc/distgo.go", exportsText},
	{"cmd/compile/internal/noder/distgo.go", waitText},
}

const exportsText = `package gc

import (
	"fmt"
	"os"
	"strconv"

	"cmd/compile/internal/base"
)

// dumpExports writes the compiler object, moves it to its place, and says so
// on the descriptor that the parent may have named.
func dumpExports() {
	tmp := base.Flag.LowerO + ".part"
	dumpobj1(tmp, modeCompilerObj)
	if err := os.Rename(tmp, base.Flag.LowerO); err != nil {
		os.Remove(tmp)
		base.FlushErrors()
		fmt.Printf("can't create %s: %v\n", base.Flag.LowerO, err)
		base.ErrorExit()
	}

	env := os.Getenv("` + SignalEnv + `")
	if env == "" {
		return
	}
	fd, err := strconv.Atoi(env)
	if err != nil {
		base.Fatalf("` + SignalEnv + `: %v", err)
	}
	signal := os.NewFile(uintptr(fd), "` + SignalEnv + `")
	if _, err := signal.Write([]byte{1}); err != nil {
		base.Fatalf("` + SignalEnv + `: %v", err)
	}
	signal.Close()
}
`

const waitText = `package noder

import (
	"io"
	"os"
	"runtime"
	"strconv"

	"cmd/compile/internal/base"
)

// awaitImports returns when the parent says, on the descriptor that it may
// have named, that the imports are there: by a byte that holds how many
// threads there are now. An end without the byte means that nobody wants this
// package from here any more.
func awaitImports() {
	env := os.Getenv("` + WaitEnv + `")
	if env == "" {
		return
	}
	fd, err := strconv.Atoi(env)
	if err != nil {
		base.Fatalf("` + WaitEnv + `: %v", err)
	}
	parent := os.NewFile(uintptr(fd), "` + WaitEnv + `")
	var threads [1]byte
	if _, err := io.ReadFull(parent, threads[:]); err != nil {
		os.Exit(1)
	}
	parent.Close()

	if n := int(threads[0]); n > 1 {
		runtime.GOMAXPROCS(n)
		if base.Flag.LowerC > 1 { // else the flags allow no other
			base.Flag.LowerC = n
		}
	}
}
`
