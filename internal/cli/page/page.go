// Package page writes tables as one web page that needs nothing beside itself: with search, filter and sort, and
// readable on a phone. Text is shown as text; the page's own script is the only one that its policy lets run.
package page

import (
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"html/template"
	"io"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

var (
	//go:embed page.html
	source string
	//go:embed style.css
	style string
	//go:embed script.js
	script string

	parsed = template.Must(template.New("page").Funcs(template.FuncMap{"show": terminal.Escape}).Parse(source))
)

// Page is a title and sections of one table each.
type Page struct {
	Title string
	Notes []string
	// SectionName is what a section is.
	SectionName string
	Sections    []Section
	// Roles are those to filter by.
	Roles []string
}

// Section is one table. The first cell of a row says what the row is about.
type Section struct {
	Title   string
	Notes   []string
	Columns []string
	Rows    []Row
}

// Row is one row. Roles are those that it is found by, with spaces between them.
type Row struct {
	Roles string
	Cells []Cell
}

// Cell is one cell. Order is what it is sorted by; empty, its text. Reason is shown on demand.
type Cell struct {
	Text, Order, Reason string
	Faint               bool
}

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	return parsed.Execute(w, struct {
		*Page
		Style                 template.CSS
		Script                template.JS
		StyleHash, ScriptHash template.HTMLAttr
	}{
		Page: p,
		// Both are parts of this package, and hold nothing of an object.
		Style:     template.CSS(style),
		Script:    template.JS(script),
		StyleHash: hash(style), ScriptHash: hash(script),
	})
}

// hash is how a content security policy names what may run.
func hash(text string) template.HTMLAttr {
	sum := sha256.Sum256([]byte(text))
	return template.HTMLAttr("sha256-" + base64.StdEncoding.EncodeToString(sum[:]))
}
