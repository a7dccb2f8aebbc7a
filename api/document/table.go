package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is an SQL engine's way to write placeholders, names and types.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "PostgreSQL"
	MySQL      Dialect = "MySQL"
	SQLite     Dialect = "SQLite"
)

// ColumnType is what a column holds. It says how filters compare it, so it has to be what the column is: a wrong one
// gives an error, or fewer rows, where the engine can tell, but not every engine can.
type ColumnType string

// The types of columns.
const (
	// Text is a column of text: text or varchar in PostgreSQL, with a deterministic collation, which is the default;
	// any text type in MySQL, compared by the bytes of its UTF-8 whatever its collation; TEXT in SQLite.
	Text ColumnType = "Text"
	// Number is a column of finite exact numbers: integer types and numeric in PostgreSQL, integer types and DECIMAL in
	// MySQL; INTEGER, NUMERIC and REAL in SQLite, where a float is what it is to Match. PostgreSQL and MySQL compare a
	// binary floating point column as floats, so with decimals of about 16 digits or more it may decide otherwise than
	// Match.
	Number ColumnType = "Number"
	// Time is a column of instants: timestamptz in PostgreSQL, DATETIME or TIMESTAMP in MySQL, in the time zone that the
	// driver is set to. With a Unit it is an integer column of Unix time, in SQLite always.
	Time ColumnType = "Time"
)

// Column says which column of a table holds an attribute.
type Column struct {
	// Attribute is what filters call it.
	Attribute string
	// Table is the table or its alias. Empty: Name is not qualified.
	Table string
	// Name is the column. It is quoted: in PostgreSQL it has to be written as the table has it, case included.
	Name string
	// Type is what the column holds.
	Type ColumnType
	// Unit makes a Time an integer column of Unix time in this unit: time.Second, time.Millisecond or time.Microsecond.
	Unit time.Duration
}

// Table makes conditions for the columns of a table, or of several that are joined. It can be shared.
type Table struct {
	dialect Dialect
	columns map[string]Column
}

// Condition is a part of an SQL statement, in parentheses, with placeholders for its arguments. It is true for the rows
// that are visible, and false or NULL for others.
type Condition struct {
	SQL  string
	Args []any
}

// NewTable checks the columns. Filters see only what is named here.
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
			failures = append(failures, fmt.Errorf("attribute %q: it has two columns", c.Attribute))
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
		return errors.New("it has no name")
	case c.Name == "" || strings.Contains(c.Table+c.Name, "\x00"):
		return fmt.Errorf("%q is no column", c.Table+"."+c.Name)
	}
	switch c.Type {
	case Text, Number:
		if c.Unit != 0 {
			return fmt.Errorf("a %s has no unit", c.Type)
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

// maximumParameters is how many a statement can have.
var maximumParameters = map[Dialect]int{PostgreSQL: 65535, MySQL: 65535, SQLite: 32766}

// Where renders the filters as a condition, for a statement that has that many parameters before it (in PostgreSQL the
// first placeholder is then $earlier+1).
//
// Values are parameters, never part of the text. An attribute that has no column, and a comparison that the column's
// type does not have, is an error. Beside an error the condition is one that no row meets.
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

// combine joins conditions, in groups of groups: engines bound how deep an expression may be.
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

// where collects the parameters of a condition, and what is wrong with it.
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
			return w.fail("attribute %q: %s takes one value, there are %d", r.Attribute, r.Operator, len(r.Values))
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

// parameter adds an argument and gives its placeholder, cast to the type if one is given.
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

// among says that the column, for which there may be an expression, has one of the values, or none of them.
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

// quoted gives the column's name. SQLite reads a double-quoted name that it does not know as a string, a mistake that
// would show rows; what it reads in backquotes is always a name.
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
