package document_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/api/document"
)

// requires returns one filter with one requirement.
func requires(attribute, operator string, values ...string) document.Filters {
	return document.Filters{{AnyOf: []document.Alternative{{AllOf: []document.Requirement{
		{Attribute: attribute, Operator: operator, Values: values},
	}}}}}
}

type brokenValuer struct{}

func (brokenValuer) Value() (driver.Value, error) { return nil, errors.New("broken") }

type endlessValuer struct{}

func (endlessValuer) Value() (driver.Value, error) { return endlessValuer{}, nil }

type country string

func TestMatch(t *testing.T) {
	const in, notIn, greater, less = document.In, document.NotIn, document.GreaterThan, document.LessThan
	noon := start
	tests := map[string]struct {
		value    any
		operator string
		values   []string
		want     bool
	}{
		"text":                             {"France", in, []string{"Spain", "France"}, true},
		"text by bytes":                    {"france", in, []string{"France"}, false},
		"text is not trimmed":              {"France ", in, []string{"France"}, false},
		"text is not normalized":           {"Co\u0302te", in, []string{"Côte"}, false},
		"text not among":                   {"Italy", notIn, []string{"Spain", "France"}, true},
		"text not not among":               {"Spain", notIn, []string{"Spain", "France"}, false},
		"empty text is there":              {"", notIn, []string{"Spain"}, true},
		"named string":                     {country("France"), in, []string{"France"}, true},
		"bytes":                            {[]byte("France"), in, []string{"France"}, true},
		"bool":                             {true, in, []string{"true"}, true},
		"none of none":                     {"x", notIn, nil, true},
		"one of none":                      {"x", in, nil, false},
		"number in text compares":          {"10", greater, []string{"9"}, true},
		"number in text is text to In":     {"10", in, []string{"10.0"}, false},
		"leading zeros are text to In":     {"007", in, []string{"7"}, false},
		"text that is not a number":        {"ten", greater, []string{"9"}, false},
		"number compared with text":        {10, less, []string{"ten"}, false},
		"exponent in text":                 {"1e3", greater, []string{"9"}, false},
		"instant in text compares":         {"2026-03-01T13:00:00+01:00", less, []string{"2026-03-01T12:00:01Z"}, true},
		"instant and number":               {"2026-03-01T13:00:00Z", greater, []string{"9"}, false},
		"date that is not an instant":      {"2026-03-01", greater, []string{"2025-01-01"}, false},
		"not by the alphabet":              {"b", greater, []string{"a"}, false},
		"integer":                          {int64(10), in, []string{"10.00"}, true},
		"integer not among":                {10, notIn, []string{"ten", "+010"}, false},
		"integer not among words":          {10, notIn, []string{"ten"}, true},
		"large integers":                   {uint64(math.MaxUint64), greater, []string{"18446744073709551614"}, true},
		"negative":                         {-2, less, []string{"-1.99"}, true},
		"negative greater":                 {int8(-2), greater, []string{"-10"}, true},
		"zeros":                            {0, in, []string{"-0.0"}, true},
		"float":                            {0.1, in, []string{"0.1"}, true},
		"float32":                          {float32(0.1), in, []string{"0.10"}, true},
		"float is its shortest decimal":    {0.1, less, []string{"0.10000000000000000001"}, true},
		"no number":                        {math.NaN(), notIn, []string{"1"}, false},
		"infinity":                         {math.Inf(1), greater, []string{"1"}, false},
		"JSON number":                      {json.Number("1.20e2"), in, []string{"120"}, true},
		"JSON number, small":               {json.Number("12E-4"), in, []string{"0.0012"}, true},
		"JSON number, large":               {json.Number("1e999999999"), greater, []string{"1"}, false},
		"JSON number, none":                {json.Number("x"), notIn, []string{"1"}, false},
		"same number of digits":            {19, less, []string{"20"}, true},
		"fractions by digits":              {json.Number("1.10"), less, []string{"1.2"}, true},
		"point needs digits":               {10, greater, []string{"9."}, false},
		"instant":                          {noon, in, []string{"2026-03-01T13:00:00.000+01:00"}, true},
		"instant not among":                {noon, notIn, []string{"2026-03-01T12:00:00Z"}, false},
		"instant later":                    {noon.Add(1), greater, []string{"2026-03-01T12:00:00Z"}, true},
		"instant earlier":                  {noon, greater, []string{"2026-03-01T12:00:00Z"}, false},
		"instant and text":                 {noon, notIn, []string{"noon"}, true},
		"nil":                              {nil, notIn, []string{"x"}, false},
		"nil pointer":                      {(*string)(nil), notIn, []string{"x"}, false},
		"pointer":                          {new("x"), in, []string{"x"}, true},
		"SQL null":                         {sql.NullString{}, notIn, []string{"x"}, false},
		"SQL text":                         {sql.NullString{String: "x", Valid: true}, in, []string{"x"}, true},
		"SQL number":                       {sql.NullInt64{Int64: 7, Valid: true}, greater, []string{"6.5"}, true},
		"SQL instant":                      {&sql.NullTime{Time: noon, Valid: true}, less, []string{"2027-01-01T00:00:00Z"}, true},
		"nil pointer with a value":         {(*sql.NullTime)(nil), notIn, []string{"x"}, false},
		"value that fails":                 {brokenValuer{}, notIn, []string{"x"}, false},
		"value without end":                {endlessValuer{}, notIn, []string{"x"}, false},
		"list":                             {[]string{"x"}, notIn, []string{"y"}, false},
		"unknown operator":                 {"x", "Like", []string{"x"}, false},
		"greater than two":                 {10, greater, []string{"1", "2"}, false},
		"greater than nothing":             {10, greater, nil, false},
		"comma is a fraction nowhere":      {"2026-03-01T12:00:00,5Z", greater, []string{"2020-01-01T00:00:00Z"}, false},
		"digits of other scripts are none": {"١٠", greater, []string{"9"}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			filters := requires("a", tc.operator, tc.values...)
			if got := filters.Match(map[string]any{"a": tc.value}); got != tc.want {
				t.Errorf("%#v %s %q is %t", tc.value, tc.operator, tc.values, got)
			}
			if filters.Match(map[string]any{"A": tc.value}) || filters.Match(nil) {
				t.Error("a row without the attribute is visible")
			}
		})
	}
}

