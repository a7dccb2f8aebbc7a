package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the engine that the conditions are compared with

	"github.com/usher-dev/usher/api/document"
)

var columns = []document.Column{
	{Attribute: "country", Table: "i", Name: "count`ry \"of\" origin", Type: document.Text},
	{Attribute: "amount", Name: "amount", Type: document.Number},
	{Attribute: "at", Name: "at_s", Type: document.Time, Unit: time.Second},
	{Attribute: "at_ms", Name: "at_ms", Type: document.Time, Unit: time.Millisecond},
	{Attribute: "at_us", Name: "at_us", Type: document.Time, Unit: time.Microsecond},
}

func table(tb testing.TB, dialect document.Dialect, columns ...document.Column) *document.Table {
	tb.Helper()
	table, err := document.NewTable(dialect, columns...)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

func open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(tb.Context(), "CREATE TABLE invoices (id INTEGER PRIMARY KEY, `count``ry \"of\" origin` TEXT COLLATE NOCASE,"+
		" amount NUMERIC, at_s INTEGER, at_ms INTEGER, at_us INTEGER)")
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// requires returns one filter of one requirement.
func requires(attribute, operator string, values ...string) document.Filters {
	return document.Filters{{AnyOf: []document.Alternative{{AllOf: []document.Requirement{
		{Attribute: attribute, Operator: operator, Values: values},
	}}}}}
}

// texts, numbers and instants are what filters and rows are made of: equal ones written in different ways, neighbours
// at the limits of what engines can tell apart, and what is none.
var (
	texts = []string{
		"France", "france", "FRANCE ", "", " ", "Côte d'Ivoire", "Co\u0302te d'Ivoire", "x' OR '1'='1", `"quoted\"`, "%", "_", "日本", "a\x00b",
		"10", "10.0", "2026-03-01T12:00:00Z", "NULL", "ß", "ss", "\u202e", "😀", "?", "$1", "İ", "i",
	}
	numbers = []string{
		"0", "-0.0", "1", "1.0", "+1", "001", "-1", "1.5", "-1.5", "0.1", "0.10000000000000000001", "0.30000000000000004", "0.3",
		"9007199254740992", "9007199254740993", "9007199254740993.5", "-9007199254740993.5", "18014398509481985.9", "18014398509481985",
		"1152921504606846976", "1152921504606847000", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775808.5", "-9223372036854775809", "99999999999999999999999", "1" + strings.Repeat("0", 400), "-1" + strings.Repeat("0", 400),
		"123456.789", "1e3", "ten", "", "1.", ".5", "0x10", "١",
	}
	floats = []float64{
		0, 1.5, -1.5, 0.1, 0.3, 0.1 + 0.2, 1e17, 9007199254740992, 18014398509481984, 1152921504606846976, 1e300, -1e300, 123456.789,
	}
	integers = []int64{
		0, 1, -1, 10, 9007199254740992, 9007199254740993, 9007199254740994, -9007199254740993, -9007199254740994, 18014398509481985,
		18014398509481986, 1152921504606846976, 1152921504606847000, 9223372036854775807, -9223372036854775808,
	}
	instants = []string{
		"2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.500Z", "2026-03-01T12:00:00.0005Z",
		"2026-03-01T12:00:00.000001Z", "2026-03-01T12:00:00.0000005Z", "2026-03-01T12:00:01Z", "1969-12-31T23:59:59.5Z", "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z", "2026-03-01", "2026-03-01 12:00:00Z", "noon", "2026-03-01T12:00:00", "1772366400",
	}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// randomRow is a row in memory, and the same for the columns.
func randomRow(r *rand.Rand) (row map[string]any, values []any) {
	row = map[string]any{}
	values = make([]any, len(columns))
	set := func(i int, v, stored any) {
		row[columns[i].Attribute], values[i] = v, stored
	}
	if r.IntN(6) > 0 {
		text := pick(r, texts)
		set(0, text, text)
	}
	switch r.IntN(6) {
	case 0:
	case 1, 2:
		f := pick(r, floats)
		set(1, f, f)
	case 3:
		n := pick(r, integers)
		set(1, json.Number(fmt.Sprint(n)), n) // a number as text
	default:
		n := pick(r, integers)
		set(1, n, n)
	}
	for i, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		t, err := time.Parse(time.RFC3339, pick(r, instants))
		if err != nil {
			continue
		}
		switch t = t.In(time.FixedZone("", r.IntN(3)*3600)); unit {
		case time.Second:
			set(2+i, time.Unix(t.Unix(), 0), t.Unix())
		case time.Millisecond:
			set(2+i, time.UnixMilli(t.UnixMilli()), t.UnixMilli())
		default:
			set(2+i, time.UnixMicro(t.UnixMicro()), t.UnixMicro())
		}
	}
	if row["at"] != nil && r.IntN(8) == 0 {
		row["at"], values[2] = nil, nil
	}
	return row, values
}

func randomFilters(r *rand.Rand) document.Filters {
	filters := make(document.Filters, r.IntN(3))
	for i := range filters {
		filters[i].AnyOf = make([]document.Alternative, r.IntN(4))
		for j := range filters[i].AnyOf {
			for range 1 + r.IntN(2) {
				filters[i].AnyOf[j].AllOf = append(filters[i].AnyOf[j].AllOf, randomRequirement(r))
			}
		}
	}
	return filters
}

func randomRequirement(r *rand.Rand) document.Requirement {
	column := pick(r, columns)
	requirement := document.Requirement{
		Attribute: column.Attribute,
		Operator:  pick(r, []string{document.In, document.NotIn, document.GreaterThan, document.LessThan}),
	}
	n := 1
	if requirement.Operator == document.In || requirement.Operator == document.NotIn {
		n = r.IntN(4)
	} else if column.Type == document.Text {
		requirement.Operator = document.In
	}
	for range n {
		of := map[document.ColumnType][]string{document.Text: texts, document.Number: numbers, document.Time: instants}[column.Type]
		if r.IntN(20) == 0 {
			of = pick(r, [][]string{texts, numbers, instants})
		}
		requirement.Values = append(requirement.Values, pick(r, of))
	}
	return requirement
}

// What Match shows and what SQLite shows is the same, for random filters and rows.
func TestConditionsAgreeWithMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	db := open(t)
	invoices := table(t, document.SQLite, columns...)
	rows := make([]map[string]any, 150)
	for id := range rows {
		var values []any
		rows[id], values = randomRow(r)
		_, err := db.ExecContext(t.Context(), "INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?)", append([]any{id}, values...)...)
		if err != nil {
			t.Fatal(err)
		}
	}
	some := 0
	for range 1500 {
		filters := randomFilters(r)
		var want []int
		for id, row := range rows {
			if filters.Match(row) {
				want = append(want, id)
			}
		}
		got := query(t, db, invoices, filters)
		if diff := cmp.Diff(want, got); diff != "" {
			for id, row := range rows {
				if slices.Contains(want, id) != slices.Contains(got, id) {
					t.Logf("row %#v", row)
				}
			}
			t.Fatalf("%+v\n%s", filters, diff)
		}
		if len(want) > 0 && len(want) < len(rows) {
			some++
		}
	}
	if some < 300 {
		t.Errorf("only %d filters tell rows apart", some)
	}
}

