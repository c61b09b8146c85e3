package transcript

// Line reads a single line as cmd/go prints the running of a program, with -n
// or -x: assignments, then the program and its arguments, all unquoted.
// Directories stay as they are printed. It is for looking things up in what a
// go command printed; whole transcripts are read by Parse.
func Line(line string) (env, args []string, err error) {
	rest := line
	for {
		e, after, ok, err := nextAssignment(rest)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		env = append(env, e)
		rest = after
	}
	for rest != "" {
		w, after, err := nextWord(rest)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, w.text)
		rest = after
	}
	return env, args, nil
}
