package page

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	text "text/template"
)

//go:embed page.html.tmpl
var htmlForm string

//go:embed page.md.tmpl
var markdownForm string

var functions = map[string]any{"seconds": seconds, "factor": factor, "megabytes": megabytes, "commit": shortCommit}

// HTML writes the report as one file, pictures included.
func (c *Contents) HTML(w io.Writer) error {
	form, err := template.New("page").Funcs(functions).Funcs(template.FuncMap{"picture": dataURL}).Parse(htmlForm)
	if err != nil {
		return err
	}
	return form.Execute(w, c)
}

// dataURL is a picture inside the page.
func dataURL(p Picture) (template.URL, error) {
	var svg bytes.Buffer
	if err := p.Figure.SVG(&svg); err != nil {
		return "", err
	}
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(svg.Bytes())), nil
}

// Markdown writes the report with its pictures as figures.Write wrote them to a directory, which is given as seen from
// where the Markdown file will lie.
func (c *Contents) Markdown(w io.Writer, pictures string) error {
	form, err := text.New("page").Funcs(functions).Funcs(text.FuncMap{
		"picture": func(p Picture) string { return pictures + "/" + p.Stem + ".png" },
	}).Parse(markdownForm)
	if err != nil {
		return err
	}
	return form.Execute(w, c)
}
