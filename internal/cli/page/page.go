// Package page writes tables as one self-contained web page with search, filter and sort. The page is readable on a
// phone. It escapes all text, and its content security policy allows only the page's own script.
package page

import (
	"crypto/sha256"
	_ "embed" // embeds the parts of the page
	"encoding/base64"
	"html/template"
	"io"
	"strings"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

var (
	//go:embed page.html
	source string
	//go:embed style.css
	style string
	//go:embed script.js
	script string

	parsed = template.Must(template.New("page").Funcs(template.FuncMap{"show": terminal.Escape, "body": body}).Parse(source))
)

// Page is a title and a list of sections with one table each.
type Page struct {
	Title string
	Notes []string
	// SectionName is the label of the list of sections, such as Organization.
	SectionName string
	Sections    []*Section
	// Roles are the roles that the page offers as a filter.
	Roles []string
}

// Section is one table. The first cell of a row names the subject of the row.
type Section struct {
	Title   string
	Notes   []string
	Columns []string
	Rows    []Row
}

// Row is one row. Roles are the roles that the filter matches, separated by spaces.
type Row struct {
	Roles string
	Cells []Cell
}

// Cell is one cell. Order is the sort key; if it is empty, the text is. The page shows Reason on demand.
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
		// Both are parts of this package and contain nothing from an object.
		Style:     template.CSS(style),
		Script:    template.JS(script),
		StyleHash: hash(style), ScriptHash: hash(script),
	})
}

// hash returns the hash by which a content security policy allows a script or a style.
func hash(text string) template.HTMLAttr {
	sum := sha256.Sum256([]byte(text))
	return template.HTMLAttr("sha256-" + base64.StdEncoding.EncodeToString(sum[:]))
}

// body writes the rows of a table without a template. A page of ten thousand users has a hundred thousand cells,
// and a template takes seconds for them. Every text goes through the same escaping.
func body(s *Section) template.HTML {
	var b strings.Builder
	columns := make([]string, len(s.Columns))
	for i := range s.Columns {
		columns[i] = escaped(s.Columns[i])
	}
	for i := range s.Rows {
		row := &s.Rows[i]
		b.WriteString("\n<tr data-roles=\"" + escaped(row.Roles) + "\">")
		for j := range row.Cells {
			c := &row.Cells[j]
			if j == 0 {
				b.WriteString(`<th scope="row">` + breakable(c.Text) + "</th>")
				continue
			}
			b.WriteString(`<td data-column="` + columns[j] + `"`)
			if c.Order != "" {
				b.WriteString(` data-order="` + escaped(c.Order) + `"`)
			}
			if c.Faint {
				b.WriteString(` class="none"`)
			}
			b.WriteString(">" + breakable(c.Text))
			if c.Reason != "" {
				b.WriteString("<small>" + breakable(c.Reason) + "</small>")
			}
			b.WriteString("</td>")
		}
		b.WriteString("</tr>")
	}
	return template.HTML(b.String())
}

// breakable escapes the text and allows a line break after each slash, because names of objects are long and have
// no spaces.
func breakable(text string) string { return strings.ReplaceAll(escaped(text), "/", "/<wbr>") }

// escaped returns the text escaped for use as HTML text and as the value of a quoted attribute.
func escaped(text string) string { return template.HTMLEscapeString(terminal.Escape(text)) }
