package document

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (w *where) text(c *Column, r *Requirement) string {
	if r.Operator == GreaterThan || r.Operator == LessThan {
		return w.fail("attribute %q: %s takes a %s or a %s, column %q holds %s",
			r.Attribute, r.Operator, Number, Time, c.Name, c.Type)
	}
	column, as := w.quoted(c), ""
	guard := ""
	switch w.table.dialect {
	case PostgreSQL:
		as = "text"
	case MySQL: // by bytes: the collations of MySQL ignore case and trailing blanks
		column, as = "CAST(CONVERT("+column+" USING utf8mb4) AS BINARY)", "BINARY"
	case SQLite:
		guard = "typeof(" + column + ") = 'text'"
		column += " COLLATE BINARY"
	}
	var placeholders []string
	for _, v := range r.Values {
		if w.table.dialect == PostgreSQL && strings.Contains(v, "\x00") {
			continue // the column cannot hold such a text, and comparing with it is an error
		}
		placeholders = append(placeholders, w.parameter(v, as))
	}
	return guarded(guard, w.among(column, r.Operator, placeholders))
}

// guarded adds a condition on the type of a value, because a SQLite column can hold values of any type.
func guarded(guard, condition string) string {
	if guard == "" || condition == never {
		return condition
	}
	return "(" + guard + " AND " + condition + ")"
}

func (w *where) number(c *Column, r *Requirement) string {
	var numbers []decimal
	for _, v := range r.Values {
		if d, ok := parseDecimal(v); ok && !slices.Contains(numbers, d) {
			numbers = append(numbers, d)
		}
	}
	ordered := r.Operator == GreaterThan || r.Operator == LessThan
	if ordered && len(numbers) == 0 {
		return never
	}
	if w.table.dialect == SQLite {
		return w.storedNumber(w.quoted(c), r.Operator, numbers)
	}
	var placeholders []string
	for _, d := range numbers {
		as := "numeric"
		// PostgreSQL has more digits before the point. MySQL has 65 digits, 30 of them after the point.
		whole, fraction := 1000, 1000
		if w.table.dialect == MySQL {
			whole, fraction = 65-len(d.fraction), 30
			as = "DECIMAL(" + strconv.Itoa(max(1, len(d.whole)+len(d.fraction))) + "," + strconv.Itoa(len(d.fraction)) + ")"
		}
		if len(d.whole) > whole || len(d.fraction) > fraction {
			return w.fail("attribute %q: %s has no number with as many digits as %s", r.Attribute, w.table.dialect, shorten(d.String()))
		}
		placeholders = append(placeholders, w.parameter(d.String(), as))
	}
	switch r.Operator {
	case GreaterThan:
		return "(" + w.quoted(c) + " > " + placeholders[0] + ")"
	case LessThan:
		return "(" + w.quoted(c) + " < " + placeholders[0] + ")"
	default:
		return w.among(w.quoted(c), r.Operator, placeholders)
	}
}

// storedNumber compares a number in SQLite, where any column can hold an int64 or a float64. It does not distinguish
// them for whole numbers that both represent exactly.
func (w *where) storedNumber(column, operator string, numbers []decimal) string {
	const exact = 1 << 53
	alike := !slices.ContainsFunc(numbers, func(d decimal) bool {
		n, side := d.floor()
		return side != 0 || d.fraction != "" || n < -exact || n > exact
	})
	if alike {
		return guarded("typeof("+column+") IN ('integer', 'real')", w.storedInteger(column, operator, numbers))
	}
	integers := guarded("typeof("+column+") = 'integer'", w.storedInteger(column, operator, numbers))
	floats := guarded("typeof("+column+") = 'real'", w.storedFloat(column, operator, numbers))
	return combine([]string{integers, floats}, " OR ", never)
}

