package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// renderer executes the templates. Every template has the same layout.
type renderer struct {
	pages map[string]*template.Template
	base  string
}

// newRenderer parses the templates. They are part of the program, so an error in one is a programming error.
func newRenderer(base string) *renderer {
	made := &renderer{pages: map[string]*template.Template{}, base: base}
	functions := template.FuncMap{"show": terminal.Escape, "url": made.url, "instant": instant, "join": strings.Join, "list": list}
	names, err := fs.Glob(templates, "templates/page_*.html")
	if err != nil {
		panic(err)
	}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/parts.html"))
	for _, name := range names {
		called := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "page_"), ".html")
		made.pages[called] = template.Must(template.Must(layout.Clone()).ParseFS(templates, name))
	}
	return made
}

// url returns the path of a page below the secret path, from unescaped segments.
func (r *renderer) url(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, each := range segments {
		escaped[i] = url.PathEscape(each)
	}
	return r.base + strings.Join(escaped, "/")
}

// instant writes an instant for people. All instants are in UTC.
func instant(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	if t = new(t.UTC()); t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04:05") + " UTC"
}

// reply is the answer to a request.
type reply interface {
	write(s *Server, w http.ResponseWriter, r *http.Request)
}

// page is a reply by a template.
type page struct {
	*frame
	template string
	status   int
	data     any
}

// view is the input of the templates.
type view struct {
	*frame
	Data any
}

func (p *page) write(s *Server, w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	found := s.renderer.pages[p.template]
	if found == nil {
		http.Error(w, "the console has no page "+p.template, http.StatusInternalServerError)
		return
	}
	if err := found.Execute(&b, &view{p.frame, p.data}); err != nil {
		http.Error(w, "the console could not write this page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p.status != 0 {
		w.WriteHeader(p.status)
	}
	_, _ = w.Write(b.Bytes()) // the browser may have gone
}

// redirect is a reply that leads to another page of the console.
type redirect string

func (to redirect) write(_ *Server, w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, string(to), http.StatusSeeOther)
}

// download is a reply with a file to save, or without a name, with data for the script.
type download struct {
	name, kind string
	content    []byte
}

func (d *download) write(_ *Server, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", d.kind)
	if d.name != "" {
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	}
	_, _ = w.Write(d.content) // the browser may have gone
}

// asset is a reply with a part of the console.
type asset string

func (a asset) write(_ *Server, w http.ResponseWriter, r *http.Request) {
	content, err := assets.ReadFile("assets/" + string(a))
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	http.ServeContent(w, r, string(a), time.Time{}, bytes.NewReader(content))
}

// link returns the address of the page with the parameters changed: name and value in turn. An empty value removes
// the parameter.
func link(path string, query url.Values, changes ...string) string {
	made := url.Values{}
	for name, values := range query {
		made[name] = values
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			made.Del(changes[i])
		} else {
			made.Set(changes[i], changes[i+1])
		}
	}
	if len(made) == 0 {
		return path
	}
	return fmt.Sprintf("%s?%s", path, made.Encode())
}

// list returns its arguments, so that a template can pass several to another.
func list(all ...any) []any { return all }
