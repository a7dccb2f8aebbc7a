package document_test

import (
	"context"
	"database/sql"
	"expvar"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/usher-dev/usher/api/document"
)

// published is the mounted ConfigMap application-access-finance.
const published = `{"apiVersion":"access.usher.dev/v1","application":"finance",
"filters":[{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["France"]},
{"attribute":"amount","operator":"LessThan","values":["1000"]}]}]}],"kind":"ApplicationAccessDocument",
"organization":"acme","roles":[{"name":"Editor","permissions":["edit","view"]},{"name":"Viewer","permissions":["view"]}],
"shard":0,"shards":1,"users":{"amelie@acme.example":{"filters":[0],"role":"Viewer","source":"AccessGroup/acme/france"}}}`

// mounted returns the directory of a mount.
func mounted() string {
	dir, err := os.MkdirTemp("", "finance")
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "access.json"), []byte(published), 0o600); err != nil {
		panic(err)
	}
	return dir
}

func Example() {
	dir := mounted()
	defer func() { _ = os.RemoveAll(dir) }()

	finance, err := document.FollowApplication(context.Background(), "finance", document.Options{
		Directories: []string{dir},
	})
	if err != nil {
		panic(err) // only if the options are wrong
	}
	defer finance.Close()

	for _, user := range []string{"amelie@acme.example", "mallory@acme.example"} {
		fmt.Println(user, finance.Role(user), finance.Can(user, "view"), finance.Can(user, "edit"))
	}
	// Output:
	// amelie@acme.example Viewer true false
	// mallory@acme.example NoAccess false false
}

// A handler serves users with the permission. The user comes from the authentication of the request.
func ExampleApplicationFollower_Can() {
	var finance *document.ApplicationFollower
	permit := func(permission string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _, _ := r.BasicAuth()
			if !finance.Can(user, permission) {
				http.Error(w, "no access", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	http.Handle("POST /invoices", permit("edit", http.NotFoundHandler()))
}

// Two shards are mounted as two directories. Failures are logged and counted.
func ExampleFollowApplication() {
	finance, err := document.FollowApplication(context.Background(), "finance", document.Options{
		Directories:  []string{"/etc/usher/finance-0", "/etc/usher/finance-1"},
		Organization: "acme",
		Grace:        30 * time.Second,
		OnEvent: func(event document.Event) {
			slog.Info("Access document", "event", event.Kind, "path", event.Path, "error", event.Err, "until", event.Until)
		},
	})
	if err != nil {
		panic(err)
	}
	defer finance.Close()
	expvar.Publish("access_documents", expvar.Func(func() any { return finance.Stats() }))
}

// A workload that runs for one user reads the user's document.
func ExampleFollowUser() {
	access, err := document.FollowUser(context.Background(), os.Getenv("USHER_USER"), document.Options{
		Directories: []string{"/etc/usher/access"},
	})
	if err != nil {
		return
	}
	defer access.Close()
	if access.Can("finance", "view") {
		fmt.Println(access.Role("finance"), access.Filters("finance"))
	}
}

// Rows in memory.
func ExampleFilters_Match() {
	documents, err := document.Parse([]byte(published))
	if err != nil {
		panic(err)
	}
	filters := documents.Applications[0].FiltersOf("amelie@acme.example")

	fmt.Println(filters.Match(map[string]any{"country": "France", "amount": 999.99}))
	fmt.Println(filters.Match(map[string]any{"country": "France", "amount": 1000}))
	fmt.Println(filters.Match(map[string]any{"country": "France"}))
	// Output:
	// true
	// false
	// false
}

// Rows as structs. The tag marks a number that is stored as text.
func ExampleFilters_MatchStruct() {
	type invoice struct {
		Country string `usher:"country"`
		Amount  string `usher:"amount,number"`
	}
	documents, err := document.Parse([]byte(published))
	if err != nil {
		panic(err)
	}
	filters := documents.Applications[0].FiltersOf("amelie@acme.example")

	visible, err := filters.MatchStruct(invoice{Country: "France", Amount: "12.50"})
	fmt.Println(visible, err)
	// Output: true <nil>
}

// Rows in a database.
func ExampleTable_Where() {
	invoices, err := document.NewTable(document.PostgreSQL,
		document.Column{Attribute: "country", Table: "i", Name: "country", Type: document.Text},
		document.Column{Attribute: "amount", Table: "i", Name: "amount_eur", Type: document.Number},
		document.Column{Attribute: "closed", Table: "i", Name: "closed_at", Type: document.Time},
	)
	if err != nil {
		panic(err)
	}
	documents, err := document.Parse([]byte(published))
	if err != nil {
		panic(err)
	}
	filters := documents.Applications[0].FiltersOf("amelie@acme.example")

	// One parameter, $1, precedes the condition.
	visible, err := invoices.Where(filters, 1)
	if err != nil {
		panic(err)
	}
	query := "SELECT id FROM invoices i WHERE year = $1 AND " + visible.SQL
	args := append([]any{2026}, visible.Args...)

	fmt.Println(strings.ReplaceAll(query, " AND ", "\n  AND "))
	fmt.Println(args...)
	_ = func(ctx context.Context, db *sql.DB) (*sql.Rows, error) { return db.QueryContext(ctx, query, args...) }
	// Output:
	// SELECT id FROM invoices i WHERE year = $1
	//   AND (("i"."country" IN (CAST($2 AS text)))
	//   AND ("i"."amount_eur" < CAST($3 AS numeric)))
	// 2026 France 1000
}