func TestMatchCombines(t *testing.T) {
	a := document.Requirement{Attribute: "a", Operator: document.In, Values: []string{"1"}}
	b := document.Requirement{Attribute: "b", Operator: document.In, Values: []string{"1"}}
	filter := func(alternatives ...[]document.Requirement) document.Filter {
		var f document.Filter
		for _, alternative := range alternatives {
			f.AnyOf = append(f.AnyOf, document.Alternative{AllOf: alternative})
		}
		return f
	}
	type requirements = []document.Requirement
	rows := []map[string]any{{"a": "0", "b": "0"}, {"a": "0", "b": "1"}, {"a": "1", "b": "0"}, {"a": "1", "b": "1"}}
	tests := map[string]struct {
		filters document.Filters
		want    string // the result for each row
	}{
		"no filter":              {nil, "1111"},
		"no alternative":         {document.Filters{filter()}, "0000"},
		"nothing":                {document.Nothing(), "0000"},
		"no requirement":         {document.Filters{filter(requirements{})}, "0000"},
		"any":                    {document.Filters{filter(requirements{a}, requirements{b})}, "0111"},
		"all":                    {document.Filters{filter(requirements{a, b})}, "0001"},
		"every filter":           {document.Filters{filter(requirements{a}), filter(requirements{b})}, "0001"},
		"every filter, and none": {document.Filters{filter(requirements{a}), filter()}, "0000"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, row := range rows {
				digit := "0"
				if tc.filters.Match(row) {
					digit = "1"
				}
				got += digit
			}
			if got != tc.want {
				t.Errorf("visible are %s, want %s", got, tc.want)
			}
		})
	}
	if !filter(requirements{a}).Match(rows[2]) || filter(requirements{a}).Match(rows[1]) {
		t.Error("one filter is not what a list of it is")
	}
}

type base struct {
	Country string `usher:"country"`
}

// Region is embedded by a pointer.
type Region struct {
	Region string `usher:"region"`
}

type invoice struct {
	base
	*Region
	Amount   string     `usher:"amount,number"`
	Closed   string     `usher:"closed,time"`
	Due      *time.Time `usher:"due"`
	Internal string
	Skipped  string `usher:"-"`
}

