package document

import "slices"

// Filters limit the rows that a user sees: a row is visible if every filter lets it pass. Nil means every row. Filters
// are shared between callers and must not be modified.
//
// [Filters.Match] and [Filters.MatchStruct] evaluate rows in memory. [Table.Where] renders a condition for rows in a
// database. Both give the same result, depending on the type of the attribute of a row:
//
//   - text: In and NotIn compare bytes. GreaterThan and LessThan compare two decimal numbers (digits, optionally with
//     a sign and a point) or two RFC 3339 instants; anything else does not match. In a condition, GreaterThan and
//     LessThan are an error, because engines differ in what they parse as a number.
//   - number: all operators compare decimal numbers, exactly. A value that is not a number equals no number.
//   - instant: all operators compare instants. A value that is not an RFC 3339 instant equals no instant.
//
// A row without the attribute, or with NULL in the column, meets no requirement, not even NotIn.
type Filters []Filter

// Nothing returns filters that no row passes: those of a user without access.
func Nothing() Filters { return Filters{{AnyOf: []Alternative{}}} }

// FiltersOf returns the filters of the rows that a user sees: nil for every row, [Nothing] for a user who is not in the
// document. It ignores NotAfter. Places outside of d.Filters, which [Parse] rejects, count as [Nothing].
func (d *Application) FiltersOf(user string) Filters {
	u, ok := d.Users[user]
	if !ok {
		return Nothing()
	}
	return pick(d.Filters, u.Filters)
}

// FiltersOf returns the filters of the rows that the user sees in an application: nil for every row, [Nothing] for no
// access. An application that is not in the document has DefaultFilters. FiltersOf ignores NotAfter.
func (d *User) FiltersOf(application string) Filters {
	entry, ok := d.Applications[application]
	switch {
	case !ok && d.DefaultRole == NoAccess, ok && entry.Role == NoAccess:
		return Nothing()
	case !ok:
		return pick(d.Filters, d.DefaultFilters)
	default:
		return pick(d.Filters, entry.Filters)
	}
}

// pick returns the filters at the given places of the list.
func pick(list []Filter, places []int) Filters {
	if places == nil {
		return nil
	}
	picked := make(Filters, len(places))
	for i, place := range places {
		if place < 0 || place >= len(list) {
			return Nothing()
		}
		picked[i] = list[place]
	}
	return picked
}

// nothing is shared by followers to avoid an allocation.
var nothing = Nothing()

// Match reports whether the row is visible.
//
// Strings, []byte and bools are text. Integers, floats and json.Number are numbers. A time.Time is an instant. A
// pointer counts as the value that it points to, and a driver.Valuer, such as sql.NullString, as its value. A float is
// its exact value if that is a whole number, and otherwise the shortest decimal that parses to the same float. Nil and
// all other types count as a missing attribute.
func (f Filters) Match(row map[string]any) bool {
	return f.match(func(attribute string) value {
		v, ok := row[attribute]
		if !ok {
			return value{}
		}
		return valueOf(v)
	})
}

// MatchStruct reports whether the row is visible. The row is a struct or a pointer to one; its attributes are the
// fields with a tag, embedded structs included:
//
//	type Invoice struct {
//		Country string    `usher:"country"`
//		Amount  string    `usher:"amount,number"`
//		Closed  time.Time `usher:"closed"`
//	}
//
// A field counts as in [Filters.Match]. With number or time in its tag, text is parsed as a number or an instant, and
// counts as missing if it is not one. Anything other than such a struct is an error and not visible.
func (f Filters) MatchStruct(row any) (bool, error) {
	attributes, err := structRow(row)
	if err != nil {
		return false, err
	}
	return f.match(attributes), nil
}

// Match reports whether the filter lets the row pass; see [Filters.Match].
func (f Filter) Match(row map[string]any) bool { return Filters{f}.Match(row) }

// MatchStruct reports whether the filter lets the row pass; see [Filters.MatchStruct].
func (f Filter) MatchStruct(row any) (bool, error) { return Filters{f}.MatchStruct(row) }

func (f Filters) match(attribute func(string) value) bool {
	for i := range f {
		if !slices.ContainsFunc(f[i].AnyOf, func(a Alternative) bool { return a.match(attribute) }) {
			return false
		}
	}
	return true
}

// match returns false without requirements. No document has such an alternative, and it would show every row.
func (a Alternative) match(attribute func(string) value) bool {
	for i := range a.AllOf {
		if !a.AllOf[i].match(attribute(a.AllOf[i].Attribute)) {
			return false
		}
	}
	return len(a.AllOf) > 0
}

func (r *Requirement) match(v value) bool {
	if v.kind == missing {
		return false
	}
	switch r.Operator {
	case In:
		return slices.ContainsFunc(r.Values, v.equals)
	case NotIn:
		return !slices.ContainsFunc(r.Values, v.equals)
	case GreaterThan, LessThan:
		if len(r.Values) != 1 {
			return false
		}
		c, ok := v.compare(r.Values[0])
		return ok && (r.Operator == GreaterThan && c > 0 || r.Operator == LessThan && c < 0)
	default:
		return false
	}
}

func (f Filter) equal(g Filter) bool {
	return slices.EqualFunc(f.AnyOf, g.AnyOf, func(a, b Alternative) bool {
		return slices.EqualFunc(a.AllOf, b.AllOf, func(r, s Requirement) bool {
			return r.Attribute == s.Attribute && r.Operator == s.Operator && slices.Equal(r.Values, s.Values)
		})
	})
}
