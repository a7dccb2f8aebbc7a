package console

import (
	"fmt"
	"slices"
	"strings"
)

// namedValues is a line of a field: a name, a colon, and values that are separated by commas. A value with a comma, a
// quote, or white space at its ends stands in double quotes.
type namedValues struct {
	name   string
	values []string
}

// writeValues writes the values of a line.
func writeValues[T ~string](values []T) string {
	written := make([]string, len(values))
	for i, each := range values {
		text := string(each)
		if strings.ContainsAny(text, `,"`) || strings.TrimSpace(text) != text {
			text = quote(text)
		}
		written[i] = text
	}
	return strings.Join(written, ", ")
}

// readValues reads what writeValues has written.
func readValues(text string) ([]string, error) {
	var values []string
	reader := &rowReader{rest: strings.TrimSpace(text)}
	for reader.rest != "" {
		var value string
		if strings.HasPrefix(reader.rest, `"`) {
			var err error
			if value, err = reader.quoted(); err != nil {
				return nil, err
			}
			if reader.rest = strings.TrimSpace(reader.rest); reader.rest != "" && reader.rest[0] != ',' {
				return nil, fmt.Errorf("%q follows where a comma or the end of the line is expected", reader.rest)
			}
			reader.rest = strings.TrimPrefix(reader.rest, ",")
			values = append(values, value)
		} else {
			value, reader.rest, _ = strings.Cut(reader.rest, ",")
			if value = strings.TrimSpace(value); value != "" {
				values = append(values, value)
			}
		}
		reader.rest = strings.TrimSpace(reader.rest)
	}
	return values, nil
}

// readEntries reads the lines of a field.
func readEntries(text string) ([]namedValues, error) {
	var all []namedValues
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, rest, _ := strings.Cut(line, ":")
		made := namedValues{name: strings.TrimSpace(name)}
		if made.name == "" {
			return nil, fmt.Errorf("%q: the line begins with a name and a colon", line)
		}
		if slices.ContainsFunc(all, func(each namedValues) bool { return each.name == made.name }) {
			return nil, fmt.Errorf("%q: there are two lines for %s", line, made.name)
		}
		var err error
		if made.values, err = readValues(rest); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, made)
	}
	return all, nil
}
