package page

import (
	"io"
	"path/filepath"

	"github.com/badbubble/distgo/bench/figures"
	"github.com/badbubble/distgo/bench/sample"
)

// Write makes a directory with the report: report.html, report.md and figures.
func Write(dir string, set *sample.Set, prototype bool) error {
	campaigns := figures.Campaigns(set.Good())
	pictures, err := figures.All(campaigns, prototype)
	if err != nil {
		return err
	}
	if err := figures.Write(filepath.Join(dir, "figures"), pictures); err != nil {
		return err
	}
	c := NewContents(set, campaigns, pictures)
	if err := figures.WriteFile(filepath.Join(dir, "report.html"), c.HTML); err != nil {
		return err
	}
	return figures.WriteFile(filepath.Join(dir, "report.md"), func(w io.Writer) error { return c.Markdown(w, "figures") })
}