func (w *where) storedInteger(column, operator string, numbers []decimal) string {
	var placeholders []string
	for _, d := range numbers {
		n, side := d.floor()
		switch {
		case operator == GreaterThan && side != 0:
			return verdict(side < 0)
		case operator == GreaterThan:
			return "(" + column + " > " + w.parameter(n, "") + ")"
		case operator == LessThan && side != 0:
			return verdict(side > 0)
		case operator == LessThan && d.fraction != "":
			return "(" + column + " <= " + w.parameter(n, "") + ")"
		case operator == LessThan:
			return "(" + column + " < " + w.parameter(n, "") + ")"
		case side == 0 && d.fraction == "":
			placeholders = append(placeholders, w.parameter(n, ""))
		}
	}
	return w.among(column, operator, placeholders)
}

// storedFloat compares a float by its decimal representation. Floats and their decimals have the same order, so only
// the float nearest to the number needs an exact comparison.
func (w *where) storedFloat(column, operator string, numbers []decimal) string {
	var placeholders []string
	for _, d := range numbers {
		nearest, _ := strconv.ParseFloat(d.String(), 64) // infinite if out of range
		if infinite := math.IsInf(nearest, 0); infinite && (operator == GreaterThan || operator == LessThan) {
			return verdict((nearest < 0) == (operator == GreaterThan))
		} else if infinite {
			continue
		}
		switch c := floatDecimal(nearest, 64).compare(d); {
		case operator == GreaterThan && c > 0:
			return "(" + column + " >= " + w.parameter(nearest, "") + ")"
		case operator == GreaterThan:
			return "(" + column + " > " + w.parameter(nearest, "") + ")"
		case operator == LessThan && c < 0:
			return "(" + column + " <= " + w.parameter(nearest, "") + ")"
		case operator == LessThan:
			return "(" + column + " < " + w.parameter(nearest, "") + ")"
		case c == 0:
			placeholders = append(placeholders, w.parameter(nearest, ""))
		}
	}
	return w.among(column, operator, placeholders)
}

func verdict(holds bool) string {
	if holds {
		return always
	}
	return never
}

// time compares instants at the resolution of the column. An instant between two values of the column is equal to none,
// and compares with others like the later of the two.
func (w *where) time(c *Column, r *Requirement) string {
	column, guard := w.quoted(c), ""
	if w.table.dialect == SQLite {
		guard = "typeof(" + column + ") = 'integer'"
	}
	var placeholders []string
	for _, v := range r.Values {
		t, ok := parseInstant(v)
		if !ok {
			continue
		}
		arg, as, exact := w.instant(c, t)
		switch {
		case r.Operator == GreaterThan:
			return guarded(guard, "("+column+" > "+w.parameter(arg, as)+")")
		case r.Operator == LessThan && exact:
			return guarded(guard, "("+column+" < "+w.parameter(arg, as)+")")
		case r.Operator == LessThan:
			return guarded(guard, "("+column+" <= "+w.parameter(arg, as)+")")
		case exact:
			placeholders = append(placeholders, w.parameter(arg, as))
		}
	}
	if r.Operator == GreaterThan || r.Operator == LessThan {
		return never
	}
	return guarded(guard, w.among(column, r.Operator, placeholders))
}

// instant returns the latest instant of the column that is not later than t, and whether it equals t.
func (w *where) instant(c *Column, t time.Time) (arg any, as string, exact bool) {
	switch w.table.dialect {
	case PostgreSQL:
		as = "bigint"
	case MySQL:
		as = "SIGNED"
	}
	switch c.Unit {
	case time.Second:
		return t.Unix(), as, t.Nanosecond() == 0
	case time.Millisecond:
		return t.UnixMilli(), as, t.Nanosecond()%int(time.Millisecond) == 0
	case time.Microsecond:
		return t.UnixMicro(), as, t.Nanosecond()%int(time.Microsecond) == 0
	}
	if as = "timestamptz"; w.table.dialect == MySQL {
		as = "DATETIME(6)"
	}
	beyond := time.Duration(t.Nanosecond()) % time.Microsecond
	return t.Add(-beyond).UTC(), as, beyond == 0
}
