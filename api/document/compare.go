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
	case MySQL: // by bytes: collations there take A for a and drop blanks
		column, as = "CAST(CONVERT("+column+" USING utf8mb4) AS BINARY)", "BINARY"
	case SQLite:
		guard = "typeof(" + column + ") = 'text'"
		column += " COLLATE BINARY"
	}
	var placeholders []string
	for _, v := range r.Values {
		if w.table.dialect == PostgreSQL && strings.Contains(v, "\x00") {
			continue // no text has it there, and none can be compared with it
		}
		placeholders = append(placeholders, w.parameter(v, as))
	}
	return guarded(guard, w.among(column, r.Operator, placeholders))
}

// guarded adds a condition on the type of a value: an SQLite column can hold any.
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
		// PostgreSQL has more digits before the point, MySQL 65 in all and 30 behind it.
		whole, fraction := 1000, 1000
		if w.table.dialect == MySQL {
			whole, fraction = 65-len(d.fraction), 30
			as = "DECIMAL(" + strconv.Itoa(max(1, len(d.whole)+len(d.fraction))) + "," + strconv.Itoa(len(d.fraction)) + ")"
		}
		if len(d.whole) > whole || len(d.fraction) > fraction {
			return w.fail("attribute %q: %s has no number as long as %s", r.Attribute, w.table.dialect, shorten(d.String()))
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

// storedNumber compares a number of SQLite, which is an int64 or a float64 in any column. Whole numbers that both hold
// exactly need no distinction.
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

// storedFloat compares a float by its decimal. Decimals are ordered as their floats are, so only that of the float
// nearest to the number has to be looked at.
func (w *where) storedFloat(column, operator string, numbers []decimal) string {
	var placeholders []string
	for _, d := range numbers {
		nearest, _ := strconv.ParseFloat(d.String(), 64) // infinite past the largest
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

// time compares instants at the resolution of the column: what lies between two of its instants is equal to none, and
// smaller than the same ones as the later of them.
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

// instant gives the latest instant that a column can hold and that is not later, and whether it is the very one.
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
