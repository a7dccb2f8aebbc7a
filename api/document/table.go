package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is the SQL syntax of an engine for placeholders, names and types.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "PostgreSQL"
	MySQL      Dialect = "MySQL"
	SQLite     Dialect = "SQLite"
)

// ColumnType is the type of a column. It determines how filters compare the column, so it must be correct. A wrong type
// causes an error or hides rows if the engine detects it, but not every engine does.
type ColumnType string

// The types of columns.
const (
	// Text is a column of text: text or varchar in PostgreSQL with a deterministic collation, which is the default; any
	// text type in MySQL, compared by its UTF-8 bytes regardless of collation; TEXT in SQLite.
	Text ColumnType = "Text"
	// Number is a column of finite exact numbers: integer types and numeric in PostgreSQL; integer types and DECIMAL in
	// MySQL; INTEGER, NUMERIC and REAL in SQLite, where a float has the same value as in Match. PostgreSQL and MySQL
	// compare a binary floating point column as floats, so the result may differ from Match for decimals of about 16
	// digits or more.
	Number ColumnType = "Number"
	// Time is a column of instants: timestamptz in PostgreSQL; DATETIME or TIMESTAMP in MySQL, in the time zone of the
	// driver. With a Unit, it is an integer column of Unix time, which SQLite always requires.
	Time ColumnType = "Time"
)

// Column maps an attribute to a column of a table.
type Column struct {
	// Attribute is the name of the attribute in filters.
	Attribute string
	// Table is the table or its alias. If empty, Name is not qualified.
	Table string
	// Name is the column. It is quoted, so in PostgreSQL it must have the same case as in the table.
	Name string
	// Type is the type of the column.
	Type ColumnType
	// Unit makes a Time an integer column of Unix time in this unit: time.Second, time.Millisecond or time.Microsecond.
	Unit time.Duration
}

// Table renders conditions for the columns of one or more joined tables. It is safe for concurrent use.
type Table struct {
	dialect Dialect
	columns map[string]Column
}

// Condition is a part of a SQL statement, in parentheses, with placeholders and arguments. It is true for visible rows,
// and false or NULL for others.
type Condition struct {
	SQL  string
	Args []any
}

// NewTable checks the columns. Filters can use only the attributes that are listed here.
func NewTable(dialect Dialect, columns ...Column) (*Table, error) {
	t := &Table{dialect: dialect, columns: map[string]Column{}}
	var failures []error
	switch dialect {
	case PostgreSQL, MySQL, SQLite:
	default:
		failures = append(failures, fmt.Errorf("dialect %q is not %s, %s or %s", dialect, PostgreSQL, MySQL, SQLite))
	}
	for _, c := range columns {
		if err := c.check(dialect); err != nil {
			failures = append(failures, fmt.Errorf("attribute %q: %w", c.Attribute, err))
		} else if _, twice := t.columns[c.Attribute]; twice {
			failures = append(failures, fmt.Errorf("attribute %q has two columns", c.Attribute))
		}
		t.columns[c.Attribute] = c
	}
	if len(failures) > 0 {
		return nil, errors.Join(failures...)
	}
	return t, nil
}

func (c *Column) check(dialect Dialect) error {
	switch {
	case c.Attribute == "":
		return errors.New("the attribute has no name")
	case c.Name == "" || strings.Contains(c.Table+c.Name, "\x00"):
		return fmt.Errorf("%q is not a column", c.Table+"."+c.Name)
	}
	switch c.Type {
	case Text, Number:
		if c.Unit != 0 {
			return fmt.Errorf("a %s column has no unit", c.Type)
		}
	case Time:
		switch c.Unit {
		case time.Second, time.Millisecond, time.Microsecond:
		case 0:
			if dialect == SQLite {
				return errors.New("SQLite has no type for instants: make the column an integer of Unix time and give its unit")
			}
		default:
			return fmt.Errorf("unit %s is not a second, a millisecond or a microsecond", c.Unit)
		}
	default:
		return fmt.Errorf("type %q is not %s, %s or %s", c.Type, Text, Number, Time)
	}
	return nil
}

// maximumParameters is the maximum number of parameters of a statement.
var maximumParameters = map[Dialect]int{PostgreSQL: 65535, MySQL: 65535, SQLite: 32766}

