package pipeline

import "embed"

// Environment variables that the compiler reads.
const (
	// SignalEnv carries the number of the inherited descriptor on which the
	// compiler reports its export data, a byte, and where it reads how many
	// threads may run, each time a byte: it begins with GOMAXPROCS.
	SignalEnv = "DISTGO_EXPORTED"
	// SharesEnv says I/N:PREFIX: this is compiler I of N of a package. Compiler 0
	// looks for the others' results in PREFIX.1 … PREFIX.N-1, but never waits for
	// them; what it takes over it removes. Compiler I > 0 compiles a share of the
	// functions, writes PREFIX.I and nothing else; if it cannot, it exits with 1.
	SharesEnv = "DISTGO_SHARES"
	// TypesEnv, if set, has the compiler write P.types, where P is what -o says, as
	// soon as the package is type-checked, and say SaysTypes on SignalEnv's descriptor.
	// Of an import it reads P.types while P is not there. If TypesWait is its value, P
	// need not be there yet: it says SaysWaits before it inlines, and waits until it is
	// told GoOn. It ends with an error if P's types are others then.
	// A share's compiler writes no types.
	TypesEnv  = "DISTGO_TYPES"
	TypesWait = "wait"
)

// What is said on SignalEnv's descriptor, a byte each. All but GoOn that the compiler
// is told is a number of threads.
const (
	SaysExported = 1 // the export data is in its place
	SaysTypes    = 2 // the types are
	SaysWaits    = 3 // nothing goes on without the export data of all imports
	GoOn         = 0 // it is there
)

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
		new: `	if share.index > 0 {
		giveUp("there are no functions")
	}
	dumpobj1(base.Flag.LinkObj, modeLinkerObj)
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
	// Functions may be shared between compilers. What one notes of references
	// between debug information entries, the other resolves; types are named by
	// the order in which they come into being.
	{
		file: "cmd/compile/internal/gc/compile.go",
		old: `	compile(compilequeue)
	compilequeue = nil
	wg.Wait()
`,
		new: `	if !compileShares(compilequeue, func(fns []*ir.Func) { compile(fns); wg.Wait() }) {
		compile(compilequeue)
		wg.Wait()
	}
	compilequeue = nil
`,
	},
	// Who shares a package must have read the same of it.
	{
		file: "cmd/compile/internal/noder/noder.go",
		old:  `syntax.Parse(fbase, f, p.error`,
		new:  `syntax.Parse(fbase, noted(i, f), p.error`,
	},
	{
		file: "cmd/compile/internal/types/type.go",
		old: `		width: BADWIDTH,
	}
	t.underlying = t
	// TODO(josharian)`,
		new: `		width: BADWIDTH,
	}
	register(t)
	t.underlying = t
	// TODO(josharian)`,
	},
	{
		file: "cmd/compile/internal/types/type.go",
		old: `	nt := *t
	// copy any`,
		new: `	nt := *t
	register(&nt)
	// copy any`,
	},
	{
		file: "cmd/internal/obj/link.go",
		old: `	constSyms []*LSym
`,
		new: `	constSyms []*LSym

	noted                  *dieNotes // while a share is made
	notedData, notedConsts int       // lengths of Data and constSyms before
`,
	},
	{
		file: "cmd/internal/obj/dwarf.go",
		old: `	// Create entry for symbol if not already present.
	idx, found := ft.symtab[tgt]
`,
		new: `	if ft.note(s, ridx, tgt, dclidx, inlIndex) {
		return
	}

	// Create entry for symbol if not already present.
	idx, found := ft.symtab[tgt]
`,
	},
	{
		file: "cmd/internal/obj/dwarf.go",
		old: `	// Store offsets for this symbol.
`,
		new: `	ft.noteOffsets(s, doffsets)

	// Store offsets for this symbol.
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

// hugeEdits have the compiler's runtime ask for huge pages, which some systems give to
// every program and others to those that ask (transparent_hugepage: always, madvise),
// as Go programs do not. Each compile is a process that faults its heap in anew, and
// collects little of it. Where they do not match, the compiler is made without.
var hugeEdits = [...]edit{
	{
		file: "runtime/mem_linux.go",
		old: `	if debug.disablethp != 0 {
		sysNoHugePageOS(v, n)
	}
`,
		new: `	if debug.disablethp != 0 {
		sysNoHugePageOS(v, n)
	} else {
		sysHugePageOS(v, n)
	}
`,
	},
}

// typesEdits have types handed out before the rest of the export data, which imports,
// too, may lack until then. Where one of them does not match, the compiler is made
// without them, as in go1.24 and before.
var typesEdits = [...]edit{
	{
		file: "cmd/compile/internal/noder/unified.go",
		old: `	data := writePkgStub(m, noders)
`,
		new: `	data := writePkgStub(m, noders)
	typesKnown(data)
`,
	},
	{
		file: "cmd/compile/internal/noder/import.go",
		old: `	f, err := openPackage(path)
	if err != nil {
		return
	}
`,
		new: `	f, err := openImport(path)
	if err != nil {
		return
	}
`,
	},
	{
		file: "cmd/compile/internal/noder/import.go",
		old: `	err = addFingerprint(path, data)
`,
		new: `	err = imported(path, data)
`,
	},
	{
		file: "cmd/compile/internal/noder/linker.go",
		old: `		l.relocCommon(pr, wext, pkgbits.SectionObjExt, idx)
`,
		new: `		l.relocExt(pr, wext, idx, tag)
`,
	},
	{
		file: "cmd/compile/internal/noder/reader.go",
		old: `		fn.ABI = obj.ABI(r.Uint64())
`,
		new: `		fn.ABI = obj.ABI(r.Uint64())
		if fn.ABI == comesLater {
			fn.ABI = obj.ABIInternal // as NewFunc has it
			toFinish(name)
			r.Sync(pkgbits.SyncEOF)
			return
		}
`,
	},
	// The back end breaks ties by the numbers of positions.
	{
		file: "cmd/compile/internal/noder/reader.go",
		old: `	pr.posBases[idx] = b
	return b
`,
		new: `	b = posBaseOf(pr, b)
	pr.posBases[idx] = b
	return b
`,
	},
	// Inlining is what the rest of the export data is needed for.
	{
		file: "cmd/compile/internal/noder/unified.go",
		old: `	readBodies(target, false)

	// Check that`,
		new: `	readBodies(target, false)
	readRest()

	// Check that`,
	},
}

// added are files that the compiler gets beside the edits, below GOROOT/src and
// with .txt behind their names, so that they are nobody's packages here. Those whose
// names end in typesSuffix belong to typesEdits.
//
//go:embed added
var added embed.FS

const typesSuffix = "_types.go.txt"
