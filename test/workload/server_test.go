package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

const (
	ana, amelie, bruno, mallory = "ana@acme.example", "amelie@acme.example", "bruno@acme.example", "mallory@acme.example"

	patience = 10 * time.Second
)

var (
	noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

	french    = filter("country", "In", "France")
	expensive = filter("amount", "GreaterThan", "1000")
)

func filter(attribute, operator string, values ...string) string {
	requirement, err := json.Marshal(document.Requirement{Attribute: attribute, Operator: operator, Values: values})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"anyOf":[{"allOf":[%s]}]}`, requirement)
}

// listed are the filters of the document. [rows] refers to them by their places.
var listed = []string{`{"anyOf":[]}`, expensive, french, filter("country", "In", "' OR 1=1 --"), filter("region", "In", "EMEA")}

// rows returns the field that gives a user these filters, which the document must list.
func rows(filters ...string) string {
	var places []string
	for _, f := range filters {
		places = append(places, fmt.Sprint(slices.Index(listed, f)))
	}
	return `,"filters":[` + strings.Join(places, ",") + `]`
}

// entry returns the entry of a user in a document. fields are additional fields, each preceded by a comma.
func entry(user, role, fields string) string {
	return fmt.Sprintf(`%q:{"role":%q,"source":"AccessGroup/acme/team"%s}`, user, role, fields)
}

// finance returns the document of the application, with these users.
func finance(entries ...string) string { return financeWith(listed, entries...) }

// financeWith returns the document of the application, with these filters and users.
func financeWith(filters []string, entries ...string) string {
	return `{"apiVersion":"access.usher.dev/v1","application":"finance","filters":[` + strings.Join(filters, ",") + `],
		"kind":"ApplicationAccessDocument","organization":"acme",
		"roles":[{"name":"Editor","permissions":["edit","view"]},{"name":"Viewer","permissions":["view"]}],
		"shard":0,"shards":1,"users":{` + strings.Join(entries, ",") + `}}`
}

// workload is a server with a mounted directory and a clock.
type workload struct {
	t      *testing.T
	dir    string
	late   atomic.Int64 // the offset of the clock from noon
	access *document.ApplicationFollower
	*httptest.Server
}

func start(t *testing.T, published string) *workload {
	t.Helper()
	return startWith(t, published, time.Minute)
}

func startWith(t *testing.T, published string, grace time.Duration) *workload {
	t.Helper()
	w := &workload{t: t, dir: t.TempDir()}
	if published != "" {
		w.write(published)
	}
	access, err := document.FollowApplication(t.Context(), "finance", document.Options{
		Directories: []string{w.dir}, Grace: grace, PollInterval: 10 * time.Millisecond,
		Now: func() time.Time { return noon.Add(time.Duration(w.late.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(access.Close)
	w.access = access
	db, err := openInvoices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	handler, err := newServer(access, db)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = httptest.NewServer(handler)
	t.Cleanup(w.Close)
	return w
}

func (w *workload) file() string { return filepath.Join(w.dir, "access.json") }

// write replaces the document atomically, as a mount does.
func (w *workload) write(text string) {
	w.t.Helper()
	next := filepath.Join(w.dir, ".next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.file()); err != nil {
		w.t.Fatal(err)
	}
}

// ask returns the status and the body of the answer.
func (w *workload) ask(user, method, path, body string) (int, string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if user != "" {
		request.Header.Set(userHeader, user)
	}
	response, err := w.Client().Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

// wants checks the status of an answer.
func (w *workload) wants(want int, user, method, path, body string) string {
	w.t.Helper()
	got, text := w.ask(user, method, path, body)
	if got != want {
		w.t.Errorf("%s %s for %q: got %d %q, want %d", method, path, user, got, text, want)
	}
	return text
}

// becomes waits for an answer with this status.
func (w *workload) becomes(want int, user, path string) {
	w.t.Helper()
	w.until(func() error {
		if got, _ := w.ask(user, http.MethodGet, path, ""); got != want {
			return fmt.Errorf("GET %s for %q: %d, want %d", path, user, got, want)
		}
		return nil
	})
}

// until waits until the check passes.
func (w *workload) until(check func() error) {
	w.t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			w.t.Fatal(err)
		case <-tick.C:
		}
	}
}

// noticed waits until the last good document is used instead of one that cannot be used.
func (w *workload) noticed() {
	w.t.Helper()
	w.until(func() error {
		if stats := w.access.Stats(); stats.StandingIn != 1 {
			return fmt.Errorf("nothing stands in: %+v", stats)
		}
		return nil
	})
}

// sees checks the invoices that a user sees, by number.
func (w *workload) sees(user string, want ...int64) {
	w.t.Helper()
	var rows []invoice
	if err := json.Unmarshal([]byte(w.wants(http.StatusOK, user, http.MethodGet, "/invoices", "")), &rows); err != nil {
		w.t.Fatal(err)
	}
	got := []int64{}
	for _, row := range rows {
		got = append(got, row.ID)
	}
	if diff := cmp.Diff(append([]int64{}, want...), got); diff != "" {
		w.t.Errorf("rows of %s (-want +got):\n%s", user, diff)
	}
}

func TestRoutesTakePermissions(t *testing.T) {
	w := start(t, finance(entry(ana, "Editor", ""), entry(amelie, "Viewer", "")))
	const row = `{"country":"Italy","product":"phones","amount":1}`
	for name, tc := range map[string]struct {
		user      string
		view, add int
		role      string
	}{
		"the role permits both":       {ana, http.StatusOK, http.StatusCreated, "Editor"},
		"the role permits one":        {amelie, http.StatusOK, http.StatusForbidden, "Viewer"},
		"the document has no such":    {mallory, http.StatusForbidden, http.StatusForbidden, "NoAccess"},
		"case counts":                 {strings.ToUpper(ana), http.StatusForbidden, http.StatusForbidden, "NoAccess"},
		"nobody said who is asking":   {"", http.StatusForbidden, http.StatusForbidden, "NoAccess"},
		"a role as a user":            {"Editor", http.StatusForbidden, http.StatusForbidden, "NoAccess"},
		"neither is a part of a name": {"ana", http.StatusForbidden, http.StatusForbidden, "NoAccess"},
	} {
		t.Run(name, func(*testing.T) {
			w.wants(tc.view, tc.user, http.MethodGet, "/invoices", "")
			w.wants(tc.add, tc.user, http.MethodPost, "/invoices", row)
			w.wants(http.StatusOK, tc.user, http.MethodGet, "/healthz", "")
			if got := w.wants(http.StatusOK, tc.user, http.MethodGet, "/role", ""); got != tc.role {
				t.Errorf("role of %q: got %q, want %q", tc.user, got, tc.role)
			}
		})
	}
	w.wants(http.StatusBadRequest, ana, http.MethodPost, "/invoices", "[]")
	w.wants(http.StatusBadRequest, ana, http.MethodPost, "/invoices", `{"product":"`+strings.Repeat("x", 2<<10)+`"}`)
}

func TestRowsAreFiltered(t *testing.T) {
	w := start(t, finance(
		entry(ana, "Viewer", ""),
		entry(amelie, "Editor", rows(french)),
		entry(bruno, "Viewer", rows(expensive, french)),
		entry("none", "Viewer", rows(`{"anyOf":[]}`)),
		entry("quote", "Viewer", rows(filter("country", "In", "' OR 1=1 --"))),
		entry("other", "Viewer", rows(filter("region", "In", "EMEA"))),
	))
	w.sees(ana, 1, 2, 3, 4, 5)
	w.sees(amelie, 1, 2)
	w.sees(bruno, 1)
	w.sees("none")
	w.sees("quote")
	// The table has no such column, so the workload cannot determine these rows.
	w.wants(http.StatusInternalServerError, "other", http.MethodGet, "/invoices", "")

	w.wants(http.StatusCreated, amelie, http.MethodPost, "/invoices", `{"country":"France","product":"servers","amount":4000}`)
	w.wants(http.StatusForbidden, amelie, http.MethodPost, "/invoices", `{"country":"Spain","product":"servers","amount":4000}`)
	w.sees(amelie, 1, 2, 6)
	w.sees(bruno, 1, 6)
}

func TestAccessEndsWithTheDocument(t *testing.T) {
	w := start(t, finance(entry(ana, "Viewer", "")))
	w.sees(ana, 1, 2, 3, 4, 5)
	if err := os.Remove(w.file()); err != nil {
		t.Fatal(err)
	}
	w.becomes(http.StatusForbidden, ana, "/invoices")
	w.wants(http.StatusOK, ana, http.MethodGet, "/healthz", "")

	w.write(finance(entry(ana, "Viewer", "")))
	w.becomes(http.StatusOK, ana, "/invoices")
	w.write(finance(entry(amelie, "Viewer", "")))
	w.becomes(http.StatusForbidden, ana, "/invoices")
}

func TestAccessBeginsWithTheDocument(t *testing.T) {
	w := start(t, "")
	w.wants(http.StatusForbidden, ana, http.MethodGet, "/invoices", "")
	w.write(finance(entry(ana, "Viewer", "")))
	w.becomes(http.StatusOK, ana, "/invoices")
}

func TestAccessEndsAtNotAfter(t *testing.T) {
	end := noon.Add(time.Hour)
	w := start(t, finance(entry(ana, "Viewer", `,"notAfter":"`+end.Format(time.RFC3339)+`"`), entry(amelie, "Viewer", "")))
	w.late.Store(int64(time.Hour - 1))
	w.wants(http.StatusOK, ana, http.MethodGet, "/invoices", "")
	// No file changes, and the test does not wait.
	w.late.Store(int64(time.Hour))
	w.wants(http.StatusForbidden, ana, http.MethodGet, "/invoices", "")
	w.wants(http.StatusOK, amelie, http.MethodGet, "/invoices", "")
}

func TestABrokenDocument(t *testing.T) {
	good := finance(entry(ana, "Viewer", ""))
	for name, broken := range map[string]string{
		"half-written":         good[:len(good)/2],
		"of another version":   strings.Replace(good, "access.usher.dev/v1", "access.usher.dev/v9", 1),
		"of another":           strings.Replace(good, `"application":"finance"`, `"application":"sales"`, 1),
		"with a place outside": strings.Replace(good, `"role":`, `"filters":[9],"role":`, 1),
		"of one byte":          "{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("gives nobody access for long", func(t *testing.T) {
				start(t, broken).wants(http.StatusForbidden, ana, http.MethodGet, "/invoices", "")
				w := start(t, good)
				w.write(broken)
				w.noticed()
				w.wants(http.StatusOK, ana, http.MethodGet, "/invoices", "")
				// The grace period of the last good document has expired.
				w.late.Store(int64(2 * time.Minute))
				w.becomes(http.StatusForbidden, ana, "/invoices")
				w.write(good)
				w.becomes(http.StatusOK, ana, "/invoices")
			})
			t.Run("at once without a grace", func(t *testing.T) {
				w := startWith(t, good, -1)
				w.write(broken)
				w.becomes(http.StatusForbidden, ana, "/invoices")
			})
		})
	}
}
