package console

import (
	"fmt"
	"strings"
	"unicode"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Rows are written one alternative a line: requirements that are joined by "and". A requirement is an attribute, an
// operator, and a value, several values in parentheses, or "user." with the name of an attribute of the user:
//
//	country = France and product in (laptops, servers)
//	country in user.countries
//
// A value that contains a space, a comma, a parenthesis or a quote, or that begins with "user.", stands in double quotes.

// rowOperators are the operators as they are written, the longest first.
var rowOperators = []struct {
	text     string
	operator accessv1alpha1.DataOperator
}{
	{"not in", accessv1alpha1.DataOperatorNotIn}, {"in", accessv1alpha1.DataOperatorIn}, {"!=", accessv1alpha1.DataOperatorNotIn},
	{"=", accessv1alpha1.DataOperatorIn}, {">", accessv1alpha1.DataOperatorGreaterThan}, {"<", accessv1alpha1.DataOperatorLessThan},
}

const ofUser = "user."

// writeRows returns the alternatives, one a line.
func writeRows(all []accessv1alpha1.RowAlternative) []string {
	lines := make([]string, len(all))
	for i := range all {
		parts := make([]string, len(all[i].AllOf))
		for j := range all[i].AllOf {
			parts[j] = writeRequirement(&all[i].AllOf[j])
		}
		lines[i] = strings.Join(parts, " and ")
	}
	return lines
}

func writeRequirement(r *accessv1alpha1.RowRequirement) string {
	one, several := "=", "in"
	switch r.Operator {
	case accessv1alpha1.DataOperatorNotIn:
		one, several = "!=", "not in"
	case accessv1alpha1.DataOperatorGreaterThan:
		one, several = ">", ">"
	case accessv1alpha1.DataOperatorLessThan:
		one, several = "<", "<"
	}
	if r.UserAttribute != "" {
		return fmt.Sprintf("%s %s %s%s", r.Attribute, several, ofUser, r.UserAttribute)
	}
	values := make([]string, len(r.Values))
	for i, each := range r.Values {
		values[i] = writeValue(string(each))
	}
	if len(values) == 1 {
		return fmt.Sprintf("%s %s %s", r.Attribute, one, values[0])
	}
	return fmt.Sprintf("%s %s (%s)", r.Attribute, several, strings.Join(values, ", "))
}

func writeValue(value string) string {
	if value == "" || strings.ContainsAny(value, ",()\"") || strings.ContainsFunc(value, unicode.IsSpace) || strings.HasPrefix(value, ofUser) {
		return quote(value)
	}
	return value
}

func quote(value string) string { return `"` + strings.ReplaceAll(value, `"`, `""`) + `"` }

// readRows reads the lines.
func readRows(text string) ([]accessv1alpha1.RowAlternative, error) {
	var all []accessv1alpha1.RowAlternative
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		made := accessv1alpha1.RowAlternative{}
		reader := &rowReader{rest: line}
		for {
			requirement, err := reader.requirement()
			if err != nil {
				return nil, fmt.Errorf("%q: %w; write it as country = France and product in (laptops, servers)", line, err)
			}
			made.AllOf = append(made.AllOf, *requirement)
			if reader.skip(); reader.rest == "" {
				break
			}
			if !reader.word("and") {
				return nil, fmt.Errorf("%q: %q follows where \"and\" or the end of the line is expected", line, reader.rest)
			}
		}
		all = append(all, made)
	}
	return all, nil
}

// rowReader reads a line from its beginning.
type rowReader struct{ rest string }

func (r *rowReader) skip() { r.rest = strings.TrimLeft(r.rest, " \t") }

// word takes the word from the beginning of the rest, and reports whether it was there.
func (r *rowReader) word(word string) bool {
	r.skip()
	rest, is := strings.CutPrefix(r.rest, word)
	if !is || (rest != "" && isNameByte(word[len(word)-1]) && isNameByte(rest[0])) {
		return false
	}
	r.rest = rest
	return true
}

func isNameByte(b byte) bool {
	return b == '_' || (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z')
}

func (r *rowReader) name() string {
	r.skip()
	end := 0
	for end < len(r.rest) && isNameByte(r.rest[end]) {
		end++
	}
	name := r.rest[:end]
	r.rest = r.rest[end:]
	return name
}

func (r *rowReader) requirement() (*accessv1alpha1.RowRequirement, error) {
	made := &accessv1alpha1.RowRequirement{Attribute: accessv1alpha1.AttributeName(r.name())}
	if made.Attribute == "" {
		return nil, fmt.Errorf("%q is not an attribute", r.rest)
	}
	for _, each := range rowOperators {
		if r.word(each.text) {
			made.Operator = each.operator
			break
		}
	}
	if made.Operator == "" {
		return nil, fmt.Errorf("after %s an operator is expected: =, !=, in, not in, > or <", made.Attribute)
	}
	r.skip()
	if rest, is := strings.CutPrefix(r.rest, ofUser); is {
		r.rest = rest
		if made.UserAttribute = accessv1alpha1.AttributeName(r.name()); made.UserAttribute == "" {
			return nil, fmt.Errorf("after user. the name of an attribute is expected")
		}
		return made, nil
	}
	return made, r.values(made)
}

func (r *rowReader) values(into *accessv1alpha1.RowRequirement) error {
	several := r.word("(")
	for {
		value, err := r.value()
		if err != nil {
			return err
		}
		into.Values = append(into.Values, accessv1alpha1.AttributeValue(value))
		switch {
		case !several, r.word(")"):
			return nil
		case !r.word(","):
			return fmt.Errorf("%q follows where a comma or a closing parenthesis is expected", r.rest)
		}
	}
}

func (r *rowReader) value() (string, error) {
	r.skip()
	if !strings.HasPrefix(r.rest, `"`) {
		end := strings.IndexAny(r.rest, " \t,()")
		if end < 0 {
			end = len(r.rest)
		}
		if end == 0 {
			return "", fmt.Errorf("a value is missing")
		}
		value := r.rest[:end]
		r.rest = r.rest[end:]
		return value, nil
	}
	return r.quoted()
}

// quoted takes a value in double quotes, in which two of them stand for one.
func (r *rowReader) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(r.rest); i++ {
		switch {
		case r.rest[i] != '"':
			b.WriteByte(r.rest[i])
		case strings.HasPrefix(r.rest[i+1:], `"`):
			b.WriteByte('"')
			i++
		default:
			r.rest = r.rest[i+1:]
			return b.String(), nil
		}
	}
	return "", fmt.Errorf("the quote is not closed")
}
