package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/usher-dev/usher/api/document"
)

// userHeader is set by the component that authenticates requests, and only by it. That component must remove the header
// from external requests.
const userHeader = "X-User"

// invoice is a row. The tags are the attributes that filters can use.
type invoice struct {
	ID      int64  `json:"id"`
	Country string `json:"country" usher:"country"`
	Product string `json:"product" usher:"product"`
	Amount  int64  `json:"amount" usher:"amount"`
}

type server struct {
	access *document.ApplicationFollower
	db     *sql.DB
	// visible renders filters as conditions: the same attributes, as columns.
	visible *document.Table
}

// newServer returns the handler, with the permission that each route requires.
func newServer(access *document.ApplicationFollower, db *sql.DB) (http.Handler, error) {
	visible, err := document.NewTable(document.SQLite,
		document.Column{Attribute: "country", Name: "country", Type: document.Text},
		document.Column{Attribute: "product", Name: "product", Type: document.Text},
		document.Column{Attribute: "amount", Name: "amount", Type: document.Number},
	)
	if err != nil {
		return nil, fmt.Errorf("describe the invoices: %w", err)
	}
	s := &server{access: access, db: db, visible: visible}
	mux := http.NewServeMux()
	// The server is alive even without a document. Nobody has access then, and a restart would not change that.
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /role", s.role)
	mux.HandleFunc("GET /invoices", s.permit("view", s.list))
	mux.HandleFunc("POST /invoices", s.permit("edit", s.add))
	return mux, nil
}

// permit calls next for users with the permission. The answer comes from memory, so permit asks for every request.
func (s *server) permit(permission string, next func(http.ResponseWriter, *http.Request, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := r.Header.Get(userHeader)
		if !s.access.Can(user, permission) {
			http.Error(w, "no access", http.StatusForbidden)
			return
		}
		if err := next(w, r, user); err != nil {
			slog.ErrorContext(r.Context(), "Request failed", "path", r.URL.Path, "error", err)
			http.Error(w, "something went wrong here", http.StatusInternalServerError)
		}
	}
}

// role returns the user's own role.
func (s *server) role(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintln(w, s.access.Role(r.Header.Get(userHeader)))
}

// list returns the rows that the user sees. The database filters them.
func (s *server) list(w http.ResponseWriter, r *http.Request, user string) error {
	visible, err := s.visible.Where(s.access.Filters(user), 0)
	if err != nil {
		return fmt.Errorf("filter rows for %s: %w", user, err) // for example an attribute without a column: no rows
	}
	rows, err := s.db.QueryContext(r.Context(),
		"SELECT id, country, product, amount FROM invoices WHERE "+visible.SQL+" ORDER BY id", visible.Args...)
	if err != nil {
		return fmt.Errorf("read invoices: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	invoices := []invoice{}
	for rows.Next() {
		var i invoice
		if err := rows.Scan(&i.ID, &i.Country, &i.Product, &i.Amount); err != nil {
			return fmt.Errorf("read an invoice: %w", err)
		}
		invoices = append(invoices, i)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read invoices: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(invoices)
}

// add stores a row if the user would see it. The row is not in the database yet, so the filters are evaluated here.
func (s *server) add(w http.ResponseWriter, r *http.Request, user string) error {
	i, ok := readInvoice(w, r)
	if !ok {
		http.Error(w, "no invoice", http.StatusBadRequest)
		return nil
	}
	visible, err := s.access.Filters(user).MatchStruct(i)
	if err != nil {
		return fmt.Errorf("filter a row for %s: %w", user, err)
	}
	if !visible || !s.access.Can(user, "edit") { // reading the body may have taken some time
		http.Error(w, "no access to such an invoice", http.StatusForbidden)
		return nil
	}
	if _, err := s.db.ExecContext(r.Context(), "INSERT INTO invoices (country, product, amount) VALUES (?, ?, ?)",
		i.Country, i.Product, i.Amount); err != nil {
		return fmt.Errorf("write an invoice: %w", err)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func readInvoice(w http.ResponseWriter, r *http.Request) (i invoice, ok bool) {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&i)
	return i, err == nil
}
