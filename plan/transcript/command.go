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
	Probe                 // a trial run of a C compiler that -n prints but does not do; never executed
	Symlink               // link Args[1] to Args[0]
)

// A Command is one step of the transcript: one tool invocation, or one thing
// that cmd/go does itself (marked "# internal" in the text).
//
// Paths below cmd/go's temporary directory start with "$WORK/"; nothing else
// in Args, Env or Body is a variable. Paths may be relative to Dir.
type Command struct {
	Op     Op       `msgpack:"o"`
	Dir    string   `msgpack:"d,omitempty"` // directory in force: "" where none was set; may start with $WORK
	Env    []string `msgpack:"e,omitempty"` // assignments printed before the tool, unquoted, as NAME=value
	Args   []string `msgpack:"a,omitempty"` // unquoted
	Body   string   `msgpack:"b,omitempty"` // Write: the file's content
	Stdout string   `msgpack:"s,omitempty"` // Run: file that receives standard output ("> file"), "" for none
	Line   int      `msgpack:"-"`           // line of the transcript it starts on, 1-based
}

// A Block is what the transcript prints for one action of cmd/go.
type Block struct {
	Node     string    // "b012", cmd/go's name for the action's directory; the key, since import paths repeat
	Package  string    // import path of the header comment, "" where the block has none (a link)
	Commands []Command // in order
}