// Where renders the filters as a condition for a statement that already has the given number of parameters. In
// PostgreSQL, the first placeholder is then $earlier+1.
//
// Values become parameters, never part of the text. An attribute without a column, or a comparison that the type of the
// column does not support, is an error. The condition that is returned with an error matches no row.
func (t *Table) Where(filters Filters, earlier int) (Condition, error) {
	w := &where{table: t, earlier: earlier}
	all := make([]string, 0, len(filters))
	for i := range filters {
		anyOf := make([]string, 0, len(filters[i].AnyOf))
		for _, alternative := range filters[i].AnyOf {
			allOf := make([]string, 0, len(alternative.AllOf))
			for j := range alternative.AllOf {
				allOf = append(allOf, w.requirement(&alternative.AllOf[j]))
			}
			if len(allOf) == 0 {
				allOf = append(allOf, never) // as in match
			}
			anyOf = append(anyOf, combine(allOf, " AND ", always))
		}
		all = append(all, combine(anyOf, " OR ", never))
	}
	if n := earlier + len(w.args); n > maximumParameters[t.dialect] {
		w.failures = append(w.failures, fmt.Errorf("%d parameters, %s takes %d", n, t.dialect, maximumParameters[t.dialect]))
	}
	if len(w.failures) > 0 {
		return Condition{SQL: never}, errors.Join(w.failures...)
	}
	return Condition{SQL: combine(all, " AND ", always), Args: w.args}, nil
}

const (
	always = "(1 = 1)"
	never  = "(1 = 0)"
)

// combine joins conditions in nested groups, because engines bound the depth of an expression.
func combine(conditions []string, operator, none string) string {
	const most = 50
	switch {
	case len(conditions) == 0:
		return none
	case len(conditions) == 1:
		return conditions[0]
	case len(conditions) <= most:
		return "(" + strings.Join(conditions, operator) + ")"
	}
	size := most
	for size*most < len(conditions) {
		size *= most
	}
	var groups []string
	for len(conditions) > 0 {
		n := min(size, len(conditions))
		groups = append(groups, combine(conditions[:n], operator, none))
		conditions = conditions[n:]
	}
	return combine(groups, operator, none)
}

// where collects the parameters and errors of a condition.
type where struct {
	table    *Table
	earlier  int
	args     []any
	failures []error
}

// requirement renders one comparison, in parentheses.
func (w *where) requirement(r *Requirement) string {
	column, ok := w.table.columns[r.Attribute]
	if !ok {
		return w.fail("attribute %q has no column", r.Attribute)
	}
	switch r.Operator {
	case In, NotIn:
	case GreaterThan, LessThan:
		if len(r.Values) != 1 {
			return w.fail("attribute %q: %s takes one value, not %d", r.Attribute, r.Operator, len(r.Values))
		}
	default:
		return w.fail("attribute %q: operator %q is not known", r.Attribute, r.Operator)
	}
	switch column.Type {
	case Number:
		return w.number(&column, r)
	case Time:
		return w.time(&column, r)
	default:
		return w.text(&column, r)
	}
}

func (w *where) fail(format string, args ...any) string {
	w.failures = append(w.failures, fmt.Errorf(format, args...))
	return never
}

// parameter adds an argument and returns its placeholder, cast to the type if one is given.
func (w *where) parameter(arg any, as string) string {
	w.args = append(w.args, arg)
	placeholder := "?"
	if w.table.dialect == PostgreSQL {
		placeholder = "$" + strconv.Itoa(w.earlier+len(w.args))
	}
	if as == "" {
		return placeholder
	}
	return "CAST(" + placeholder + " AS " + as + ")"
}

// among renders a comparison of the column, or of an expression, with a set of values.
func (w *where) among(column, operator string, placeholders []string) string {
	switch {
	case len(placeholders) > 0 && operator == In:
		return "(" + column + " IN (" + strings.Join(placeholders, ", ") + "))"
	case len(placeholders) > 0:
		return "(" + column + " NOT IN (" + strings.Join(placeholders, ", ") + "))"
	case operator == In:
		return never
	default:
		return "(" + column + " IS NOT NULL)"
	}
}

// quoted returns the quoted name of the column. SQLite interprets an unknown name in double quotes as a string, which
// could show rows by mistake. A name in backquotes is always a name.
func (w *where) quoted(c *Column) string {
	quote := "`"
	if w.table.dialect == PostgreSQL {
		quote = `"`
	}
	name := quote + strings.ReplaceAll(c.Name, quote, quote+quote) + quote
	if c.Table != "" {
		name = quote + strings.ReplaceAll(c.Table, quote, quote+quote) + quote + "." + name
	}
	return name
}