func TestMatchStruct(t *testing.T) {
	row := invoice{base: base{"France"}, Amount: "10.00", Closed: "2026-03-01T12:00:00Z", Due: new(start), Internal: "x", Skipped: "x"}
	tests := map[string]struct {
		filters document.Filters
		want    bool
	}{
		"embedded":                   {requires("country", document.In, "France"), true},
		"embedded, not there":        {requires("region", document.NotIn, "x"), false},
		"text as a number":           {requires("amount", document.In, "10"), true},
		"text as a number, greater":  {requires("amount", document.GreaterThan, "9.5"), true},
		"text as an instant":         {requires("closed", document.In, "2026-03-01T13:00:00+01:00"), true},
		"pointer":                    {requires("due", document.LessThan, "2027-01-01T00:00:00Z"), true},
		"without a tag":              {requires("Internal", document.In, "x"), false},
		"with a dash":                {requires("-", document.In, "x"), false},
		"attributes go by their tag": {requires("Country", document.NotIn, "x"), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, row := range []any{row, &row, new(&row)} {
				got, err := tc.filters.MatchStruct(row)
				if got != tc.want || err != nil {
					t.Errorf("%T is visible: %t, %v", row, got, err)
				}
			}
			if got, err := tc.filters[0].MatchStruct(row); got != tc.want || err != nil {
				t.Errorf("by one filter it is visible: %t, %v", got, err)
			}
		})
	}
	row.Amount, row.Closed, row.Region = "ten", "noon", &Region{"EU"}
	for filters, want := range map[*document.Filters]bool{
		new(requires("amount", document.NotIn, "1")): false,
		new(requires("closed", document.NotIn, "1")): false,
		new(requires("region", document.In, "EU")):   true,
	} {
		if got, err := filters.MatchStruct(row); got != want || err != nil {
			t.Errorf("%v shows %+v: %t, %v", *filters, row, got, err)
		}
	}
}

type loop struct {
	*loop2
}

type loop2 struct{ Loop3 }

// Loop3 embeds itself.
type Loop3 struct{ *Loop3 }

func TestMatchStructErrors(t *testing.T) {
	tests := map[string]struct {
		row  any
		want string
	}{
		"nil":         {nil, "a row is a struct or a pointer to one, not <nil>"},
		"nil pointer": {(*invoice)(nil), "a row is a struct or a pointer to one, not *document_test.invoice"},
		"map":         {map[string]any{}, "a row is a struct"},
		"not exported": {struct {
			a string `usher:"a"`
		}{}, "a: an attribute must be an exported field"},
		"no name": {struct {
			A string `usher:",number"`
		}{}, `A: tag usher:",number" is not`},
		"unknown option": {struct {
			A string `usher:"a,date"`
		}{}, `A: tag usher:"a,date" is not`},
		"twice": {struct {
			base
			A string `usher:"country"`
		}{}, `A: attribute "country" is duplicated`},
		"embeds itself": {struct{ Loop3 }{}, "the type embeds itself"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second round uses the cached fields of the type
				visible, err := requires("a", document.NotIn, "x").MatchStruct(tc.row)
				if visible || err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("it is visible: %t, %v", visible, err)
				}
			}
		})
	}
	if _, err := requires("a", document.In, "x").MatchStruct(loop{}); err != nil {
		t.Error(err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("10", "9.5")
	f.Add("2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00")
	f.Add("-0", "+000.000")
	f.Fuzz(func(t *testing.T, row, named string) {
		for _, attribute := range []any{row, json.Number(row)} {
			at := map[string]any{"a": attribute}
			is := requires("a", document.In, named).Match(at)
			greater, less := requires("a", document.GreaterThan, named).Match(at), requires("a", document.LessThan, named).Match(at)
			if greater && less || is && (greater || less) {
				t.Errorf("%#v and %q: equal %t, greater %t, less %t", attribute, named, is, greater, less)
			}
			if back := requires("a", document.LessThan, row).Match(map[string]any{"a": named}); greater != back && attribute == any(row) {
				t.Errorf("%q is greater than %q: %t, the other way round %t", row, named, greater, back)
			}
		}
	})
}
