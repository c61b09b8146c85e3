package stage

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
)

// journals is where nodes keep them, below the home directory that SFTP begins in.
const journals = ".local/state/distgo/staged"

// record is a line of a journal: something that Put is about to make, and how it will look.
type record struct {
	Path string `json:"path"`
	Dir  bool   `json:"dir,omitempty"`
	Link string `json:"link,omitempty"`
	Size int64  `json:"size,omitempty"`
	Time int64  `json:"time,omitempty"` // Unix, seconds
}

// maxJournal and maxRecord bound what Clean reads: a million files, and two names of the length that Linux allows.
const (
	maxJournal = 512 << 20
	maxRecord  = 64 << 10
)

// journal writes down what is going to be made. It comes first, so that what a killed Put has made can be found.
func (n *node) journal(w work) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, dir := range w.above {
		if err := lines.Encode(record{Path: dir, Dir: true}); err != nil {
			return err
		}
	}
	for _, d := range w.dirs {
		if err := lines.Encode(record{Path: d.node, Dir: true}); err != nil {
			return err
		}
	}
	for _, f := range w.files {
		if err := lines.Encode(record{Path: f.node, Link: f.link, Size: f.size, Time: f.time.Unix()}); err != nil {
			return err
		}
	}
	if err := n.sftp.MkdirAll(journals); err != nil {
		return err
	}
	name := path.Join(journals, rand.Text())
	file, err := n.sftp.Create(name + ".part")
	if err != nil {
		return err
	}
	_, err = file.ReadFrom(&text)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, n.sftp.Remove(name+".part"))
	}
	return n.sftp.PosixRename(name+".part", name)
}

// readJournal reads a journal's records.
func (n *node) readJournal(name string) ([]record, error) {
	f, err := n.sftp.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseJournal(f)
}

func parseJournal(r io.Reader) ([]record, error) {
	var all []record
	lines := bufio.NewScanner(io.LimitReader(r, maxJournal))
	lines.Buffer(nil, maxRecord)
	for lines.Scan() {
		var rec record
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return nil, err
		}
		if !path.IsAbs(rec.Path) || path.Clean(rec.Path) != rec.Path || rec.Path == "/" {
			return nil, fmt.Errorf("%q is not a path", rec.Path)
		}
		all = append(all, rec)
	}
	return all, lines.Err()
}
