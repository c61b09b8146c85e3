package transcript

// Op says what a Command does. The values travel in plans: append only.
type Op uint8

const (
	Mkdir   Op = iota + 1 // make directory Args[0] and its parents
	Write                 // write Body to file Args[0], truncating it
	Run                   // run Args[0] with Args[1:], Env added, in Dir; with Stdout set, its output goes to that file
	Copy                  // copy file Args[0] to Args[1]
	Move                  // rename file Args[0] to Args[1]
	Pack                  // append objects Args[1:] to archive Args[0]  (go tool pack r)
	BuildID               // rewrite the content half of the build ID in Args[0]  (go tool buildid -w)
	Remove                // remove Args[0] and what is below it
	Probe                 // a C compiler's trial run that is printed to be read (`|| true`, `# test for …`); never executed
	Symlink               // link Args[1] to Args[0]
	Join                  // write archive Args[2]: export data Args[0] followed by the objects of Args[1]; made by package plan, never read
)

// A Command is one step of the transcript: one tool invocation, or one thing
// that cmd/go does itself (marked "# internal" in the text).
//
// Paths below cmd/go's temporary directory start with "$WORK/"; nothing else
// in Args, Env or Body is a variable.
//
// Dir is absolute, or starts with $WORK, or is "." or "": the last two both
// mean the directory that the go command ran in ("." where cmd/go asked for
// that, "" where it set none). Args are what the tool is called with: where
// the text says "./x.go" for a file below Dir, Args has the whole path again.
// They may still hold relative paths, which are relative to Dir.
type Command struct {
	Op      Op       `msgpack:"o"`
	Dir     string   `msgpack:"d,omitempty"` // directory it runs in; see below
	Env     []string `msgpack:"e,omitempty"` // assignments printed before the tool, unquoted, as NAME=value
	Args    []string `msgpack:"a,omitempty"` // unquoted
	Body    string   `msgpack:"b,omitempty"` // Write: the file's content
	Stdout  string   `msgpack:"s,omitempty"` // Run: file that receives standard output, "" for none; no verified go command prints one
	MayFail bool     `msgpack:"f,omitempty"` // Run: the trial link of a cgo package, whose failure is an answer, not an error (doc.go); Copy, made by package plan: an empty file is not copied
	Line    int      `msgpack:"-"`           // line of the transcript it starts on, 1-based
}

// A Block is what the transcript prints for one action of cmd/go.
type Block struct {
	Node     string    // "b012", cmd/go's name for the action's directory; the key, since import paths repeat
	Package  string    // import path of the header comment, "" where the block has none (a PGO profile, a shared library's link)
	Commands []Command // in order
}