// query gives the rows that a condition shows, by number.
func query(t *testing.T, db *sql.DB, invoices *document.Table, filters document.Filters) []int {
	t.Helper()
	condition, err := invoices.Where(filters, 1)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM invoices AS i WHERE id >= ? AND "+condition.SQL+" ORDER BY id",
		append([]any{0}, condition.Args...)...)
	if err != nil {
		t.Fatalf("%s: %v", condition.SQL, err)
	}
	defer func() { _ = rows.Close() }()
	var ids []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// A column that holds something else than it is said to hold shows no row.
func TestConditionsOnOtherColumnsShowNothing(t *testing.T) {
	db := open(t)
	_, err := db.ExecContext(t.Context(), "INSERT INTO invoices VALUES (1, x'01', 'ten', 'noon', 1.5, x'02')")
	if err != nil {
		t.Fatal(err)
	}
	invoices := table(t, document.SQLite, columns...)
	for _, column := range columns {
		for _, operator := range []string{document.NotIn, document.GreaterThan, document.LessThan} {
			for _, value := range []string{"0", "0.5", "2026-03-01T12:00:00Z"} {
				if column.Type == document.Text && operator != document.NotIn {
					continue
				}
				if got := query(t, db, invoices, requires(column.Attribute, operator, value)); len(got) > 0 {
					t.Errorf("%s %s %s shows the row", column.Attribute, operator, value)
				}
			}
		}
	}
}

// A name that the table does not have is an error, and never a text that differs from all values.
func TestUnknownColumnIsAnError(t *testing.T) {
	db := open(t)
	condition, err := table(t, document.SQLite, document.Column{Attribute: "a", Name: "none", Type: document.Text}).
		Where(requires("a", document.NotIn, "x"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := db.QueryContext(t.Context(), "SELECT id FROM invoices WHERE "+condition.SQL, condition.Args...); err == nil {
		t.Errorf("no error for %s, but %v", condition.SQL, rows.Err())
	}
}

// As many alternatives and values as can come together are no deeper an expression than an engine takes.
func TestManyAlternatives(t *testing.T) {
	db := open(t)
	invoices := table(t, document.SQLite, columns...)
	if _, err := db.ExecContext(t.Context(), "INSERT INTO invoices (id, amount) VALUES (7, 1499)"); err != nil {
		t.Fatal(err)
	}
	var filter document.Filter
	for i := range 1500 {
		filter.AnyOf = append(filter.AnyOf, requires("amount", document.In, fmt.Sprint(i), "-1", "-2")[0].AnyOf...)
	}
	if diff := cmp.Diff([]int{7}, query(t, db, invoices, document.Filters{filter})); diff != "" {
		t.Error(diff)
	}
	for range 3 {
		filter.AnyOf = append(filter.AnyOf, filter.AnyOf...)
	}
	condition, err := invoices.Where(document.Filters{filter}, 0)
	if err == nil || condition.SQL != "(1 = 0)" || err.Error() != "36000 parameters, SQLite takes 32766" {
		t.Errorf("%v, %.100s", err, condition.SQL)
	}
}
