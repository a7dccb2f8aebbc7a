package document_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

func table(tb testing.TB, dialect document.Dialect, columns ...document.Column) *document.Table {
	tb.Helper()
	table, err := document.NewTable(dialect, columns...)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

func TestWhere(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	columns := []document.Column{
		{Attribute: "country", Table: "i", Name: "country", Type: document.Text},
		{Attribute: "amount", Name: "amount", Type: document.Number},
		{Attribute: "closed", Name: "closed", Type: document.Time},
		{Attribute: "unix", Name: "unix", Type: document.Time, Unit: time.Millisecond},
	}
	tests := map[string]struct {
		dialect document.Dialect
		filters document.Filters
		want    document.Condition
	}{
		"every row": {document.PostgreSQL, nil, document.Condition{SQL: "(1 = 1)"}},
		"no row":    {document.MySQL, document.Nothing(), document.Condition{SQL: "(1 = 0)"}},
		"PostgreSQL text": {document.PostgreSQL, requires("country", document.In, "France", "a\x00", "Spain"), document.Condition{
			SQL: `("i"."country" IN (CAST($4 AS text), CAST($5 AS text)))`, Args: []any{"France", "Spain"},
		}},
		"MySQL text": {document.MySQL, requires("country", document.NotIn, "France"), document.Condition{
			SQL: "(CAST(CONVERT(`i`.`country` USING utf8mb4) AS BINARY) NOT IN (CAST(? AS BINARY)))", Args: []any{"France"},
		}},
		"SQLite text": {document.SQLite, requires("country", document.In, "France"), document.Condition{
			SQL: "(typeof(`i`.`country`) = 'text' AND (`i`.`country` COLLATE BINARY IN (?)))", Args: []any{"France"},
		}},
		"PostgreSQL number": {document.PostgreSQL, requires("amount", document.GreaterThan, "+01.50"), document.Condition{
			SQL: `("amount" > CAST($4 AS numeric))`, Args: []any{"1.5"},
		}},
		"MySQL number": {document.MySQL, requires("amount", document.LessThan, "-12.50"), document.Condition{
			SQL: "(`amount` < CAST(? AS DECIMAL(3,1)))", Args: []any{"-12.5"},
		}},
		"MySQL zero": {document.MySQL, requires("amount", document.In, "0", "-0.0", "zero"), document.Condition{
			SQL: "(`amount` IN (CAST(? AS DECIMAL(1,0))))", Args: []any{"0"},
		}},
		"PostgreSQL instant": {document.PostgreSQL, requires("closed", document.LessThan, "2026-03-01T12:00:00.5000001Z"), document.Condition{
			SQL: `("closed" <= CAST($4 AS timestamptz))`, Args: []any{at},
		}},
		"MySQL instant": {document.MySQL, requires("closed", document.NotIn, "2026-03-01T13:00:00.5+01:00", "2026-03-01T12:00:00.5000001Z"), document.Condition{
			SQL: "(`closed` NOT IN (CAST(? AS DATETIME(6))))", Args: []any{at},
		}},
		"PostgreSQL Unix time": {document.PostgreSQL, requires("unix", document.GreaterThan, "2026-03-01T12:00:00.5Z"), document.Condition{
			SQL: `("unix" > CAST($4 AS bigint))`, Args: []any{at.UnixMilli()},
		}},
		"MySQL Unix time": {document.MySQL, requires("unix", document.LessThan, "2026-03-01T12:00:00.5Z"), document.Condition{
			SQL: "(`unix` < CAST(? AS SIGNED))", Args: []any{at.UnixMilli()},
		}},
		"no number":  {document.PostgreSQL, requires("amount", document.GreaterThan, "ten"), document.Condition{SQL: "(1 = 0)"}},
		"no instant": {document.PostgreSQL, requires("closed", document.GreaterThan, "ten"), document.Condition{SQL: "(1 = 0)"}},
		"not among none": {document.PostgreSQL, requires("amount", document.NotIn), document.Condition{
			SQL: `("amount" IS NOT NULL)`,
		}},
		"no requirement": {document.PostgreSQL, document.Filters{{AnyOf: []document.Alternative{{}}}}, document.Condition{SQL: "(1 = 0)"}},
		"several": {document.PostgreSQL, append(document.Filters{{AnyOf: []document.Alternative{
			{AllOf: []document.Requirement{
				{Attribute: "country", Operator: document.In, Values: []string{"France"}},
				{Attribute: "amount", Operator: document.LessThan, Values: []string{"5"}},
			}},
			{AllOf: []document.Requirement{{Attribute: "country", Operator: document.In, Values: []string{"Spain"}}}},
		}}}, requires("amount", document.NotIn, "2")...), document.Condition{
			SQL:  `(((("i"."country" IN (CAST($4 AS text))) AND ("amount" < CAST($5 AS numeric))) OR ("i"."country" IN (CAST($6 AS text)))) AND ("amount" NOT IN (CAST($7 AS numeric))))`,
			Args: []any{"France", "5", "Spain", "2"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			all := columns
			if tc.dialect == document.SQLite {
				all = columns[:2]
			}
			got, err := table(t, tc.dialect, all...).Where(tc.filters, 3)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhereErrors(t *testing.T) {
	columns := []document.Column{
		{Attribute: "country", Name: "count`ry \"of\" origin", Type: document.Text},
		{Attribute: "amount", Name: "amount", Type: document.Number},
	}
	tests := map[string]struct {
		dialect document.Dialect
		filters document.Filters
		want    string
	}{
		"no column":          {document.SQLite, requires("secret", document.In, "x"), `attribute "secret" has no column`},
		"case of attributes": {document.SQLite, requires("Country", document.In, "x"), `attribute "Country" has no column`},
		"text is not ordered": {document.SQLite, requires("country", document.GreaterThan, "9"),
			"attribute \"country\": GreaterThan takes a Number or a Time, column \"count`ry \\\"of\\\" origin\" holds Text"},
		"two values":       {document.SQLite, requires("amount", document.LessThan, "1", "2"), `attribute "amount": LessThan takes one value, not 2`},
		"unknown operator": {document.SQLite, requires("amount", "Like", "1"), `attribute "amount": operator "Like" is not known`},
		"too long for MySQL": {document.MySQL, requires("amount", document.LessThan, strings.Repeat("9", 66)),
			`attribute "amount": MySQL has no number with as many digits as ` + strings.Repeat("9", 64) + "..."},
		"too fine for MySQL": {document.MySQL, requires("amount", document.LessThan, "0."+strings.Repeat("9", 31)),
			`attribute "amount": MySQL has no number with as many digits as 0.` + strings.Repeat("9", 31)},
		"all of them": {document.SQLite, append(requires("a", document.In), requires("b", document.In)...),
			"attribute \"a\" has no column\nattribute \"b\" has no column"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			condition, err := table(t, tc.dialect, columns...).Where(tc.filters, 0)
			if err == nil || err.Error() != tc.want {
				t.Errorf("the error is %v, want %s", err, tc.want)
			}
			if diff := cmp.Diff(document.Condition{SQL: "(1 = 0)"}, condition); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewTableErrors(t *testing.T) {
	tests := map[string]struct {
		dialect document.Dialect
		columns []document.Column
		want    string
	}{
		"dialect":   {"Oracle", nil, `dialect "Oracle" is not PostgreSQL, MySQL or SQLite`},
		"attribute": {document.MySQL, []document.Column{{Name: "a", Type: document.Text}}, `attribute "": the attribute has no name`},
		"name":      {document.MySQL, []document.Column{{Attribute: "a", Type: document.Text}}, `attribute "a": "." is not a column`},
		"zero byte": {document.MySQL, []document.Column{{Attribute: "a", Name: "a\x00", Type: document.Text}}, `attribute "a": ".a\x00" is not a column`},
		"type":      {document.MySQL, []document.Column{{Attribute: "a", Name: "a"}}, `attribute "a": type "" is not Text, Number or Time`},
		"unit":      {document.MySQL, []document.Column{{Attribute: "a", Name: "a", Type: document.Time, Unit: time.Hour}}, `attribute "a": unit 1h0m0s is not a second, a millisecond or a microsecond`},
		"unit of a number": {document.MySQL, []document.Column{{Attribute: "a", Name: "a", Type: document.Number, Unit: time.Second}},
			`attribute "a": a Number column has no unit`},
		"SQLite without unit": {document.SQLite, []document.Column{{Attribute: "a", Name: "a", Type: document.Time}},
			`attribute "a": SQLite has no type for instants: make the column an integer of Unix time and give its unit`},
		"twice": {document.SQLite, []document.Column{{Attribute: "a", Name: "a", Type: document.Text}, {Attribute: "a", Name: "b", Type: document.Text}},
			`attribute "a" has two columns`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := document.NewTable(tc.dialect, tc.columns...); err == nil || err.Error() != tc.want {
				t.Errorf("the error is %v, want %s", err, tc.want)
			}
		})
	}
}
